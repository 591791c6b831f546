"""B6: joins that others have published: the Hopsworks paper's (W7) and that of DuckDB's AsOf post (W8).

W7 ends in a pandas frame. W8 has a known right answer, the sum of the joined values: each even
key is asked for half a minute before each stamp, so it gets the values 0 to stamps - 2 once.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import comparison, taxi
from benchmarks.offline_b1 import short
from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row
from benchmarks.tables import asof_post
from benchmarks.workload import Workload, view_of

NAME = "offline_b6"
TRIPS = ((1_000_000, 2_000_000, 5_000_000, 10_000_000), (100_000,))
POST = ((50, 100_000), (10, 2_000))
PUBLISHED = "Hopsworks 0.35-0.97M rows/s on 16 vCPU, other clouds 0.02-0.1M"
SAME = Claim("no cell unlike polars'", "polars_differing", 0)


def run(options: Options) -> Iterator[Row]:
    """Measure W7 at each size, then W8."""
    yield from _hopsworks(options)
    yield from _duckdb_post(options)


def right_sum(keys: int, stamps: int) -> int:
    """Return what the joined values of W8 add up to."""
    return (keys + 1) // 2 * ((stamps - 1) * (stamps - 2) // 2)


def _hopsworks(options: Options) -> Iterator[Row]:
    for trips in TRIPS[options.quick]:
        case = f"W7: {short(trips)} trips, 3 groups, to pandas"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        with race(entrants(taxi.join(options.data.resolve(), trips)), options) as done:
            figures = done.figures()
        ours = figures[0].value
        rate = f"{trips / ours / 1e6:.2f}M rows/s" if ours else "none"
        seen = {f"{figures[0].name}, on this machine": rate, "published": PUBLISHED}
        yield Row(bench=NAME, case=case, figures=figures, claims=(SAME,), seen=seen)


def _duckdb_post(options: Options) -> Iterator[Row]:
    keys, stamps = POST[options.quick]
    rows = short(keys * stamps)
    case = f"W8: {rows} x {rows}, {keys} keys, no TTL"
    if not options.wants(case):
        return
    options.say(f"{NAME}: {case}")
    spine, table = asof_post(options.data.resolve(), keys=keys, stamps=stamps)
    workload = Workload(spine=str(spine), views=(view_of("post", table, keys=("k",)),))
    with race(entrants(workload), options) as done:
        figures = done.figures()
        base = done.base.frame if done.base else None
        seen = _sum(base, right_sum(keys, stamps))
    yield Row(bench=NAME, case=case, figures=figures, claims=(SAME,), seen=seen)


def _sum(frame: Path | None, right: int) -> dict[str, str]:
    """Return the sum of the joined values beside the right one.

    Raises:
        SystemExit: it is another.
    """
    if frame is None:
        return {"sum of v": "not seen"}
    found = comparison.total(frame, "v")
    if found != right:
        raise SystemExit(f"{NAME}: the joined values add up to {found}, not to {right}")
    return {"sum of v": f"{found}, as it must be"}


BENCHMARK = Benchmark(
    name=NAME,
    claim="joins published by others: Hopsworks' to pandas (W7), DuckDB's AsOf post (W8) by its sum",
    run=run,
)
