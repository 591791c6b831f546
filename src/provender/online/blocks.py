"""Rows of one view, read in bulk: statuses, and columns as Python values.

What a status means: PRESENT has a value, or a null that is stored; NOT_FOUND has no row, or
none of the layout and key that is asked for, or a damaged one, or one from after the time of
asking, which retrieval would not see either (a minute is allowed for clocks that differ);
OUTSIDE_MAX_AGE has a row older than the view's TTL, whose values are withheld.

Rows with the same flags have their parts at the same places: they are unpacked together.
"""

import struct
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from provender.core.serving import ServedView
from provender.online.kinds import FIRST_US, LAST_US
from provender.online.layout import HAS_NULLS, HEAD, JSON_SAFE, ROW_VERSION, SIGN, Layout, Shape

PRESENT = "PRESENT"
NOT_FOUND = "NOT_FOUND"
OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"
CLOCK_SKEW_US = 60_000_000
DAMAGE = (ValueError, ArithmeticError, RecursionError, struct.error)
"""What reading bytes raises that nobody wrote."""
NO_HEAD = (0, 0, SIGN, 0)


class ViewReader:
    """Reads some columns of many rows of one view, compiled once."""

    def __init__(
        self, view: ServedView, features: Sequence[str], *, max_age_us: int | None = None
    ) -> None:
        names = [column.name for column in view.columns]
        self.view = view
        self.layout = Layout(view)
        self.positions = [names.index(feature) for feature in features]
        self.kinds = [self.layout.kinds[at] for at in self.positions]
        self.types = [view.columns[at].type for at in self.positions]
        self._max_age_us = max_age_us
        self._cuts: dict[int, _Cut | None] = {}

    def block(
        self, keys: Sequence[bytes], rows: Sequence[bytes | None], now_us: int | None = None
    ) -> "Block":
        """Return the rows as columns; ``keys`` are those they were asked by.

        ``now_us`` is the time of asking, in microseconds since 1970; None: rows of all ages.
        """
        if not rows:
            return Block(self, [], [], [])
        statuses, events, flags = self._judged(keys, rows, now_us)
        if statuses.count(PRESENT) == len(rows) and flags.count(flags[0]) == len(rows):
            part = self._part(flags[0], rows)
            if part is not None:
                return Block(self, statuses, events, [(range(len(rows)), part)])
        parts: list[tuple[Sequence[int], Part]] = []
        present = [at for at, status in enumerate(statuses) if status is PRESENT]
        for flag in {flags[at] for at in present}:
            group = self._undamaged(rows, [at for at in present if flags[at] == flag], flag)
            part = self._part(flag, [rows[at] for at in group])
            if part is not None:
                parts.append((group, part))
        for at in set(present).difference(*(group for group, _ in parts)):
            statuses[at], events[at] = NOT_FOUND, 0
        return Block(self, statuses, events, parts)

    def _judged(
        self, keys: Sequence[bytes], rows: Sequence[bytes | None], now_us: int | None
    ) -> tuple[list[str], list[int], tuple[int, ...]]:
        """Return per row its status by its head, event timestamp (0: none) and flags."""
        try:
            heads = [HEAD.unpack_from(row) for row in rows]  # type: ignore[arg-type]
        except (TypeError, struct.error):
            heads = [_head(row) for row in rows]
        versions, marks, stamps, flags = zip(*heads, strict=True)
        check = self.layout.check
        expected = [crc ^ check for crc in map(crc32, keys)]
        events = [stamp - SIGN for stamp in stamps]
        oldest, newest = self._limits(now_us)
        right = versions.count(ROW_VERSION) == len(rows) and list(marks) == expected
        if right and min(events) >= oldest and max(events) <= newest:
            return [PRESENT] * len(rows), events, flags
        statuses: list[str] = []
        for at, event in enumerate(events):
            known = versions[at] == ROW_VERSION and marks[at] == expected[at]
            if not known or not FIRST_US <= event <= LAST_US:
                events[at] = 0
                statuses.append(NOT_FOUND)
            elif event > newest:
                statuses.append(NOT_FOUND)
            else:
                statuses.append(PRESENT if event >= oldest else OUTSIDE_MAX_AGE)
        return statuses, events, flags

    def _limits(self, now_us: int | None) -> tuple[int, int]:
        """Return the event timestamps of the oldest and newest rows whose values are told."""
        if now_us is None:
            return FIRST_US, LAST_US
        oldest = FIRST_US if self._max_age_us is None else now_us - self._max_age_us
        return max(oldest, FIRST_US), min(now_us + CLOCK_SKEW_US, LAST_US)

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


def _head(row: bytes | None) -> tuple[int, int, int, int]:
    if row is None or len(row) < HEAD.size:
        return NO_HEAD
    version, mark, stamp, flags = HEAD.unpack_from(row)
    return version, mark, stamp, flags


