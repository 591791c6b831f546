"""Rows of views as columns: statuses, event timestamps, Python values and JSON.

What a status means: PRESENT has a value, or a null that is stored; NOT_FOUND has no row, or
none of the layout and key that is asked for, or a damaged one, or one from after the time of
asking, which retrieval would not see either (a minute is allowed for clocks that differ);
OUTSIDE_MAX_AGE has a row older than the view's TTL, whose values are withheld.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import Any, Protocol, cast

from provender.core.serving import ServedView
from provender.online.decoder import (
    NOT_FOUND,
    OUTSIDE_MAX_AGE,
    PRESENT,
    Batch,
    Decoder,
    Span,
    decoder_of,
)
from provender.online.kinds import FIRST_US, LAST_US
from provender.online.layout import check_of
from provender.online.skew import CLOCK_SKEW_US

__all__ = [
    "CLOCK_SKEW_US",
    "NOT_FOUND",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "Asked",
    "Block",
    "ViewReader",
    "json_bodies",
    "read_blocks",
    "read_views",
    "told_between",
]


class ViewReader:
    """Reads some columns of many rows of one view, compiled once."""

    def __init__(self, view: ServedView, features: Sequence[str]) -> None:
        names = [column.name for column in view.columns]
        types = tuple(column.type for column in view.columns)
        self.check = check_of(view)
        self.decoder = decoder_of(types, tuple(names.index(feature) for feature in features))

    def span(self, size: int, now_us: int, max_age_us: int | None, *, awaits: bool) -> Span:
        """Return how ``size`` rows are judged, as in `block`."""
        oldest, newest = told_between(now_us, max_age_us, awaits=awaits)
        return Span(self.check, size, oldest, newest)

    def block(
        self,
        keys: Sequence[bytes],
        rows: Sequence[bytes | None],
        now_us: int | None = None,
        *,
        max_age_us: int | None = None,
        awaits: bool = True,
    ) -> "Block":
        """Return the rows as columns; ``keys`` are those they were asked by.

        ``now_us`` is the time of asking, in microseconds since 1970; None: rows of all ages.
        With ``awaits``, a row from after it is not there yet.
        """
        return read_blocks([Asked(self, keys, rows, now_us, max_age_us, awaits=awaits)])[0]


@dataclass(slots=True)
class Asked:
    """Rows of one view and how they are judged, as `ViewReader.block` takes them."""

    reader: ViewReader
    keys: Sequence[bytes]
    rows: Sequence[bytes | None]
    now_us: int | None = None
    max_age_us: int | None = None
    awaits: bool = True

    def span(self) -> Span:
        if self.now_us is None:
            return Span(self.reader.check, len(self.rows))
        size = len(self.rows)
        return self.reader.span(size, self.now_us, self.max_age_us, awaits=self.awaits)


def told_between(now_us: int, max_age_us: int | None, *, awaits: bool) -> tuple[int, int]:
    """Return the first and last event timestamps, in microseconds, of rows that are told."""
    oldest = FIRST_US if max_age_us is None else max(now_us - max_age_us, FIRST_US)
    newest = min(now_us + CLOCK_SKEW_US, LAST_US) if awaits else LAST_US
    return oldest, newest


def read_blocks(asked: Sequence[Asked]) -> list["Block"]:
    """Return a block for each part of a lookup; views of the same types are read together."""
    keys = [key for one in asked for key in one.keys]
    rows = [row for one in asked for row in one.rows]
    return read_views([one.reader for one in asked], keys, rows, [one.span() for one in asked])


def read_views(
    readers: Sequence[ViewReader],
    keys: Sequence[bytes],
    rows: Sequence[bytes | None],
    spans: Sequence[Span],
) -> list["Block"]:
    """Return a block for each reader: of its span of ``rows``, which ``keys`` asked for.

    Views of the same types are read together.
    """
    together: dict[Decoder, list[int]] = {}
    for index, reader in enumerate(readers):
        together.setdefault(reader.decoder, []).append(index)
    if len(together) == 1:
        return _cut(readers[0].decoder.batch(keys, rows, spans), spans)
    ends = list(accumulate([span.size for span in spans]))
    shares = [slice(end - span.size, end) for end, span in zip(ends, spans, strict=True)]
    blocks: dict[int, Block] = {}
    for decoder, indices in together.items():
        some = [spans[index] for index in indices]
        batch = decoder.batch(
            [key for index in indices for key in keys[shares[index]]],
            [row for index in indices for row in rows[shares[index]]],
            some,
        )
        blocks.update(zip(indices, _cut(batch, some), strict=True))
    return [blocks[index] for index in range(len(readers))]


def _cut(batch: Batch, spans: Sequence[Span]) -> list["Block"]:
    """Return the rows of a batch span by span."""
    blocks: list[Block] = []
    start = 0
    for span in spans:
        stop = start + span.size
        blocks.append(Block(batch, start, stop))
        start = stop
    return blocks


class Block:
    """The rows of one view as columns, which go by their place in what was asked for.

    ``statuses`` hold for a row, unless its column is null. ``event_us`` are the event
    timestamps in microseconds since 1970; 0 where there is no row. ``has_nulls`` says whether
    there may be a null, or a row that is not there.
    """

    __slots__ = ("batch", "event_us", "has_nulls", "start", "statuses", "stop")

    def __init__(self, batch: Batch, start: int, stop: int) -> None:
        self.batch = batch
        self.start = start
        self.stop = stop
        self.statuses = batch.statuses[start:stop]
        self.event_us = batch.event_us[start:stop]
        self.has_nulls = batch.has_nulls

    def __len__(self) -> int:
        return self.stop - self.start

    def packed(self, index: int) -> Sequence[Any]:
        """Return a column as it is packed: text as bytes, instants as numbers; None where null."""
        return self.batch.columns[index][self.start : self.stop]

    def cut(self, indices: Sequence[int]) -> list[Sequence[Any]]:
        """Return columns as `packed` does."""
        columns, start, stop = self.batch.columns, self.start, self.stop
        return [columns[index][start:stop] for index in indices]

    def python(self, index: int) -> list[Any]:
        """Return a column's values; None where null, withheld or not there."""
        decoder = self.batch.decoder
        kind, word = decoder.kinds[index], decoder.words[index]
        if kind.read is None or (kind.variable and word != "string"):
            return list(self.packed(index))
        read = kind.read
        return [None if value is None else read(value) for value in self.packed(index)]

    def json(self, index: int) -> bytes:
        """Return the JSON array of a column, as Feast's wire writes it."""
        write = _spelling().writer(self.batch.decoder.words[index])
        return write(self.packed(index), json_safe=self.batch.json_safe)


