"""W2: the lookups of Feast's page on Redis, in process: 50 entities x 1 to 20 views of 3 features."""

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import online_inprocess
from benchmarks.online_data import Population
from benchmarks.online_http import staged
from benchmarks.results import Benchmark, Claim, Options, Row

NAME = "online_w2"
PUBLISHED_MS = {1: 1.32, 5: 5.63, 10: 10.65, 20: 21.21}
"""By views. Source: Feast's documentation, "Redis", on a machine that it does not name."""
KINDS = ("float64", "int64", "string")
SIZE = 50
ENTITIES = (1_000, 200)
CLAIMS = (Claim("no cell unlike Feast's", "feast_differing", 0),)
US_PER_MS = 1000.0


def run(options: Options) -> Iterator[Row]:
    """Measure each number of views."""
    wanted = [views for views in PUBLISHED_MS if options.wants(_case(views))]
    if not wanted:
        return
    population = Population(
        max(PUBLISHED_MS), KINDS, ENTITIES[options.quick], services=tuple(PUBLISHED_MS)
    )
    with staged(options, population) as stage, ExitStack() as stack:
        callers = online_inprocess.start(options, stage, stack)
        for views in wanted:
            options.say(f"{NAME}: {_case(views)}")
            calls = online_inprocess.alternate(options, population, callers, views, SIZE)
            yield Row(
                bench=NAME,
                case=_case(views),
                figures=tuple(one.figure(name, unit_us=US_PER_MS) for name, one in calls.items()),
                unit="ms",
                claims=CLAIMS,
                seen={"published by Feast, on another machine": f"{PUBLISHED_MS[views]} ms"},
            )


def _case(views: int) -> str:
    return f"{SIZE} entities x {views} views x {len(KINDS)} features, p50"


BENCHMARK = Benchmark(
    name=NAME,
    claim="Feast's page on Redis: 50 entities x 1 to 20 views x 3 features, in process",
    run=run,
)
