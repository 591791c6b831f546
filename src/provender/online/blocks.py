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
    "told_between",
]


class ViewReader:
    """Reads some columns of many rows of one view, compiled once."""

    def __init__(self, view: ServedView, features: Sequence[str]) -> None:
        names = [column.name for column in view.columns]
        types = tuple(column.type for column in view.columns)
        self.check = check_of(view)
        self.decoder = decoder_of(types, tuple(names.index(feature) for feature in features))

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
        oldest, newest = told_between(self.now_us, self.max_age_us, awaits=self.awaits)
        return Span(self.reader.check, len(self.rows), oldest, newest)


def told_between(now_us: int, max_age_us: int | None, *, awaits: bool) -> tuple[int, int]:
    """Return the first and last event timestamps, in microseconds, of rows that are told."""
    oldest = FIRST_US if max_age_us is None else max(now_us - max_age_us, FIRST_US)
    newest = min(now_us + CLOCK_SKEW_US, LAST_US) if awaits else LAST_US
    return oldest, newest


def read_blocks(asked: Sequence[Asked]) -> list["Block"]:
    """Return a block for each part of a lookup; views of the same types are read together."""
    if len(asked) == 1:
        only = asked[0]
        batch = only.reader.decoder.batch(only.keys, only.rows, [only.span()])
        return [Block(batch, 0, len(only.rows))]
    together: dict[Decoder, list[int]] = {}
    for index, one in enumerate(asked):
        together.setdefault(one.reader.decoder, []).append(index)
    blocks: dict[int, Block] = {}
    for decoder, indices in together.items():
        keys = [key for index in indices for key in asked[index].keys]
        rows = [row for index in indices for row in asked[index].rows]
        batch = decoder.batch(keys, rows, [asked[index].span() for index in indices])
        start = 0
        for index in indices:
            stop = start + len(asked[index].rows)
            blocks[index] = Block(batch, start, stop)
            start = stop
    return [blocks[index] for index in range(len(asked))]


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
    spelling = _spelling()
    bodies = [[b""] * len(block.batch.decoder.positions) for block in blocks]
    batches = {id(block.batch): block.batch for block in blocks}
    finite = {at for at, batch in batches.items() if batch.is_finite}
    numbers: list[Sequence[Any]] = []
    for block, mine in zip(blocks, bodies, strict=True):
        batch, start, stop = block.batch, block.start, block.stop
        columns, decoder = batch.columns, batch.decoder
        together = decoder.numbers if id(batch) in finite else []
        numbers += [columns[index][start:stop] for index in together]
        for index in decoder.others if together else range(len(mine)):
            write = spelling.writer(decoder.words[index])
            mine[index] = write(columns[index][start:stop], json_safe=batch.json_safe)[1:-1]
    written = iter(spelling.numbers(numbers))
    for block, mine in zip(blocks, bodies, strict=True):
        if id(block.batch) in finite:
            for index in block.batch.decoder.numbers:
                mine[index] = next(written)
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