def json_bodies(blocks: Sequence[Block]) -> list[list[bytes]]:
    """Return for each block what `Block.json` does of each column, less the brackets.

    The numbers of all blocks that were read together are written at once.
    """
    batches = {id(block.batch): block.batch for block in blocks}
    finite = {at for at, batch in batches.items() if batch.is_finite}
    numbers: list[Sequence[Any]] = []
    for block in blocks:
        if id(block.batch) in finite:
            numbers += block.cut(block.batch.decoder.numbers)
    written, at = _spelling().numbers(numbers), 0
    bodies: list[list[bytes]] = []
    for block in blocks:
        decoder = block.batch.decoder
        if id(block.batch) in finite:
            stop = at + len(decoder.numbers)
            mine = written[at:stop]
            for index in decoder.others:
                mine.insert(index, block.json(index)[1:-1])
            bodies.append(mine)
            at = stop
        else:
            bodies.append([block.json(index)[1:-1] for index in range(len(decoder.positions))])
    return bodies


class Spelling(Protocol):
    """What `online.spelling` offers."""

    def writer(self, word: str) -> "Writer": ...

    def numbers(self, columns: list[Sequence[Any]]) -> list[bytes]: ...


class Writer(Protocol):
    """Writes the JSON array of a column as it is packed; with ``json_safe`` no text has to change."""

    def __call__(self, raw: Sequence[Any], *, json_safe: bool) -> bytes: ...


@cache
def _spelling() -> Spelling:
    """Return what writes JSON, which only the server needs to have installed."""
    return cast("Spelling", import_module("provender.online.spelling"))
