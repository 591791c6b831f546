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
from typing import Any, NamedTuple

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
NO_ROW = (0, 0, 0, 0)
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


class Head(NamedTuple):
    """What a row begins with, whatever its columns: its check, event and created timestamps.

    ``event`` is in microseconds plus 2^63; ``created`` as `created_part` tells it, ``after`` its bytes.
    """

    check: int
    event: int
    created: int
    after: bytes


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

    def join(self, head: Head, written: Sequence[Any]) -> bytes:
        """Return the row of these columns, as their kinds write them; None where null."""
        nulls = [at for at, value in enumerate(written) if value is None]
        variable: list[bytes] = [written[at] or b"" for at in self.variable]
        flags = head.created
        flags |= HAS_NULLS if nulls else 0
        flags |= HAS_LONG if any(len(data) > MAX_SHORT for data in variable) else 0
        flags |= 0 if any(ESCAPED.search(written[at] or b"") for at in self.texts) else JSON_SAFE
        set_bools = [number for number, at in enumerate(self.bools) if written[at]]
        return b"".join(
            (
                HEAD.pack(ROW_VERSION, head.check, head.event, flags),
                head.after,
                pack_bits(nulls, self.nulls_size) if nulls else b"",
                pack_bits(set_bools, self.bools_size),
                self.numbers.pack(
                    *(0 if written[at] is None else written[at] for at in self.fixed)
                ),
                *(len(data).to_bytes(4 if flags & HAS_LONG else 1, "little") for data in variable),
                *variable,
            )
        )

    def split(self, row: bytes) -> tuple[Head, list[Any]]:
        """Return what `join` makes the row of. Whose row it is, and whether values are, is not asked.

        Raises:
            ValueError: these are not the bytes of a row.
        """
        version, check, event, flags = HEAD.unpack_from(row) if len(row) >= HEAD.size else NO_ROW
        shape = self.shape(flags) if version == ROW_VERSION else None
        if shape is None or len(row) < shape.variable_at:
            raise ValueError(f"{len(row)} bytes are no row")
        head = Head(check, event, flags & 3, row[HEAD.size : shape.nulls_at])
        written: list[Any] = [None] * len(self.kinds)
        bits = int.from_bytes(row[shape.bools_at : shape.fixed_at], "little")
        for number, at in enumerate(self.bools):
            written[at] = bool(bits >> number & 1)
        for at, value in zip(
            self.fixed, self.numbers.unpack_from(row, shape.fixed_at), strict=True
        ):
            written[at] = value
        end = shape.variable_at
        sizes = struct.unpack_from(
            f"<{len(self.variable)}{shape.length_code}", row, shape.lengths_at
        )
        for at, size in zip(self.variable, sizes, strict=True):
            written[at] = row[end : end + size]
            end += size
        if end != len(row):
            raise ValueError(f"a row has {len(row)} bytes, and its lengths say {end}")
        nulls = int.from_bytes(row[shape.nulls_at : shape.bools_at], "little")
        return head, [None if nulls >> at & 1 else value for at, value in enumerate(written)]

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