class _Cut:
    """How the asked columns are cut out of rows with certain flags.

    Two structs, since what cannot be wrong need not be read before it is asked for: ``first``
    unpacks what tells a sound row from a damaged one, ``then`` the numbers of all else.
    """

    def __init__(self, reader: ViewReader, shape: Shape) -> None:
        layout = self.layout = reader.layout
        self.shape = shape
        self.wanted = sorted(set(reader.positions))
        self.words = {at: reader.view.columns[at].type for at in self.wanted}
        self.mask = sum(1 << at for at in self.wanted) if shape.flags & HAS_NULLS else 0
        self.bounded = [at for at in layout.fixed if layout.kinds[at].bounds and at in self.wanted]
        self.free = [at for at in layout.fixed if at in self.wanted and at not in self.bounded]
        self.bools = [at for at in layout.bools if at in self.wanted]
        lengths = shape.length_code * len(layout.variable)
        self.first = struct.Struct(self._nulls() + self._numbers(self.bounded) + lengths)
        self.then = struct.Struct(f"<{layout.bools_size}s" + self._numbers(self.free))

    def _nulls(self) -> str:
        size = self.shape.bools_at - self.shape.nulls_at
        return f"<{size}s{self.layout.bools_size}x"

    def _numbers(self, positions: Sequence[int]) -> str:
        kinds = self.layout.kinds
        return "".join(
            kinds[at].code if at in positions else f"{kinds[at].width}x" for at in self.layout.fixed
        )


class Part:
    """Rows with the same flags. Raises one of `DAMAGE` if a row is not as rows are written."""

    def __init__(self, cut: _Cut, rows: Sequence[bytes]) -> None:
        shape, layout = cut.shape, cut.layout
        self.rows = rows
        self._cut = cut
        self._columns: dict[int, Sequence[Any]] = {}
        self.json_safe = bool(shape.flags & JSON_SAFE)
        first = cut.first.unpack_from
        across = list(zip(*[first(row, shape.nulls_at) for row in rows], strict=True))
        self.nulls = self._null_masks(across[0])
        bounded = len(cut.bounded)
        for at, column in zip(cut.bounded, across[1 : 1 + bounded], strict=True):
            _check_bounds(layout.kinds[at].bounds, column)
            self._columns[at] = self._nulled(at, column)
        self._cut_variable(across[1 + bounded :])

    def column(self, at: int) -> Sequence[Any]:
        """Return the values of the column at ``at`` as they are packed; None where null."""
        if at not in self._columns:
            self._unpack()
        return self._columns[at]

    def _null_masks(self, bitmaps: Sequence[bytes]) -> list[int] | None:
        """Return per row a bit for each asked column that is null; None if there is none."""
        if not (mask := self._cut.mask):
            return None
        masks = [int.from_bytes(bitmap, "little") & mask for bitmap in bitmaps]
        return masks if any(masks) else None

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
            ends = [start + size for start, size in zip(starts, sizes, strict=True)]
            if at in cut.words:
                pieces = [
                    row[start:end] for row, start, end in zip(rows, starts, ends, strict=True)
                ]
                self._columns[at] = self._read(at, self._nulled(at, pieces))
            starts = ends
        if starts != list(map(len, rows)):
            raise ValueError("a row has other bytes than its lengths say")

    def _read(self, at: int, pieces: Sequence[bytes | None]) -> Sequence[Any]:
        """Return text as its bytes, which are checked, and values of other types."""
        if self._cut.words[at] == "string":
            joined = b",".join([piece for piece in pieces if piece is not None])
            if not joined.isascii():
                joined.decode()
            return pieces
        read = self._cut.layout.kinds[at].read
        if read is None:
            return pieces
        return [None if piece is None else read(piece) for piece in pieces]

    def _unpack(self) -> None:
        cut, layout = self._cut, self._cut.layout
        then = cut.then.unpack_from
        bools_at = cut.shape.bools_at
        across = list(zip(*[then(row, bools_at) for row in self.rows], strict=True))
        for at, column in zip(cut.free, across[1:], strict=True):
            self._columns[at] = self._nulled(at, column)
        for at in cut.bools:
            byte, bit = divmod(layout.bools.index(at), 8)
            told = [bits[byte] >> bit & 1 == 1 for bits in across[0]]
            self._columns[at] = self._nulled(at, told)


def _check_bounds(bounds: tuple[int, int] | None, column: Sequence[int]) -> None:
    if bounds is not None and not bounds[0] <= min(column) <= max(column) <= bounds[1]:
        raise ValueError(f"a number is not between {bounds[0]} and {bounds[1]}")


class Block:
    """The rows of one view as columns, which go by their place in what was asked for.

    ``statuses`` hold for a row, unless its column is null. ``event_us`` are the event
    timestamps in microseconds since 1970; 0 where there is no row.
    """

    def __init__(
        self,
        reader: ViewReader,
        statuses: list[str],
        event_us: list[int],
        parts: list[tuple[Sequence[int], Part]],
    ) -> None:
        self.statuses = statuses
        self.event_us = event_us
        self._reader = reader
        self._parts = parts

    def __len__(self) -> int:
        return len(self.statuses)

    def python(self, index: int) -> list[Any]:
        """Return a column's values; None where null, withheld or not there."""
        raw = self._raw(index)
        kind = self._reader.kinds[index]
        if kind.read is None or (kind.variable and self._reader.types[index] != "string"):
            return list(raw)
        read = kind.read
        return [None if value is None else read(value) for value in raw]

    def _raw(self, index: int) -> Sequence[Any]:
        """Return a column of all rows as it is packed."""
        at = self._reader.positions[index]
        if len(self._parts) == 1 and len(self._parts[0][0]) == len(self):
            return self._parts[0][1].column(at)
        whole: list[Any] = [None] * len(self)
        for rows, part in self._parts:
            for row, value in zip(rows, part.column(at), strict=True):
                whole[row] = value
        return whole
