"""The Spark engine: runs point-in-time plans on a cluster, with a permit in hand.

The same plans, the same answers as DuckDB's. The spine goes to Spark as Parquet, narrow; the
features come back as Parquet in the spine's order and are put beside the spine's own rows as they
are read. Nothing is collected in the driver. Master, workers and this process must see the same
files: the lake, and the temporary folder.
"""

import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provender.core.errors import Corrupt, Unavailable
from provender.core.policy import Permit
from provender.core.training import PointInTimePlan
from provender.offline import sparksession, sparksql, sparktables
from provender.offline.answer import Answer, Progress
from provender.offline.deadline import interrupted_in_time
from provender.offline.masks import Key, no_key
from provender.offline.refusals import refuse_empty
from provender.offline.session import Limits, connect, spill_area
from provender.offline.shield import masked_answer
from provender.offline.sparksession import Cluster
from provender.offline.sparksql import Asked, Form
from provender.offline.sparktables import SourceTable, SpineTable
from provender.offline.sparktypes import restored
from provender.offline.spine import Spine
from provender.tables.spill import spilling

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BUCKET_ROWS = 1 << 20
"""Rows of the answer in one file: what one task sorts and writes."""
POLL_SECONDS = 0.2
ASOF_SINCE = (4, 3)
STAGED, ANSWERED = 0.2, 0.9
"""How far a retrieval is when Spark begins, and when it ends."""
WHY = {
    "": "a window over spine and source together is linear in the rows; Spark's LEFT ASOF JOIN "
    "looks through all rows of a key for each of its spine rows",
    "window": "it was asked for",
    "asof": "it was asked for",
}


