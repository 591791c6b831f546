"""B4: a spine of 10M rows x 3 views of 50M rows, in a memory that holds neither.

Our store gets the limit and the spine as a file. Feast's store and polars have no setting for
memory; they run as they are.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.offline_b1 import WEEK, join, short
from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row

NAME = "offline_b4"
SIZES = (
    ((10_000_000, 50_000_000, "1GB", 1200.0), (1_000_000, 10_000_000, "1GB", 1200.0)),
    ((20_000, 200_000, "500MB", 600.0),),
)


def run(options: Options) -> Iterator[Row]:
    """Measure each size within its limit."""
    for spine_rows, rows, limit, peak_mb in SIZES[options.quick]:
        case = f"{short(spine_rows)} x {short(rows)}, TTL 7 d, memory limit {limit}"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        free = join(options.data, spine_rows, rows, ttl_seconds=WEEK)
        workload = replace(free, spine_as="file", memory_limit=limit)
        claims = (Claim(f"peak of at most {limit} and 20 %", "peak_mb", peak_mb),)
        with race(entrants(workload), options) as done:
            yield Row(bench=NAME, case=case, figures=done.figures(), claims=claims)


BENCHMARK = Benchmark(
    name=NAME,
    claim="10M x 3 views of 50M rows with memory_limit=1GB: ends, within the limit and 20 %",
    run=run,
)
