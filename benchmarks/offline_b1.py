"""B1: a spine joined with 3 views of 10 features; skewed entities, ties, with a time to live and without."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from benchmarks.race import entrants, race
from benchmarks.results import Benchmark, Claim, Options, Row
from benchmarks.tables import Entities, feature_table, features, spine_table
from benchmarks.workload import View, Workload

NAME = "offline_b1"
VIEWS = 3
ENTITIES = 1_000_000
WEEK = 7 * 86_400
SIZES = (
    tuple(product((100_000, 1_000_000, 10_000_000), (1_000_000, 10_000_000, 50_000_000))),
    ((20_000, 200_000), (100_000, 1_000_000)),
)
BAR = (
    Claim("at most 2.2 times the floor", "ours_over_floor", 2.2),
    Claim("at most 1,500 MB", "peak_mb", 1500),
    Claim("Feast takes at least 2.5 times as long", "feast_over_ours", 2.5, at_least=True),
    Claim("polars takes longer", "polars_over_ours", 1.0, at_least=True),
    Claim("no cell unlike Feast's", "feast_differing", 0),
    Claim("no cell unlike polars'", "polars_differing", 0),
)
CLAIMS = {"1M x 10M, TTL 7 d": BAR, "1M x 10M by cube, TTL 7 d": BAR}


def run(options: Options) -> Iterator[Row]:
    """Measure each size with a time to live of 7 days and with none, and one with entities drawn by cube."""
    sizes = SIZES[options.quick]
    asked = [(*size, ttl, "") for size, ttl in product(sizes, (WEEK, None))]
    asked += [(*sizes[len(sizes) // 2], ttl, " by cube") for ttl in (WEEK, None)]
    for spine_rows, rows, ttl, drawn in asked:
        case = f"{short(spine_rows)} x {short(rows)}{drawn}, {'TTL 7 d' if ttl else 'no TTL'}"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        entities = Entities(ENTITIES, power=3 if drawn else 2)
        workload = join(options.data, spine_rows, rows, ttl_seconds=ttl, entities=entities)
        with race(entrants(workload), options) as done:
            yield Row(bench=NAME, case=case, figures=done.figures(), claims=CLAIMS.get(case, ()))


def join(
    folder: Path,
    spine_rows: int,
    rows: int,
    *,
    ttl_seconds: int | None,
    entities: Entities | None = None,
    asked: Entities | None = None,
) -> Workload:
    """Return the join of a spine with the views; ``asked`` are the spine's entities, if others."""
    entities = entities or Entities(ENTITIES)
    spine = spine_table(folder, spine_rows, asked or entities)
    return Workload(
        spine=str(spine.resolve()),
        views=tuple(
            View(
                name=f"view{number}",
                path=str(feature_table(folder, number, rows, entities).resolve()),
                keys=("entity_id",),
                features=features(number),
                ttl_seconds=ttl_seconds,
            )
            for number in range(VIEWS)
        ),
    )


def short(rows: int) -> str:
    """Return a round number as people write it: 100k, 10M."""
    return f"{rows // 1_000_000}M" if rows >= 1_000_000 else f"{rows // 1000}k"


BENCHMARK = Benchmark(
    name=NAME,
    claim="spines of 100k to 10M rows x 3 views of 1M to 50M rows: within 2.2 times the floor",
    run=run,
)
