"""B2: few entities with long histories and no time to live, where a join on the entity alone explodes."""

from collections.abc import Iterator

from benchmarks.offline_b1 import join, short
from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row
from benchmarks.tables import Entities

NAME = "offline_b2"
SIZES = (
    ((5_000, 1_000_000, 1_000), (10_000, 1_000_000, 100), (100_000, 10_000_000, 1_000)),
    ((2_000, 200_000, 200),),
)


def run(options: Options) -> Iterator[Row]:
    """Measure each size: rows of the spine, rows of each view, entities."""
    for spine_rows, rows, count in SIZES[options.quick]:
        each = rows // count
        case = f"{short(spine_rows)} x {short(rows)}, {each:,} rows per entity, no TTL"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        entities = Entities(count, power=1)
        workload = join(options.data, spine_rows, rows, ttl_seconds=None, entities=entities)
        with race(entrants(workload), options) as done:
            yield Row(bench=NAME, case=case, figures=done.figures(), claims=_claims(each))


def _claims(rows_per_entity: int) -> tuple[Claim, ...]:
    same = Claim("no cell unlike polars'", "polars_differing", 0)
    if rows_per_entity < 10_000:
        return (same,)
    faster = Claim("Feast takes at least 20 times as long", "feast_over_ours", 20, at_least=True)
    return (faster, same)


BENCHMARK = Benchmark(
    name=NAME,
    claim="few entities with histories of 1,000 to 10,000 rows, no TTL: 20 times Feast",
    run=run,
)
