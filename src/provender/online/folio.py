"""The lookup in process: keys in bulk, rows judged and cut by numpy.

Compiled once for a plan (`Folios`): reads with the same join keys and types are one folio. Its
keys come entity after entity, each with all views', which are joined without a step per key;
so are the checks of the rows, since the CRC-32 of a key is that of its end, but for a number
that its length and its beginning tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np

from provender.online.blocks import told_between
from provender.online.codec import NO_END
from provender.online.cutter import Array
from provender.online.lookup import Entities, Inquiry
from provender.online.numbers import Numbers
from provender.online.plan import LookupPlan, Output, ViewRead
from provender.online.resp import KeyText
from provender.online.sheet import Ages, Page, Sheet
from provender.online.veil import Veil

SIZES_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Ends:
    """What is known of keys by the sizes of their ends: each view's, in the order of the reads.

    ``rows`` says where in the others a size stands. ``heads`` are what stands before an
    entity's keys in the text that asks for them, ``marks`` the checks of the rows but for the
    end's own CRC-32.
    """

    rows: Mapping[int, int]
    heads: Sequence[Sequence[bytes]]
    marks: Array


class Folio:
    """Reads ``at`` some places of a plan that have the same join keys and types."""

    def __init__(self, at: Sequence[int], reads: Sequence[ViewRead]) -> None:
        self.at = at
        self.reads = reads
        self.decoder = reads[0].reader.decoder
        rules = [(read.max_age_us, read.awaits) for read in reads]
        self._rules = list(dict.fromkeys(rules))
        self._rule_of = tuple(map(self._rules.index, rules))
        self._ends = self._learn(set())

    def ask(self, endings: Sequence[bytes | None]) -> "Written":
        """Return the keys with these ends; None: of an entity that has none."""
        known = [ending or NO_END for ending in endings]
        sizes = list(map(len, known))
        ends = self._knowing(set(sizes))
        rows = [ends.rows[size] for size in sizes]
        text = b"".join([end.join(ends.heads[row]) for end, row in zip(known, rows, strict=True)])
        crcs = np.array(list(map(crc32, known)), np.uint32)
        checks: Array = ends.marks[rows] ^ crcs[:, None]
        return Written(len(known) * len(self.reads), text, checks.ravel())

    def _knowing(self, sizes: set[int]) -> Ends:
        """Return what is known of ends of these sizes, which other threads may replace."""
        ends = self._ends
        if not sizes <= ends.rows.keys():
            kept = ends.rows.keys() if len(ends.rows) < SIZES_KEPT else set()
            ends = self._ends = self._learn(sizes | kept)
        return ends

    def _learn(self, sizes: set[int]) -> Ends:
        reads = self.reads
        prefixes = [read.keys.prefix for read in reads]
        heads = [
            [*(b"\r\n$%d\r\n%b" % (len(prefix) + size, prefix) for prefix in prefixes), b""]
            for size in sizes
        ]
        marks = [
            [_mark(read.keys.prefix, size) ^ read.reader.check for read in reads] for size in sizes
        ]
        shape = len(sizes), len(reads)
        rows = {size: row for row, size in enumerate(sizes)}
        return Ends(rows, heads, np.array(marks, np.uint32).reshape(shape))

    def ages(self, now_us: int) -> Ages:
        """Return which event timestamps are told of rows that are asked for at ``now_us``."""
        spans = [told_between(now_us, age, awaits=awaits) for age, awaits in self._rules]
        return Ages(tuple(spans), self._rule_of)


def _mark(prefix: bytes, size: int) -> int:
    """Return what the CRC-32 of a key is, but for that of its end, which has this size.

    A CRC is linear: of any two ends of one size, the same beginning changes it by the same bits.
    """
    end = bytes(size)
    return crc32(end, crc32(prefix)) ^ crc32(end)


@dataclass(frozen=True, slots=True)
class Written:
    """The keys of one folio: their number, text, and the checks of their rows."""

    size: int
    text: bytes
    checks: Array


class Folios:
    """A plan, how its reads are put together, and what lies over the rows of each, if anything."""

    def __init__(self, plan: LookupPlan, veils: Sequence[Veil | None] = ()) -> None:
        self.plan = plan
        self.veils = veils
        alike: dict[Any, list[int]] = {}
        for at, read in enumerate(plan.reads):
            key = read.given, read.view.join_keys, read.view.entity_ids, id(read.reader.decoder)
            alike.setdefault(key, []).append(at)
        self.folios = [Folio(at, [plan.reads[one] for one in at]) for at in alike.values()]
        placed = {
            read: (number, view)
            for number, folio in enumerate(self.folios)
            for view, read in enumerate(folio.at)
        }
        self.places = [placed[read] for read in range(len(plan.reads))]
        """Of each read, its folio and its place in it."""

    @cached_property
    def numbers(self) -> Numbers:
        """The outputs that a matrix can hold."""
        return Numbers(self.plan, self.places)

    @cached_property
    def outputs(self) -> Mapping[str, Output]:
        """The outputs by name."""
        return {output.name: output for output in self.plan.outputs}


class Pages(Sequence[Page]):
    """The rows of each read, each made when it is asked for."""

    def __init__(self, folios: Folios, sheets: Sequence[Sheet]) -> None:
        self.folios = folios
        self.sheets = sheets
        self._made: dict[int, Page] = {}

    def __len__(self) -> int:
        return len(self.folios.places)

    def __getitem__(self, at: Any) -> Any:
        page = self._made.get(at)
        if page is None:
            number, view = self.folios.places[at]
            page = self._made[at] = Page(self.sheets[number], view)
        return page


class BulkQuestion(Inquiry[Page]):
    """A lookup that is answered by numpy."""

    def __init__(self, folios: Folios, entities: Entities, now: datetime) -> None:
        self.folios = folios
        super().__init__(folios.plan, entities, now)

    def _keys(self) -> KeyText:
        shared: dict[Any, Sequence[bytes | None]] = {}
        self._written: list[Written] = []
        for folio in self.folios.folios:
            read = folio.reads[0]
            same = read.given, read.view.join_keys, read.view.entity_ids
            if same not in shared:
                columns = [self.entities[name] for name in read.given]
                shared[same] = read.keys.endings(read.keys.tails(columns, self.rows))
            self._written.append(folio.ask(shared[same]))
        text = b"".join([written.text for written in self._written])
        return KeyText(text, sum(written.size for written in self._written))

    def _blocks(self, stored: Sequence[bytes | None]) -> Pages:
        self.sheets = list(self._sheets(stored))
        return Pages(self.folios, self.sheets)

    def _sheets(self, stored: Sequence[bytes | None]) -> Iterator[Sheet]:
        start = 0
        for folio, written in zip(self.folios.folios, self._written, strict=True):
            stop = start + written.size
            rows = stored if written.size == len(stored) else stored[start:stop]
            rows = self._veiled(rows, folio)
            yield Sheet(folio.decoder, rows, written.checks, folio.ages(self.now_us))
            start = stop

    def _veiled(self, rows: Sequence[bytes | None], folio: Folio) -> Sequence[bytes | None]:
        """Return what is left of a folio's rows: entity after entity, each with all views'."""
        veils = [self.folios.veils[at] for at in folio.at] if self.folios.veils else []
        if not any(veils):
            return rows
        found, views = list(rows), len(veils)
        for view, veil in enumerate(veils):
            if veil is not None:
                found[view::views] = map(veil, found[view::views])
        return found
