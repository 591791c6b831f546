"""Rows of one layout, read in bulk: which are sound, and their columns as they are packed.

Rows with the same flags have their parts at the same places: they are unpacked together, those
of several views too if their columns have the same types.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from operator import add, xor
from typing import Any
from zlib import crc32

from provender.online.kinds import FIRST_US, INTEGERS, LAST_US
from provender.online.layout import HAS_NULLS, HEAD, JSON_SAFE, ROW_VERSION, SIGN, Layout, Shape

PRESENT = "PRESENT"
NOT_FOUND = "NOT_FOUND"
OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"
DAMAGE = (ValueError, ArithmeticError, RecursionError, struct.error)
"""What reading bytes raises that nobody wrote."""
NO_HEAD = (0, 0, SIGN, 0)
NUMBERS = frozenset({"bool", "float32", "float64", *INTEGERS})
"""The types that JSON has numbers or truth values for, as they are packed."""


@dataclass(slots=True)
class Span:
    """So many rows of one view: its ``check``, and the first and last instants that are told."""

    check: int
    size: int
    oldest_us: int = FIRST_US
    newest_us: int = LAST_US


@lru_cache(maxsize=256)
def decoder_of(types: tuple[str, ...], positions: tuple[int, ...]) -> "Decoder":
    """Return what reads the columns at ``positions`` of rows whose columns have these types.

    Plans keep theirs; the last ones are remembered so that views of one plan share theirs.
    """
    return Decoder(types, positions)


@lru_cache(maxsize=256)
def _layout_of(types: tuple[str, ...]) -> Layout:
    return Layout(types)


class Decoder:
    """Reads some columns of rows of one layout, compiled once."""

    def __init__(self, types: tuple[str, ...], positions: tuple[int, ...]) -> None:
        self.layout = _layout_of(types)
        self.types = types
        self.positions = positions
        self.kinds = [self.layout.kinds[at] for at in positions]
        self.words = [types[at] for at in positions]
        self.numbers = [index for index, word in enumerate(self.words) if word in NUMBERS]
        self.others = [index for index, word in enumerate(self.words) if word not in NUMBERS]
        self.floats = [index for index, word in enumerate(self.words) if word.startswith("float")]
        self._cuts: dict[int, _Cut | None] = {}

    def batch(
        self, keys: Sequence[bytes], rows: Sequence[bytes | None], spans: Sequence[Span]
    ) -> "Batch":
        """Return the rows of all ``spans``, one after another, which were asked for by ``keys``."""
        if not rows:
            return Batch(self, [], [], [])
        statuses, events, flags = _judged(keys, rows, spans)
        if statuses.count(PRESENT) == len(rows) and flags.count(flags[0]) == len(rows):
            part = self._part(flags[0], rows)
            if part is not None:
                return Batch(self, statuses, events, [(range(len(rows)), part)])
        parts: list[tuple[Sequence[int], Part]] = []
        present = [at for at, status in enumerate(statuses) if status is PRESENT]
        for flag in {flags[at] for at in present}:
            group = self._undamaged(rows, [at for at in present if flags[at] == flag], flag)
            part = self._part(flag, [rows[at] for at in group])
            if part is not None:
                parts.append((group, part))
        for at in set(present).difference(*(group for group, _ in parts)):
            statuses[at], events[at] = NOT_FOUND, 0
        return Batch(self, statuses, events, parts)

    def _undamaged(self, rows: Sequence[bytes | None], group: list[int], flags: int) -> list[int]:
        """Return which rows of a group can be read: all, unless bytes are not as written."""
        if self._part(flags, [rows[at] for at in group]) is not None:
            return group
        return [at for at in group if self._part(flags, [rows[at]]) is not None]

    def _part(self, flags: int, rows: Sequence[bytes | None]) -> "Part | None":
        """Return the columns of rows with these flags; None if one of the rows is damaged."""
        if flags not in self._cuts:
            shape = self.layout.shape(flags)
            self._cuts[flags] = _Cut(self, shape) if shape else None
        cut = self._cuts[flags]
        try:
            return Part(cut, rows) if cut and rows else None  # type: ignore[arg-type]
        except DAMAGE:
            return None


def _judged(
    keys: Sequence[bytes], rows: Sequence[bytes | None], spans: Sequence[Span]
) -> tuple[list[str], list[int], tuple[int, ...]]:
    """Return per row its status by its head, event timestamp (0: none) and flags."""
    try:
        heads = list(map(HEAD.unpack_from, rows))  # type: ignore[arg-type]
    except (TypeError, struct.error):
        heads = [_head(row) for row in rows]
    versions, marks, stamps, flags = zip(*heads, strict=True)
    if len(spans) == 1:
        check, oldest, newest = spans[0].check, spans[0].oldest_us, spans[0].newest_us
        expected = tuple([crc ^ check for crc in map(crc32, keys)])
    else:
        checks = [check for span in spans for check in [span.check] * span.size]
        expected = tuple(map(xor, map(crc32, keys), checks))
        oldest = max([span.oldest_us for span in spans])
        newest = min([span.newest_us for span in spans])
    events = [stamp - SIGN for stamp in stamps]
    right = versions.count(ROW_VERSION) == len(rows) and marks == expected
    if right and min(events) >= oldest and max(events) <= newest:
        return [PRESENT] * len(rows), events, flags
    known = [
        version == ROW_VERSION and mark == wanted
        for version, mark, wanted in zip(versions, marks, expected, strict=True)
    ]
    return _statuses(known, events, spans), events, flags


def _statuses(known: list[bool], events: list[int], spans: Sequence[Span]) -> list[str]:
    """Return per row its status; set the event timestamps of those not found to 0."""
    statuses: list[str] = []
    for span in spans:
        for _ in range(span.size):
            at = len(statuses)
            if not known[at] or not FIRST_US <= events[at] <= span.newest_us:
                events[at] = 0
                statuses.append(NOT_FOUND)
            else:
                statuses.append(PRESENT if events[at] >= span.oldest_us else OUTSIDE_MAX_AGE)
    return statuses


def _head(row: bytes | None) -> tuple[int, int, int, int]:
    if row is None or len(row) < HEAD.size:
        return NO_HEAD
    version, mark, stamp, flags = HEAD.unpack_from(row)
    return version, mark, stamp, flags


class Batch:
    """Judged rows and, of those that are PRESENT, their columns by position in the layout."""

    def __init__(
        self,
        decoder: Decoder,
        statuses: list[str],
        event_us: list[int],
        parts: list[tuple[Sequence[int], "Part"]],
    ) -> None:
        self.decoder = decoder
        self.statuses = statuses
        self.event_us = event_us
        self._parts = parts
        self._columns: list[Sequence[Any]] | None = None
        self.json_safe = all(part.json_safe for _, part in parts)
        covers = len(parts) == 1 and len(parts[0][0]) == len(statuses)
        self.whole = parts[0][1] if covers else None
        self.has_nulls = self.whole is None or self.whole.nulls is not None
        """Whether a column that is asked for has a null, or a row is not there."""

    @property
    def columns(self) -> list[Sequence[Any]]:
        """The asked columns as they are packed; None where null, withheld or not there."""
        if self._columns is None:
            self._columns = self._merged()
        return self._columns

    @property
    def is_finite(self) -> bool:
        """Whether no float that is asked for is NaN or infinite: then neither is their sum."""
        columns = self.columns
        floats = [columns[index] for index in self.decoder.floats]
        if self.has_nulls:
            return isfinite(sum(sum(filter(None, column)) for column in floats))
        return isfinite(sum(map(sum, floats)))

    def _merged(self) -> list[Sequence[Any]]:
        positions = self.decoder.positions
        if self.whole is not None:
            found = self.whole.columns
            return [found[at] for at in positions]
        merged: dict[int, list[Any]] = {at: [None] * len(self.statuses) for at in positions}
        for rows, part in self._parts:
            found = part.columns
            for at, column in merged.items():
                for row, value in zip(rows, found[at], strict=True):
                    column[row] = value
        return [merged[at] for at in positions]


class _Cut:
    """How the asked columns are cut out of rows with certain flags.

    ``struct`` unpacks a row from after its created timestamp to before its variable columns.
    ``bits`` says where each truth value is: in which byte, which bit.
    """

    def __init__(self, decoder: Decoder, shape: Shape) -> None:
        layout = self.layout = decoder.layout
        self.shape = shape
        self.wanted = sorted(set(decoder.positions))
        self.words = {at: decoder.types[at] for at in self.wanted}
        self.mask = sum(1 << at for at in self.wanted) if shape.flags & HAS_NULLS else 0
        self.fixed = [at for at in layout.fixed if at in self.wanted]
        self.bounded = [at for at in self.fixed if layout.kinds[at].bounds]
        bools = [at for at in layout.bools if at in self.wanted]
        self.bits = {at: divmod(layout.bools.index(at), 8) for at in bools}
        lengths = shape.length_code * len(layout.variable)
        nulls = f"{shape.bools_at - shape.nulls_at}{'s' if self.mask else 'x'}"
        numbers = "".join(
            kind.code if at in self.wanted else f"{kind.width}x"
            for at, kind in ((at, layout.kinds[at]) for at in layout.fixed)
        )
        self.struct = struct.Struct(
            f"<{shape.nulls_at}x{nulls}{layout.bools_size}s{numbers}{lengths}"
        )


class Part:
    """Rows with the same flags. Raises one of `DAMAGE` if a row is not as rows are written."""

    def __init__(self, cut: _Cut, rows: Sequence[bytes]) -> None:
        shape, layout = cut.shape, cut.layout
        self.rows = rows
        self.shape = shape
        self._cut = cut
        self.columns: dict[int, Sequence[Any]] = {}
        """Those that are asked for, by position, as they are packed; None where null."""
        self.json_safe = bool(shape.flags & JSON_SAFE)
        self.nulls: list[int] | None = None
        across = list(zip(*map(cut.struct.unpack_from, rows), strict=True))
        if cut.mask:
            self.nulls = _null_masks(across.pop(0), cut.mask)
        bits, numbers = across[0], across[1 : 1 + len(cut.fixed)]
        self.columns.update(zip(cut.fixed, numbers, strict=True))
        for at in cut.bounded:
            _check_bounds(layout.kinds[at].bounds, self.columns[at])
        for at, (byte, bit) in cut.bits.items():
            self.columns[at] = [eight[byte] >> bit & 1 == 1 for eight in bits]
        if self.nulls is not None:
            self.columns = {at: self._nulled(at, column) for at, column in self.columns.items()}
        self._cut_variable(across[1 + len(cut.fixed) :])

    def _nulled(self, at: int, column: Sequence[Any]) -> Sequence[Any]:
        if self.nulls is None:
            return column
        bit = 1 << at
        return [
            None if mask & bit else value for mask, value in zip(self.nulls, column, strict=True)
        ]

    def _cut_variable(self, lengths: Sequence[Sequence[int]]) -> None:
        """Cut the variable columns that are asked for; read those that may be damaged."""
        cut, rows = self._cut, self.rows
        starts = [cut.shape.variable_at] * len(rows)
        for at, sizes in zip(cut.layout.variable, lengths, strict=True):
            ends = list(map(add, starts, sizes))
            if at in cut.words:
                pieces = [
                    row[start:end] for row, start, end in zip(rows, starts, ends, strict=True)
                ]
                self.columns[at] = self._read(at, self._nulled(at, pieces))
            starts = ends
        if starts != list(map(len, rows)):
            raise ValueError("a row has other bytes than its lengths say")

    def _read(self, at: int, pieces: Sequence[bytes | None]) -> Sequence[Any]:
        """Return text as its bytes, which are checked, and values of other types."""
        if self._cut.words[at] == "string":
            joined = b",".join(pieces if self.nulls is None else filter(None, pieces))  # type: ignore[arg-type]
            if not joined.isascii():
                joined.decode()
            return pieces
        read = self._cut.layout.kinds[at].read
        if read is None:
            return pieces
        return [None if piece is None else read(piece) for piece in pieces]


def _null_masks(bitmaps: Sequence[bytes], mask: int) -> list[int] | None:
    """Return per row a bit for each asked column that is null; None if there is none."""
    masks = [int.from_bytes(bitmap, "little") & mask for bitmap in bitmaps]
    return masks if any(masks) else None


def _check_bounds(bounds: tuple[int, int] | None, column: Sequence[int]) -> None:
    if bounds is not None and not bounds[0] <= min(column) <= max(column) <= bounds[1]:
        raise ValueError(f"a number is not between {bounds[0]} and {bounds[1]}")
