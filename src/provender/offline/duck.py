"""The DuckDB engine: runs point-in-time plans and reads tables, with a permit in hand."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.policy import Permit
from provender.core.shielding import refuse_computed
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import asof
from provender.offline.answer import Answer, Progress
from provender.offline.masks import Key, no_key
from provender.offline.refusals import refuse_empty
from provender.offline.retrieval import Retrieval
from provender.offline.scan import permitted
from provender.offline.session import Limits, connect, explained, spill_area
from provender.offline.shape import Join
from provender.offline.shield import kept, masked_answer
from provender.offline.sources import register
from provender.offline.spine import Spine
from provender.tables import format_for
from provender.tables.arrow import quote


@dataclass(frozen=True, slots=True)
class DuckEngine:
    """Runs plans over the tables of one lake. Limits are DuckDB's own words; empty is its default.

    What memory does not hold is spilled below ``temp_directory``; see `session.spill_area` for where else.
    ``join`` forces one shape on all views (see `offline.shape`).
    """

    lake: Path
    memory_limit: str = ""
    threads: int | None = None
    temp_directory: Path | None = None
    join: Join | None = None

    def run(
        self,
        plan: PointInTimePlan,
        spine: Spine,
        permit: Permit,
        *,
        now: datetime,
        progress: Progress | None = None,
        key: Key = no_key,
    ) -> Answer:
        """Return the spine's columns, then the plan's features; one row per spine row, in order.

        The spine's own columns come back as they are. Its event timestamp may be any
        timestamp, date or text that reads as one; without a zone it is UTC. Tables are looked
        at now, and read when the answer is. Of a permit for a part, values are masked, with the
        ``key`` of the project's hashes, and rows left out.

        Raises:
            Denied: ``permit`` is not for every column that is read, is for computing only of one
                that comes out, or masks a timestamp.
            InvalidInput: the spine is empty, lacks a column, or has one of the wrong type.
            Corrupt: a file of a dataset's version is gone or changed.
        """
        permit.cover(plan.reads, now=now, shielded=True)
        plan = plan.under(permit)
        plan.check_spine(spine.column_names)
        refuse_empty(spine)
        if not plan.joins:
            return Answer(spine.schema, spine.batches())
        with ExitStack() as stack:
            found = self._open(plan.keyed(), spine, stack, progress, key)
            held = stack.pop_all()
        answer = Answer(found.schema, _closing(found, held, progress), found.known_later)
        return masked_answer(answer, plan.masks, key)

    def explain(self, plan: PointInTimePlan, spine: Spine) -> str:
        """Return how `run` would join each view of ``plan``, why, and the SQL of it."""
        plan.check_spine(spine.column_names)
        with ExitStack() as stack:
            return self._open(plan, spine, stack).sql()

    def _open(
        self,
        plan: PointInTimePlan,
        spine: Spine,
        stack: ExitStack,
        progress: Progress | None = None,
        key: Key = no_key,
    ) -> Retrieval:
        return Retrieval.open(
            plan, spine, self.lake, self.limits, self.spill, stack,
            forced=self.join, progress=progress, key=key,
        )  # fmt: skip

    @property
    def limits(self) -> Limits:
        return Limits(memory_limit=self.memory_limit, threads=self.threads)

    @property
    def spill(self) -> Path:
        """Where retrievals put what memory does not hold."""
        return spill_area(self.lake, self.temp_directory)

    def read(
        self,
        table: Table,
        columns: Sequence[str] | None,
        permit: Permit,
        *,
        now: datetime,
        key: Key = no_key,
    ) -> pa.Table:
        """Return ``columns`` (default: all) of the rows of ``table`` that ``permit`` leaves, masked as it says.

        Raises:
            Denied: ``permit`` is not for every one of them, or for computing only.
            NotFound: the table has no such column; a near one is named.
            InvalidInput: no column is asked for.
        """
        with connect(self.limits, self.spill) as session:
            relation = format_for(table.format).relation(table, self.lake, session)
            wanted = list(columns) if columns is not None else list(relation.columns)
            if not wanted:
                raise InvalidInput(
                    "no columns are asked for", hint=f"there are: {', '.join(relation.columns)}"
                )
            if table.schema is not None:
                for name in wanted:
                    table.schema.column(name)
            shield = permitted(table, wanted, permit, now=now)
            listed = ", ".join(quote(name) for name in wanted)
            found = kept(relation, shield.rows).project(listed).to_arrow_table()
            answer = Answer(found.schema, iter(found.to_batches()))
            return masked_answer(answer, shield.among(wanted), key).table()

    def latest(
        self,
        join: ViewJoin,
        permit: Permit,
        *,
        start: datetime | None,
        end: datetime | None,
        now: datetime,
        keep_all: bool = False,
        batch_rows: int = 65_536,
        key: Key = no_key,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the latest row per key with ``start`` ≤ event timestamp ≤ ``end``, in batches.

        Columns are the join keys, the features, ``event_timestamp`` and ``created_timestamp``
        (null where the view has none); at least one batch, if with no rows. Rows with a null key come too. ``keep_all`` yields
        every row of the window instead. They are masked as ``permit`` says; which is the latest
        of a key is told before.

        Raises:
            Denied: ``permit`` is not for every column that comes out, or for computing only.
        """
        permit.cover(join.reads, now=now, shielded=True)
        refuse_computed(permit, join.reads)
        join = join.under(permit)
        with connect(self.limits, self.spill) as session:
            register(session, join, 0, self.lake)
            query = asof.render_latest(join, start=start, end=end, keep_all=keep_all)
            reader = cast("pa.RecordBatchReader", session.sql(query).to_arrow_reader(batch_rows))
            batch = None
            for batch in masked_answer(
                Answer(reader.schema, iter(reader)), join.emitted, key
            ).batches:
                yield batch
            if batch is None:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _closing(
    found: Retrieval, kept: ExitStack, progress: Progress | None
) -> Iterator[pa.RecordBatch]:
    """The batches of a retrieval; everything is given back when they end, in whatever way."""
    with explained(), kept:
        yield from found.batches(progress)
