"""Retrieval under a permit for a part, beside a permit for all: B1's joins, four of ten features masked."""

from collections.abc import Iterator

from benchmarks.offline_b1 import ENTITIES, WEEK, join, short
from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row
from benchmarks.tables import Entities

NAME = "governance_training"
SIZES = (
    ((100_000, 1_000_000), (1_000_000, 10_000_000), (10_000_000, 10_000_000)),
    ((20_000, 200_000), (100_000, 1_000_000)),
)
BAR = (
    Claim("masks cost at most a tenth", "masked_over_ours", 1.1),
    Claim("at most 1,500 MB", "peak_mb", 1500),
)
CLAIMS = {"1M x 10M, TTL 7 d": BAR}


def run(options: Options) -> Iterator[Row]:
    """Measure each size with and without masks."""
    for spine_rows, rows in SIZES[options.quick]:
        case = f"{short(spine_rows)} x {short(rows)}, TTL 7 d"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        workload = join(
            options.data, spine_rows, rows, ttl_seconds=WEEK, entities=Entities(ENTITIES)
        )
        with race(entrants(workload, ("whole", "masked")), options) as done:
            yield Row(
                bench=NAME, case=case, figures=done.figures(), ours="whole", peer="masked",
                claims=CLAIMS.get(case, ()),
            )  # fmt: skip


BENCHMARK = Benchmark(
    name=NAME,
    claim="retrieval with 12 of 30 features masked: at most 1.1 times that without",
    run=run,
)