@dataclass(frozen=True, slots=True)
class SparkEngine:
    """Runs plans over the tables of one lake on the Spark at ``master``; empty is this machine.

    ``form`` is that of the SQL; empty takes the faster one. ``memory_limit`` is DuckDB's, which
    stages what Spark cannot read itself.
    """

    lake: Path
    master: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    temp_directory: Path | None = None
    memory_limit: str = ""
    form: Form | Literal[""] = ""
    bucket_rows: int = BUCKET_ROWS

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
        timestamp, date or text that reads as one; without a zone it is UTC. Of a permit for a
        part, DuckDB stages the rows that there are, with keys masked by ``key``.

        Raises:
            Denied: ``permit`` is not for every column that is read, is for computing only of one
                that comes out, or masks a timestamp.
            InvalidInput: the spine is empty, lacks a column, has one of the wrong type, or a
                feature has a type that Spark cannot carry.
            Unavailable: pyspark, Java or the cluster is not there, or Spark failed.
        """
        permit.cover(plan.reads, now=now, shielded=True)
        plan = plan.under(permit)
        plan.check_spine(spine.column_names)
        refuse_empty(spine)
        if not plan.joins:
            return Answer(spine.schema, spine.batches())
        tell = progress or _silent
        with ExitStack() as until_answered:
            folder = until_answered.enter_context(spilling(self.spill))
            tell("staging the spine", 0.0)
            with (
                connect(Limits(memory_limit=self.memory_limit), self.spill) as duck,
                interrupted_in_time(duck, tell),
            ):
                staged = Staged.of(plan.keyed(), spine, self.lake, duck, key)
                kinds = staged.feature_types
                asked = staged.write(folder, tell)
            self._answer(staged, asked, folder, tell)
            held = until_answered.pop_all()
        answer = _beside(plan, spine, kinds, folder, tell, held)
        return masked_answer(answer, plan.masks, key)

    def explain(self, plan: PointInTimePlan, spine: Spine) -> str:
        """Return the SQL that `run` would execute for ``spine``, and why so; no Spark is started."""
        plan.check_spine(spine.column_names)
        with connect(Limits(memory_limit=self.memory_limit), self.spill) as duck:
            staged = Staged.of(plan, spine, self.lake, duck)
            lines = [
                f"-- Spark at {Cluster.of(self.master, {}).master}",
                f"-- the form is {self._form}: {WHY[self.form]}",
                *staged.notes,
            ]
            query = self._sql(staged, staged.asked())
        return "\n".join([*lines, query])

    def _sql(self, staged: "Staged", asked: Asked) -> str:
        return sparksql.render(
            staged.plan, staged.sources, asked, form=self._form, bucket_rows=self.bucket_rows
        )

    @property
    def _form(self) -> Form:
        return "asof" if self.form == "asof" else "window"

    @property
    def spill(self) -> Path:
        """Where what Spark reads and writes meanwhile is put."""
        return spill_area(self.lake, self.temp_directory)

    def _answer(self, staged: "Staged", asked: Asked, folder: Path, tell: Progress) -> None:
        """Let Spark write the features below ``folder``."""
        tell("waiting for Spark", STAGED)
        with sparksession.session(Cluster.of(self.master, self.options)) as spark:
            self._check_form(spark.version)
            with sparksession.explained():
                for name, files in staged.views(folder).items():
                    spark.read.parquet(*map(str, files)).createOrReplaceTempView(name)
                rows = spark.sql(self._sql(staged, asked))
                _write(spark, rows, folder / "answer", tell)

    def _check_form(self, version: str) -> None:
        numbers = tuple(int(part) for part in version.split(".")[:2])
        if self._form == "asof" and numbers < ASOF_SINCE:
            raise Unavailable(
                f"the cluster's Spark {version} has no LEFT ASOF JOIN, which 4.3 brought",
                hint="leave the form to us: any Spark runs the window form",
            )


@dataclass(frozen=True)
class Staged:
    """A plan with its sources and its spine as they go to Spark."""

    plan: PointInTimePlan
    tables: tuple[SourceTable, ...]
    spine: SpineTable

    @classmethod
    def of(
        cls, plan: PointInTimePlan, spine: Spine, lake: Path, duck: Any, key: Key = no_key
    ) -> "Staged":
        tables = tuple(SourceTable.of(join, lake, duck, key) for join in plan.joins)
        return cls(plan, tables, SpineTable.of(spine, plan, tables, duck))

    @property
    def sources(self) -> list[sparksql.Source]:
        return [table.source for table in self.tables]

    @property
    def notes(self) -> list[str]:
        """Who reads which source, as comments."""
        return [
            f"-- {table.join.view}: "
            + (f"{len(table.files)} Parquet files" if table.is_direct else "staged by DuckDB")
            for table in self.tables
        ]

    @property
    def feature_types(self) -> list[list[pa.DataType]]:
        """The types of each join's features in the answer."""
        return [
            [table.answered[source] for source, _ in table.join.features] for table in self.tables
        ]

    def asked(self) -> Asked:
        """Return what the SQL must know of the spine; reads it once."""
        instants = self.spine.relation().project("t").to_arrow_reader(sparktables.BATCH_ROWS)
        return self._asked(sparktables.reach(instants))

    def write(self, folder: Path, tell: Progress) -> Asked:
        """Write the spine, and what Spark does not read itself, to ``folder``."""
        sparktables.write(self.spine.relation(), folder / "spine.parquet")
        with pq.ParquetFile(folder / "spine.parquet") as file:
            asked = self._asked(sparktables.reach(file.iter_batches(columns=["t"])))
        for position, table in enumerate(self.tables):
            if not table.is_direct:
                tell(f"staging {table.join.view}", STAGED * (position + 1) / (len(self.tables) + 1))
                table.stage(_staged(folder, position), asked)
        return asked

    def views(self, folder: Path) -> dict[str, list[Path]]:
        """Return the files of each view that the SQL names."""
        views = {"spine": [folder / "spine.parquet"]}
        for position, table in enumerate(self.tables):
            files = list(table.files) if table.is_direct else [_staged(folder, position)]
            views[sparksql.table_name(position)] = files
        return views

    def _asked(self, bounds: tuple[int, int]) -> Asked:
        return Asked(tuple(map(self.spine.names, self.tables)), *bounds)


