"""The contender polars: lazy scans, the latest row of each tie, ``join_asof`` per view, a streamed sink.

Both sides are sorted by entity and time rather than by time alone: ties are neighbours then, and
the join, which goes entity by entity, needs no more. That was the faster and smaller of the two.
"""

from datetime import timedelta

import polars as pl
import pyarrow as pa

from benchmarks.contender import Ready, Task, write
from benchmarks.workload import View, Workload

AT, CREATED = "event_timestamp", "created_timestamp"


def prepare(task: Task) -> Ready:
    """Return the join."""
    if task.workload.answer == "pandas":
        return Ready(
            lambda: _joined(task.workload).collect().to_pandas(),
            lambda frame: write(pa.Table.from_pandas(frame, preserve_index=False), task.frame),
        )
    return Ready(
        lambda: _joined(task.workload).sink_parquet(
            task.frame, compression="zstd", compression_level=1
        )
    )


def _joined(workload: Workload) -> pl.LazyFrame:
    frame = pl.scan_parquet(workload.spine)
    for view in workload.views:
        frame = frame.sort(*view.keys, AT).join_asof(
            _latest(view),
            on=AT,
            by=list(view.keys),
            strategy="backward",
            tolerance=timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
            check_sortedness=False,
        )
    return frame


def _latest(view: View) -> pl.LazyFrame:
    """The rows of a view, of each tie the one created last; an entity without a name matches none."""
    rows = pl.scan_parquet(view.path).select(view.columns).drop_nulls(list(view.keys))
    if not view.created:
        return rows.sort(*view.keys, AT)
    rows = rows.sort(*view.keys, AT, CREATED)
    later = [pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in (*view.keys, AT)]
    return rows.filter(pl.any_horizontal(later)).drop(CREATED)
