"""The contenders that are permitted all, and a part: our engine on the same tables of a catalog.

The part has four of ten features of each view masked: a text by a hash, numbers by buckets, one by
nothing that is left.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.contender import Ready, Task
from benchmarks.workload import View
from provender.core.datasets import Format
from provender.core.effects import Mask
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.duck import DuckEngine
from provender.offline.spine import Spine
from provender.tables.arrow import schema_of
from provender.tables.storage import entry, verified_files

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = b"a key of a project's hashes"
MASKS = {"string": ("hash",), "float64": ("bucket(0.5)", "null"), "int64": ("bucket(100)",)}
"""By type, those of the first features that have it."""


def prepare(task: Task) -> Ready:
    """Return the retrieval under a permit for all, or for a part."""
    lake = Path(task.workload.views[0].path).parent.parent
    joins = tuple(map(_join, task.workload.views))
    for join in joins:
        verified_files(lake, join.table)  # hashed once, before the clock
    plan = PointInTimePlan(event_timestamp="event_timestamp", joins=joins)
    permit = Permit(
        decision="dec_bench", actor="person:bench", action=Action.READ, purpose="bench",
        columns=plan.reads, decided_at=NOW,
        masks=tuple(mask for join in joins for mask in _masks(join)) if task.kind == "masked" else (),
    )  # fmt: skip
    engine = DuckEngine(lake, memory_limit=task.workload.memory_limit)

    def retrieve() -> None:
        spine = Spine((Path(task.workload.spine),))
        answer = engine.run(plan, spine, permit, now=NOW, key=lambda: KEY)
        with pq.ParquetWriter(
            task.frame, answer.schema, compression="zstd", compression_level=1
        ) as out:
            for batch in answer.batches:
                out.write_batch(batch)

    return Ready(retrieve)


def _join(view: View) -> ViewJoin:
    path = Path(view.path)
    schema = schema_of(pq.read_schema(path).remove_metadata())
    table = Table(
        format=Format.PARQUET, location=path.parent.name, files=(path.name,),
        entries=(entry(path, path.parent),),
        version=DatasetRef("bench", view.name, 1), schema=schema,
    )  # fmt: skip
    return ViewJoin(
        view=view.name, table=table, keys=tuple((key, key) for key in view.keys),
        features=tuple((name, name) for name in view.features),
        event_timestamp="event_timestamp", created_timestamp="created_timestamp",
        ttl=timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
    )  # fmt: skip


def _masks(join: ViewJoin) -> list[tuple[ColumnRef, Mask]]:
    left, found = {kind: list(masks) for kind, masks in MASKS.items()}, []
    for column in join.table.schema.columns if join.table.schema else ():
        if column.name in dict(join.features) and left.get(column.type):
            mask = Mask.parse(left[column.type].pop(0))
            found.append((ColumnRef(f"bench.{join.view}", column.name), mask))
    return found
