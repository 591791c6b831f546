"""One retrieval: the spine in chunks, each view matched and its features fetched, rows handed on.

Memory is bounded by the budget of the limits: a chunk of the spine is matched at a time, and
finished features that do not fit wait on the disk. Tables are never held.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import duckdb
import numpy as np
import pyarrow as pa

from provender.core.training import PointInTimePlan
from provender.offline import asof
from provender.offline.answer import Progress
from provender.offline.deadline import interrupted_in_time
from provender.offline.fetching import Fetching
from provender.offline.masks import Key, no_key
from provender.offline.matching import Matching
from provender.offline.numbered import Numbered
from provender.offline.refusals import refuse_years
from provender.offline.session import Limits, connect
from provender.offline.shape import (
    SQL_SPINE_ROWS,
    Join,
    Shape,
    Sizes,
    bin_rows,
    choose_shape,
    chunk_rows,
)
from provender.offline.shelf import Shelf
from provender.offline.slots import load_kernel
from provender.offline.sources import Source, open_source, register_numbered
from provender.offline.spine import BATCH_ROWS, Spine, Stretch
from provender.tables.spill import spilling

DUCKDB_SHARE = 0.35
"""Of a memory limit that is said; the rest is for the spine's slots and for finished rows."""


@dataclass
class Retrieval:
    """A plan and a spine, opened: every table registered, checked and measured."""

    plan: PointInTimePlan
    spine: Spine
    session: duckdb.DuckDBPyConnection
    sources: list[Source]
    shapes: list[Shape]
    reach: asof.Reach
    budget: int
    folder: Path | None
    known_later: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(
        cls, plan: PointInTimePlan, spine: Spine, lake: Path, limits: Limits, spill: Path,
        stack: ExitStack, *, forced: Join | None, progress: Progress | None = None, key: Key = no_key,
    ) -> "Retrieval":  # fmt: skip
        """Return the retrieval, ready to run; ``stack`` closes what it opens.

        Raises:
            Unavailable: the deadline that ``progress`` is is over, now or until ``stack`` is closed.
            InvalidInput: a column is missing or of a type that cannot be compared; a file is broken.
        """
        if spine.row_count > SQL_SPINE_ROWS and has_numba():
            # numba is loaded while DuckDB reads the spine; whoever needs the loops waits for it
            Thread(target=load_kernel, name="provender-kernel", daemon=True).start()
        session = stack.enter_context(connect(limits, spill, share=DUCKDB_SHARE))
        stack.enter_context(interrupted_in_time(session, progress))
        nothing = pa.Table.from_batches([], spine.schema)
        session.register(asof.SPINE, narrow(nothing, plan))
        sources = []
        for number, join in enumerate(plan.joins):
            if progress:
                progress(f"opening {join.view}", 0.0)
            sources.append(open_source(session, plan, number, spine, lake, key))
        reach, key_bounds = _bounds(session, spine, plan)
        session.unregister(asof.SPINE)
        found = cls(plan, spine, session, sources, [], reach, limits.budget, None)
        for source in sources:
            sizes = Sizes(
                spine_rows=spine.row_count,
                source_rows=source.numbered.row_count if source.numbered else None,
                reach_rows=source.rows_within(reach, key_bounds),
                row_bytes=source.row_bytes,
                answer_bytes=source.output_width(),
                sql_changes=source.changed_by_sql,
            )
            found.shapes.append(
                choose_shape(sizes, budget=limits.budget, forced=forced, can_slots=has_numba())
            )
        if any(shape.join is Join.SLOTS for shape in found.shapes):
            found.folder = stack.enter_context(spilling(spill))
        return found

    @property
    def schema(self) -> pa.Schema:
        """The spine's columns, then the features."""
        return pa.schema([*self.spine.schema, *(f for s in self.sources for f in s.features)])

    def sql(self) -> str:
        """Return how each view is joined, why, and in which words DuckDB is asked."""
        parts = []
        for source, shape in zip(self.sources, self.shapes, strict=True):
            said = f"-- {source.join.view}: {shape}\n"
            if shape.join is Join.SQL:
                parts.append(said + asof.render(self.plan, source.position, self.reach))
            else:
                keys = [asof.spine_columns(self.plan)[name] for name, _ in source.join.keys]
                parts.append(
                    said
                    + asof.render_numbered(
                        source.join, source.position, self.reach,
                        columns=keys, table="keys", by_then=self.plan.counts_from_creation(source.join),
                    )
                )  # fmt: skip
        return "\n\n".join(parts)

    def batches(self, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the answer in order; ``known_later`` is whole at the end."""
        self._stage(progress)
        for source in self.sources:
            if self.plan.tells_known_later(source.join):
                self.known_later[source.join.view] = 0
        columns = [self.plan.event_timestamp, *asof.spine_columns(self.plan)]
        sets = {tuple(name for name, _ in s.join.keys) for s in self._by_slots}
        chunk = chunk_rows(self.budget, key_sets=len(sets))
        whole = Stretch(self.spine.schema, self.spine.batches(rows=BATCH_ROWS))
        for start, part in self.spine.chunks(list(dict.fromkeys(columns)), chunk):
            matching = self._matching(part)
            del part  # its keys and instants are in the slots now
            yield from self._chunk(start, matching, whole, progress)

    def _matching(self, part: pa.Table) -> Matching:
        """Sort the spine rows of ``part`` into slots; views that are joined by SQL find them registered."""
        self.session.register(asof.SPINE, narrow(part, self.plan))
        matching = Matching(
            self.session, self.plan, self.reach, part.num_rows, tie_bytes=self.budget / 8
        )
        by_slots = self._by_slots
        matching.prepare(by_slots)
        if len(by_slots) == len(self.sources):
            self.session.unregister(asof.SPINE)
        return matching

    @property
    def _by_slots(self) -> list[Source]:
        return [
            s
            for s, shape in zip(self.sources, self.shapes, strict=True)
            if shape.join is Join.SLOTS
        ]

    def _chunk(
        self, start: int, matching: Matching, whole: Stretch, progress: Progress | None
    ) -> Iterator[pa.RecordBatch]:
        """The answer to the spine rows that are matched, the first of which is row ``start``."""
        rows, total = matching.spine_rows, self.spine.row_count
        width = sum(s.output_width() for s in self.sources) + _spine_width(self.spine.schema)
        stretch = bin_rows(self.budget, row_bytes=width)
        held = self.budget / 4 / max(1, len(self.sources))
        steps = 2 * len(self.sources)

        def say(text: str, done: float) -> None:
            if progress:
                progress(text, (start + rows * 0.9 * done / max(steps, 1)) / total)

        shelves: list[Shelf | pa.Table] = []
        fetching = Fetching(self.session)
        try:
            for number, (source, shape) in enumerate(zip(self.sources, self.shapes, strict=True)):
                view = source.join.view
                say(f"matching {view}", 2 * number)
                if shape.join is Join.SQL:
                    shelves.append(self._by_sql(source))
                    continue
                shelf = Shelf(source.features, rows, stretch, self._bins(number), held)
                shelves.append(shelf)
                wanted, positions, later = matching.wanted(source)
                if view in self.known_later:
                    self.known_later[view] += later
                say(f"fetching {view}", 2 * number + 1)
                fetching.begin(source, wanted, positions, shelf)
                del wanted, positions
            fetching.finish()
            matching.close()
            for number in range(-(-rows // stretch)):
                length = min(stretch, rows - number * stretch)
                yield from self._beside(whole.take(length), shelves, number, stretch)
                if progress:
                    done = start + rows * 0.9 + 0.1 * min(rows, (number + 1) * stretch)
                    progress("handing rows out", done / total)
        finally:
            fetching.close()
            for shelf in shelves:
                if isinstance(shelf, Shelf):
                    shelf.close()

    def _beside(
        self, spine: pa.Table, shelves: Sequence[Shelf | pa.Table], number: int, stretch: int
    ) -> Iterator[pa.RecordBatch]:
        columns = list(spine.columns)
        for shelf in shelves:
            if isinstance(shelf, Shelf):
                columns += shelf.take(number).columns
            else:
                columns += shelf.slice(number * stretch, spine.num_rows).columns
        yield from pa.table(columns, schema=self.schema).to_batches(max_chunksize=BATCH_ROWS)
        pa.default_memory_pool().release_unused()

    def _by_sql(self, source: Source) -> pa.Table:
        query = asof.render(self.plan, source.position, self.reach)
        if source.numbered is not None:
            source.numbered.stamps.check()
        rows = self.session.sql(query).to_arrow_table()
        if source.numbered is not None:
            source.numbered.stamps.check()
        if source.join.view in self.known_later:
            later = rows.column(asof.LATER).to_numpy()
            self.known_later[source.join.view] += int(later.sum())
        columns = [
            rows.column(asof.output_name(n)).cast(column.type)
            for n, column in enumerate(source.features)
        ]
        return pa.table(columns, schema=source.features)

    def _stage(self, progress: Progress | None) -> None:
        """Write what a view needs to Parquet, where its rows have no numbers of their own."""
        for number, (source, shape) in enumerate(zip(self.sources, self.shapes, strict=True)):
            if shape.is_staged and source.numbered is None and self.folder is not None:
                if progress:
                    progress(f"staging {source.join.view}", 0.0)
                self.sources[number] = _staged(self.session, source, self.reach, self.folder)

    def _bins(self, number: int) -> Path:
        """Where the finished features of a view wait, if memory does not hold them."""
        if self.folder is None:
            raise RuntimeError("views that are joined by slots have a folder to spill to")
        return self.folder / f"view-{number}"


def narrow(rows: pa.Table, plan: PointInTimePlan) -> pa.Table:
    """Return the columns that matching needs, under the names that the SQL knows, and a row number."""
    columns = {
        "rid": pa.array(np.arange(rows.num_rows, dtype=np.int64)),
        "t": rows.column(plan.event_timestamp),
    }
    for name, short in asof.spine_columns(plan).items():
        columns[short] = rows.column(name)
    return pa.table(columns)


def has_numba() -> bool:
    """Return whether the compiled loops can be had."""
    from importlib.util import find_spec

    return find_spec("numba") is not None


def _staged(
    session: duckdb.DuckDBPyConnection, source: Source, reach: asof.Reach, folder: Path
) -> Source:
    path = folder / f"staged-{source.position}.parquet"
    query = asof.render_staged(source.join, source.position, reach)
    session.sql(query).write_parquet(str(path), compression="zstd")
    numbered = Numbered.open([path])
    if numbered is not None:
        register_numbered(session, source.position, numbered)
    return Source(
        join=source.join, position=source.position, features=source.features,
        numbered=numbered,
    )  # fmt: skip


def _bounds(
    session: duckdb.DuckDBPyConnection, spine: Spine, plan: PointInTimePlan
) -> tuple[asof.Reach, dict[str, tuple[object, object]]]:
    """The range of the spine's instants and of each key, from one pass over it."""
    short = asof.spine_columns(plan)
    names = list(dict.fromkeys([plan.event_timestamp, *short]))
    schema = narrow(pa.Table.from_batches([], spine.schema), plan).schema
    batches = (
        batch
        for part in spine.batches(names)
        for batch in narrow(pa.Table.from_batches([part]), plan).to_batches()
    )
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    session.unregister(asof.SPINE)
    session.register(asof.SPINE, reader)
    # fetchall, not fetchone: DuckDB 2.0 refuses other work while a result is unfinished.
    ((low, high, *keys),) = session.execute(asof.spine_bounds(len(short))).fetchall()
    found = {
        name: (keys[2 * n], keys[2 * n + 1])
        for n, name in enumerate(short)
        if keys[2 * n] is not None
    }
    if low is None:
        return asof.Reach(asof.EPOCH, asof.EPOCH), found
    refuse_years(low, high)
    return asof.Reach(asof.from_micros(low), asof.from_micros(high)), found


def _spine_width(schema: pa.Schema) -> float:
    return sum(8.0 if pa.types.is_primitive(column.type) else 48.0 for column in schema)
