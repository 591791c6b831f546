"""W1: the shapes of Feast's own benchmark over HTTP: 50 to 250 whole-number features, 1 to 100 entities.

One connection that asks again when it has its answer. Their figures are of 16 servers with 16
cores each, so they stand beside ours and are not divided by them.
"""

from collections.abc import Iterator

from benchmarks.online_data import Population
from benchmarks.online_http import alternate, chosen, figures, pace, staged
from benchmarks.results import Benchmark, Claim, Options, Row

NAME = "online_w1"
KINDS = ("int64",) * 10
VIEWS = ((5, 10, 15, 20, 25), (5, 25))
SIZES = ((1, 10, 100), (1, 100))
ENTITIES = (1_000, 200)
REQUESTS = (40, 5)
PUBLISHED = {
    (5, 1): "Python 15 ms, Go 4.3 ms, Java (gRPC) 0.8 ms",
    (5, 100): "Python 163 ms, Go 22 ms, Java (gRPC) 17 ms",
}
"""p99 by views and entities. Source: Feast's benchmark of its feature servers, 50 features."""
CLAIMS = (
    Claim("Feast's p99 is above ours", "feast_over_ours", 1, at_least=True),
    Claim("no cell unlike Feast's", "feast_differing", 0),
)


def run(options: Options) -> Iterator[Row]:
    """Measure each number of features with each number of entities."""
    small = options.quick
    shapes = [(views, size) for views in VIEWS[small] for size in SIZES[small]]
    shapes = [shape for shape in shapes if options.wants(_case(shape))]
    if not shapes:
        return
    population = Population(max(VIEWS[small]), KINDS, ENTITIES[small], services=VIEWS[small])
    with staged(options, population) as stage:
        servers = stage.start(chosen(options))
        for shape in shapes:
            options.say(f"{NAME}: {_case(shape)}")
            slow = pace(options, connections=1, requests=REQUESTS[small])
            turns = alternate(options, stage, servers, shape, slow)
            published = PUBLISHED.get(shape)
            yield Row(
                bench=NAME,
                case=_case(shape),
                figures=figures(turns, "p99_ms"),
                unit="ms",
                claims=CLAIMS,
                seen={"published by Feast, on 16 servers": published} if published else {},
            )


def _case(shape: tuple[int, int]) -> str:
    return f"{shape[0] * len(KINDS)} features x {shape[1]} entities, p99"


BENCHMARK = Benchmark(
    name=NAME,
    claim="the shapes of Feast's own benchmark: 50 to 250 features, 1 to 100 entities, p99",
    run=run,
)
