"""B5, the flagship: the point-in-time frame of all flights of 2013, 6 views, entities of one and two keys."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row
from benchmarks.workload import View, Workload, view_of
from demo import data, derive, labels

NAME = "offline_b5"
KEYS = {
    "weather_hourly": ("origin",),
    "origin_ops": ("origin",),
    "carrier_origin": ("carrier", "origin"),
    "route_history": ("origin", "dest"),
    "tail_last": ("tailnum",),
    "plane_facts": ("tailnum",),
}
TTL_HOURS = {
    "weather_hourly": 3,
    "origin_ops": 2,
    "carrier_origin": 24,
    "route_history": 48,
    "tail_last": 24,
}
QUICK_ROWS = 20_000
NOT_IN_SPINE = ["arr_delay", "late", "distance"]
CLAIMS = (
    Claim("Feast takes at least 6 times as long", "feast_over_ours", 6, at_least=True),
    Claim("no cell unlike Feast's", "feast_differing", 0),
    Claim("no cell unlike polars'", "polars_differing", 0),
)


def run(options: Options) -> Iterator[Row]:
    """Measure the frame of the year, or of its first flights."""
    options.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="flights-", dir=options.data) as name:
        workload = prepare(Path(name).resolve(), rows=QUICK_ROWS if options.quick else None)
        case = f"{workload.spine_rows:,} flights x {len(workload.views)} views"
        if not options.wants(case):
            return
        options.say(f"{NAME}: {case}")
        with race(entrants(workload), options) as done:
            yield Row(bench=NAME, case=case, figures=done.figures(), claims=CLAIMS)


def prepare(folder: Path, *, rows: int | None) -> Workload:
    """Write the feature tables and the spine to ``folder``; return the join of them all."""
    raw = data.load(2013)
    for name, table in derive.derive(raw, year=2013).items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    spine = labels.spine(raw["flights"]).drop_columns(NOT_IN_SPINE).slice(0, rows)
    numbers = pa.array(range(spine.num_rows), pa.int64())
    pq.write_table(spine.append_column("row_id", numbers), folder / "spine.parquet")
    return Workload(
        spine=str(folder / "spine.parquet"),
        views=tuple(_view(folder, name) for name in KEYS),
    )


def _view(folder: Path, name: str) -> View:
    hours = TTL_HOURS.get(name)
    ttl = hours * 3600 if hours else None
    return view_of(name, folder / f"{name}.parquet", keys=KEYS[name], ttl_seconds=ttl)


BENCHMARK = Benchmark(
    name=NAME,
    claim="the 2013 training frame by plain Feast calls: 6 times Feast's DuckDB store, same cells",
    run=run,
)