@dataclass
class Features:
    """The features that Spark wrote, in the spine's order; what is ``held`` goes when they are read or closed."""

    held: ExitStack
    batches: Iterator[pa.RecordBatch]

    def __post_init__(self) -> None:
        self._remove = weakref.finalize(self, self.held.close)

    def __iter__(self) -> "Features":
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return next(self.batches)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back what is on the disk; nothing more is read."""
        if hasattr(self.batches, "close"):
            self.batches.close()
        self._remove()


def _staged(folder: Path, position: int) -> Path:
    return folder / f"{sparksql.table_name(position)}.parquet"


def _silent(_what: str, _part: float) -> None:
    """Tell nobody."""


def _write(spark: "SparkSession", frame: "DataFrame", folder: Path, tell: Progress) -> None:
    """Run the query into ``folder``: one subfolder per bucket, each sorted by ``rid``."""
    group = f"provender-{uuid.uuid4().hex}"
    context = spark.sparkContext

    def work() -> None:
        context.setJobGroup(group, "point-in-time retrieval", interruptOnCancel=True)
        rows = frame.repartition("bucket").sortWithinPartitions("bucket", "rid")
        rows.write.partitionBy("bucket").parquet(str(folder))

    with ThreadPoolExecutor(1, "provender-spark") as pool:
        running = pool.submit(work)
        try:
            _watch(running, lambda: _share_done(context, group), tell)
        except BaseException:
            context.cancelJobGroup(group)
            raise


def _watch(running: "Future[None]", share: Callable[[], float], tell: Progress) -> None:
    done = 0.0
    while not wait([running], POLL_SECONDS).done:
        done = max(done, share())
        tell("joining on Spark", STAGED + done * (ANSWERED - STAGED))
    running.result()


def _share_done(context: Any, group: str) -> float:
    """The part of the tasks known so far that is done."""
    tracker = context.statusTracker()
    jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(group)))
    stages = [tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds]
    known = [stage for stage in stages if stage is not None]
    tasks = sum(stage.numTasks for stage in known)
    return sum(stage.numCompletedTasks for stage in known) / tasks if tasks else 0.0


def _beside(
    plan: PointInTimePlan,
    spine: Spine,
    kinds: list[list[pa.DataType]],
    folder: Path,
    tell: Progress,
    held: ExitStack,
) -> Answer:
    """Put the features beside the spine, batch by batch, and count the answers known only later."""
    fields = [
        pa.field(output, kind)
        for join, types in zip(plan.joins, kinds, strict=True)
        for output, kind in zip(join.outputs, types, strict=True)
    ]
    schema = pa.schema([*spine.schema, *fields])
    later = {join.view: 0 for join in plan.joins if plan.tells_known_later(join)}
    batches = _batches(plan, spine, schema, folder, later, tell)
    return Answer(schema, Features(held, batches), later)


def _batches(
    plan: PointInTimePlan,
    spine: Spine,
    schema: pa.Schema,
    folder: Path,
    later: dict[str, int],
    tell: Progress,
) -> Iterator[pa.RecordBatch]:
    numbered = list(enumerate(plan.joins))
    names = [sparksql.output_name(p, n) for p, join in numbered for n in range(len(join.features))]
    types = schema.types[len(spine.schema) :]
    first = 0
    for own, found in _side_by_side(spine.batches(), _written(folder / "answer")):
        _check_order(found, first)
        first += found.num_rows
        features = [restored(found.column(n), kind) for n, kind in zip(names, types, strict=True)]
        for position, join in numbered:
            if join.view in later:
                flags = found.column(sparksql.later_name(position))
                later[join.view] += pc.sum(flags, min_count=0).as_py()
        tell("handing out rows", ANSWERED + (1 - ANSWERED) * first / spine.row_count)
        yield pa.RecordBatch.from_arrays([*own.columns, *features], schema=schema)
    if first != spine.row_count:
        raise _incomplete(first)


def _written(folder: Path) -> Iterator[pa.RecordBatch]:
    """What Spark wrote, bucket by bucket."""
    buckets = {int(path.name.removeprefix("bucket=")): path for path in folder.glob("bucket=*")}
    for _, bucket in sorted(buckets.items()):
        for path in sorted(bucket.glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches()


def _side_by_side(
    left: Iterator[pa.RecordBatch], right: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Both streams in pieces of equal length, as far as both go."""
    one = other = None
    while True:
        one = one if one is not None and one.num_rows else next(left, None)
        other = other if other is not None and other.num_rows else next(right, None)
        if one is None or other is None:
            return
        rows = min(one.num_rows, other.num_rows)
        if rows:
            yield one.slice(0, rows), other.slice(0, rows)
        one, other = one.slice(rows), other.slice(rows)


def _check_order(found: pa.RecordBatch, first: int) -> None:
    expected = np.arange(first, first + found.num_rows)
    if not np.array_equal(found.column("rid").to_numpy(), expected):
        raise _incomplete(first)


def _incomplete(first: int) -> Corrupt:
    return Corrupt(
        f"Spark's answer does not go on at row {first} of the spine",
        hint="this is a defect of ours or of the cluster; please report it with the output of explain",
    )
