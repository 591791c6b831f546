"""Rows of one layout as numpy columns: what `online.decoder` and `online.blocks` are for the server.

All rows of a lookup that have the same types are one sheet, entity after entity, and within
an entity view after view; a page is what one view has of it. Statuses mean what is told in
`online.blocks`. Texts are read when something else than numbers is asked for: only then is a
row NOT_FOUND whose text is damaged, and its numbers are told until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from provender.online.cutter import HEADS, Array, Cutter, as_numpy, cutter_of
from provender.online.decoder import NOT_FOUND, OUTSIDE_MAX_AGE, PRESENT, Decoder
from provender.online.kinds import FIRST_US
from provender.online.layout import HEAD, ROW_VERSION, SIGN

WORDS = (PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE)
IS_PRESENT, IS_NOT_FOUND, IS_OUTSIDE = range(len(WORDS))
SIGN_BIT = np.uint64(SIGN)
NO_HEAD = bytes(HEAD.size)


@dataclass(frozen=True, slots=True)
class Ages:
    """The first and last event timestamps that are told, in microseconds since 1970.

    ``spans`` are the different ones; ``of_view`` says which of them is a view's.
    """

    spans: tuple[tuple[int, int], ...]
    of_view: tuple[int, ...]

    @property
    def common(self) -> tuple[int, int]:
        """Between which event timestamps rows of all views are told."""
        return max(oldest for oldest, _ in self.spans), min(newest for _, newest in self.spans)

    def by_row(self, entities: int) -> tuple[Array, Array]:
        """Return the first and the last for each row, entity after entity."""
        each = np.array(self.spans)[list(self.of_view)]
        return np.tile(each[:, 0], entities), np.tile(each[:, 1], entities)


@dataclass(slots=True)
class Part:
    """Rows of one shape: where in the sheet they are (None: they are all), and how they are cut.

    ``texts`` are the variable columns, once they were read.
    """

    at: Array
    rows: Sequence[bytes]
    heads: Array
    cutter: Cutter
    texts: dict[int, list[Any]] | None = None

    def is_sound(self) -> bool:
        """Return whether no row is damaged; if so, the texts were read."""
        lengths = np.fromiter(map(len, self.rows), np.int64, len(self.rows))
        if self.cutter.sound(self.heads, lengths).all():
            self.texts = self.cutter.variable(self.heads, self.rows)
        return self.texts is not None


class Sheet:
    """Rows of as many views as ``ages`` tells of; ``checks`` is what each must be marked with."""

    def __init__(
        self, decoder: Decoder, rows: Sequence[bytes | None], checks: Array, ages: Ages
    ) -> None:
        self.decoder = decoder
        self.size = len(rows)
        self.views = len(ages.of_view)
        self._rows = rows
        self._checks = checks
        self._ages = ages
        self._arrays: dict[int, tuple[Array, Array]] = {}
        self._lists: dict[int, list[Any]] = {}
        self._whole = self._uniform()
        if self._whole is None:
            self._judge()

    def array(self, index: int) -> tuple[Array, Array]:
        """Return a column's values and where there is one, as a table of entities by views.

        Where there is none, the value means nothing; of floats, it is NaN. Instants are
        datetime64 in UTC, times of day timedelta64; types that numpy has no numbers for are
        arrays of Python objects.
        """
        if index not in self._arrays:
            values, valid = self._array(index)
            shape = (-1, self.views)
            self._arrays[index] = values.reshape(shape), valid.reshape(shape)
        return self._arrays[index]

    def python(self, index: int) -> list[Any]:
        """Return a column's values; None where null, withheld or not there."""
        if index not in self._lists:
            self._lists[index] = self._python(index)
        return self._lists[index]

    @cached_property
    def has_nulls(self) -> bool:
        """Whether there may be a null, or a row that is not there."""
        return any(part.at is not None or part.cutter.has_nulls for part in self.parts)

    @cached_property
    def statuses(self) -> list[str]:
        """Of each row, unless its column is null."""
        if self._settled_whole is not None:
            return [PRESENT] * self.size
        return [WORDS[code] for code in self._codes.tolist()]

    @cached_property
    def event_us(self) -> list[int]:
        """The event timestamp of each row, in microseconds since 1970; 0 where there is no row."""
        whole = self._settled_whole
        events: list[int] = (self._events if whole is None else _events(whole.heads)).tolist()
        return events

    @property
    def parts(self) -> Sequence[Part]:
        return self._parts if self._whole is None else (self._whole,)

    @cached_property
    def _settled_whole(self) -> Part | None:
        """The rows, if they are of one shape, all there, and none is damaged."""
        whole = self._whole
        if whole is not None and not whole.is_sound():
            self._whole = None
            self._arrays.clear()
            self._judge()
        return self._whole

    def _uniform(self) -> Part | None:
        """Return the rows if they are all there, of one shape and neither too old nor too new."""
        first = self._rows[0] if self._rows else None
        has_head = first is not None and len(first) >= HEAD.size
        cutter = cutter_of(self.decoder, first[HEAD.size - 1]) if first and has_head else None
        heads = cutter.heads(self._rows) if cutter else None
        if cutter is None or heads is None:
            return None
        if (heads["check"] != self._checks).any() or not cutter.in_bounds(heads):
            return None
        if cutter.total(heads) != sum(map(len, self._rows)):  # type: ignore[arg-type]  # all are there
            return None
        events = _events(heads)
        oldest, newest = self._ages.common
        if events.min() < oldest or events.max() > newest:
            return None
        return Part(None, self._rows, heads, cutter)  # type: ignore[arg-type]  # all are there

    def _judge(self) -> None:
        """Judge the rows one by one: some are not there, or of different shapes."""
        rows = self._rows
        heads = np.frombuffer(b"".join(map(_head, rows)), HEADS)
        oldest, newest = self._ages.by_row(self.size // self.views)
        events = _events(heads)
        found = (heads["version"] == ROW_VERSION) & (heads["check"] == self._checks)
        found &= (events >= FIRST_US) & (events <= newest)
        self._codes = np.where(found, IS_PRESENT, IS_NOT_FOUND)
        self._codes[found & (events < oldest)] = IS_OUTSIDE
        self._events = np.where(found, events, 0)
        self._parts = self._shaped(heads["flags"])
        kept = [part.at for part in self._parts]
        lost = self._codes == IS_PRESENT
        lost[np.concatenate([np.empty(0, np.int64), *kept])] = False
        self._codes[lost], self._events[lost] = IS_NOT_FOUND, 0

    def _shaped(self, flags: Array) -> list[Part]:
        """Return the rows that are PRESENT and not damaged, by their shape."""
        present = self._codes == IS_PRESENT
        parts: list[Part] = []
        for flag in np.unique(flags[present]).tolist():
            cutter = cutter_of(self.decoder, flag)
            places = np.flatnonzero(present & (flags == flag)).tolist()
            if cutter is not None:
                parts += _undamaged(cutter, places, [self._rows[at] or b"" for at in places])
        return parts

    def _array(self, index: int) -> tuple[Array, Array]:
        decoder, at = self.decoder, self.decoder.positions[index]
        if decoder.kinds[index].variable:
            found = self.python(index)
            values = np.empty(self.size, object)
            for place, value in enumerate(found):  # lists would be taken for rows of a table
                values[place] = value
            return values, np.array([value is not None for value in found], np.bool_)
        values, valid = self._packed(at, np.dtype(decoder.kinds[index].code))
        return as_numpy(values, decoder.words[index]), valid

    def _packed(self, at: int, dtype: "np.dtype[Any]") -> tuple[Array, Array]:
        """Return the numbers of a column, and where there is one."""
        whole = self._whole
        if whole is not None and not whole.cutter.has_nulls:
            return whole.cutter.numbers(whole.heads, at), np.ones(self.size, np.bool_)
        values = np.full(self.size, np.nan if dtype.kind == "f" else 0, dtype)
        valid = np.zeros(self.size, np.bool_)
        for part in self.parts:
            there = part.cutter.valid(part.heads, at)
            numbers = part.cutter.numbers(part.heads, at)
            places = np.arange(self.size) if part.at is None else part.at
            if there is not None:
                places, numbers = places[there], numbers[there]
            values[places], valid[places] = numbers, True
        return values, valid

    def _python(self, index: int) -> list[Any]:
        decoder, at = self.decoder, self.decoder.positions[index]
        kind = decoder.kinds[index]
        if kind.variable:
            return self._texts(at)
        self._settled_whole  # noqa: B018 - values in Python come with their statuses
        numbers, valid = self._packed(at, np.dtype(kind.code))
        values: list[Any] = numbers.tolist()
        if not valid.all():
            values = [v if there else None for v, there in zip(values, valid.tolist(), strict=True)]
        if kind.read is None:
            return values
        read = kind.read
        return [None if value is None else read(value) for value in values]

    def _texts(self, at: int) -> list[Any]:
        """Return the values of the variable column at ``at``."""
        whole = self._settled_whole
        if whole is not None and whole.texts is not None:
            return whole.texts[at]
        found: list[Any] = [None] * self.size
        for part in self._parts:
            values = part.texts[at] if part.texts else []
            for place, value in zip(part.at.tolist(), values, strict=True):
                found[place] = value
        return found


class Page:
    """The rows of one view of a sheet, by the names of `online.blocks.Block`."""

    __slots__ = ("sheet", "view")

    def __init__(self, sheet: Sheet, view: int) -> None:
        self.sheet = sheet
        self.view = view

    def __len__(self) -> int:
        return self.sheet.size // self.sheet.views

    @property
    def statuses(self) -> list[str]:
        return self.sheet.statuses[self.view :: self.sheet.views]

    @property
    def event_us(self) -> list[int]:
        return self.sheet.event_us[self.view :: self.sheet.views]

    @property
    def has_nulls(self) -> bool:
        return self.sheet.has_nulls

    def python(self, index: int) -> list[Any]:
        """Return a column's values; None where null, withheld or not there."""
        return self.sheet.python(index)[self.view :: self.sheet.views]

    packed = python
    """What is null in one is null in the other, which is all that statuses ask."""

    def numpy(self, index: int) -> tuple[Array, Array]:
        """Return a column as `Sheet.array` tells it, and where there is a value."""
        values, valid = self.sheet.array(index)
        return values[:, self.view], valid[:, self.view]


def _head(row: bytes | None) -> bytes:
    return row[: HEAD.size] if row is not None and len(row) >= HEAD.size else NO_HEAD


def _events(heads: Array) -> Array:
    return (heads["event"] ^ SIGN_BIT).view(np.int64)


def _undamaged(cutter: Cutter, places: list[int], rows: list[bytes]) -> list[Part]:
    """Return what can be read of rows that have the same flags: at once, or one by one."""
    try_all = [(places, rows)]
    one_by_one = [([at], [row]) for at, row in zip(places, rows, strict=True)]
    for attempt in (try_all, one_by_one):
        parts = [
            Part(np.array(at), some, heads, cutter)
            for at, some in attempt
            if (heads := cutter.heads(some)) is not None
        ]
        sound = [part for part in parts if part.is_sound()]
        if len(sound) == len(attempt):
            return sound
    return sound
