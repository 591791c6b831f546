"""Where the parts of a row of the online store lie. Pure.

A row, little-endian but for its first 13 bytes::

    0    1            5                 13      14        then
    | 02 | check      | event timestamp | flags | created | nulls | bools | fixed | lengths | variable

``check`` is the view's fingerprint XOR the CRC-32 of the row's key: a row of another layout
or of another key is not read. The event timestamp is microseconds since 1970 plus 2^63, so
that bytes compare in order. What follows the flags is there as they say:

- created timestamp: nothing (flags & 3 is 0), the microseconds after the event in 4 bytes
  (1), or 8 bytes as the event's (2). 1 is used wherever it fits.
- a bit per column, lowest first, where it is null: if flags & 4, which is if one is.
- a bit per column of truth values, lowest first.
- numbers: all columns of 8 bytes, then of 4, of 2 and of 1; zero where null.
- the length of each variable column: in a byte, or in 4 if flags & 8, which is if one is
  longer than 255; then their bytes.

Flags & 16 says that every text stands in JSON, between quotes, as it is.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from provender.core.serving import ServedView
from provender.online.kinds import Kind, kind_of

ROW_VERSION = 2
HEAD = struct.Struct(">BIQB")
"""Version, check, event timestamp, flags."""
SIGN = 1 << 63
CREATED_AFTER, CREATED_WHOLE = 1, 2
HAS_NULLS, HAS_LONG, JSON_SAFE = 4, 8, 16
CREATED_SIZES = (0, 4, 8)
MAX_SHORT = 255
ESCAPED = re.compile(rb'[\x00-\x1f"\\]')
"""The bytes that JSON does not take between quotes as they are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the parts of rows with the same flags begin; ``variable_at`` ends what is fixed."""

    flags: int
    nulls_at: int
    bools_at: int
    fixed_at: int
    lengths_at: int
    variable_at: int

    @property
    def length_code(self) -> str:
        """The struct code of a length."""
        return "I" if self.flags & HAS_LONG else "B"


class Layout:
    """Rows of columns with these types: which of them, by position, lie in which part."""

    def __init__(self, types: Sequence[str]) -> None:
        self.kinds: tuple[Kind, ...] = tuple(kind_of(word) for word in types)
        positions = range(len(self.kinds))
        self.bools = [at for at in positions if self.kinds[at].code == "?"]
        self.variable = [at for at in positions if self.kinds[at].variable]
        numbers = (at for at in positions if self.kinds[at].width and at not in self.bools)
        self.fixed = sorted(numbers, key=lambda at: (-self.kinds[at].width, at))
        self.texts = [at for at in positions if types[at] == "string"]
        self.nulls_size = (len(self.kinds) + 7) // 8
        self.bools_size = (len(self.bools) + 7) // 8
        self.numbers = struct.Struct("<" + "".join(self.kinds[at].code for at in self.fixed))
        ends = accumulate(self.kinds[at].width for at in self.fixed)
        self.offsets = dict(zip(self.fixed, (0, *ends), strict=False))
        """Where each number is, from the first."""
        self._shapes: dict[int, Shape | None] = {}

    def shape(self, flags: int) -> Shape | None:
        """Return where the parts of rows with these flags are; None if no row has such flags."""
        if flags not in self._shapes:
            self._shapes[flags] = self._shape(flags)
        return self._shapes[flags]

    def _shape(self, flags: int) -> Shape | None:
        if flags >= 2 * JSON_SAFE or flags & 3 == 3:
            return None
        nulls_at = HEAD.size + CREATED_SIZES[flags & 3]
        bools_at = nulls_at + (self.nulls_size if flags & HAS_NULLS else 0)
        fixed_at = bools_at + self.bools_size
        lengths_at = fixed_at + self.numbers.size
        each = 4 if flags & HAS_LONG else 1
        variable_at = lengths_at + each * len(self.variable)
        return Shape(flags, nulls_at, bools_at, fixed_at, lengths_at, variable_at)


def layout_of(view: ServedView) -> Layout:
    """Return the layout of the view's rows."""
    return Layout([column.type for column in view.columns])


def check_of(view: ServedView) -> int:
    """Return what all rows of the view are marked with, each together with its key."""
    return int.from_bytes(view.fingerprint, "big")


def created_part(event: int, created: int | None) -> tuple[int, bytes]:
    """Return flag and bytes of a created timestamp; both times are ``+ SIGN``."""
    if created is None:
        return 0, b""
    after = created - event
    if 0 <= after < 1 << 32:
        return CREATED_AFTER, after.to_bytes(4, "little")
    return CREATED_WHOLE, created.to_bytes(8, "big")


def pack_bits(positions: Sequence[int], size: int) -> bytes:
    """Return ``size`` bytes in which the bits at ``positions`` are set, lowest first."""
    return sum(1 << at for at in positions).to_bytes(size, "little")
