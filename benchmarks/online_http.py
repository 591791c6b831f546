"""Online lookups over HTTP: our server and Feast's in turns over one Valkey, the null server beside them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import serverbench
from benchmarks.load import Order
from benchmarks.online_data import MIXED, Population, write_ours
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from benchmarks.serverbench import Server, Turns, turn

NAME = "online_http"
TIMES_FEAST = {(1, 1): 20, (5, 10): 40, (25, 1): 50, (25, 10): 40}
"""Views x entities, and how many times Feast's requests per second we claim."""
P99_SHAPE, P99_TIMES = (5, 10), 40
WORKERS, WORKERS_SHAPE, WORKERS_TIMES = 2, (5, 10), 1.1
CONNECTIONS = 16
REQUESTS = (100, 20)
ENTITIES = (1_000, 200)
TURN_SECONDS = (4.0, 1.0)
WARM_UP_SECONDS = (2.0, 0.5)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a turn is run: connections, different requests, seconds, seconds of warming up."""

    connections: int
    requests: int
    seconds: float
    warm_up: float


@dataclass(slots=True)
class Stage:
    """A filled store, the population in it, and the servers that stand before it."""

    folder: Path
    population: Population
    store_port: int
    stack: ExitStack
    servers: list[Server] = field(default_factory=list)

    def start(self, names: Sequence[str], *, workers: int = 1) -> list[Server]:
        """Start those of ``names`` that are ours or Feast's."""
        started = []
        if "ours" in names:
            one = serverbench.ours(self.folder, self.store_port, workers=workers)
            started.append(self.stack.enter_context(one))
        if "feast" in names:
            one = serverbench.feast(self.folder / "feast", workers=workers)
            started.append(self.stack.enter_context(one))
        return started


def run(options: Options) -> Iterator[Row]:
    """Measure each shape, then the tail of one of them, then two workers."""
    shapes = [shape for shape in TIMES_FEAST if options.wants(_case(shape))]
    workers = options.wants(_workers_case())
    if not shapes and not workers:
        return
    population = Population(
        views=25, kinds=MIXED, entities=ENTITIES[options.quick], services=(1, 5, 25)
    )
    with staged(options, population) as stage:
        one_each = stage.start(chosen(options))
        for shape in shapes:
            yield from _measure(options, stage, one_each, shape)
        if workers:
            yield _two_workers(options, stage, one_each)


def chosen(options: Options) -> tuple[str, ...]:
    """Return the contenders that are asked for."""
    return options.contenders or ("ours", "feast", "null")


class staged:  # noqa: N801 - used as a function
    """A Valkey that holds ``population`` in our layout and, if Feast takes part, in Feast's."""

    def __init__(self, options: Options, population: Population) -> None:
        self._options = options
        self._population = population
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        try:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="online-")))
            port = self._stack.enter_context(serverbench.valkey(folder / "store"))
            self._options.say("  writing the rows")
            write_ours(self._population, serverbench.url_of(port))
            if "feast" in chosen(self._options):
                serverbench.fill_feast(self._population, folder / "feast", port)
            return Stage(folder, self._population, port, self._stack)
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, *failure: object) -> None:
        self._stack.close()


def pace(options: Options, *, connections: int = CONNECTIONS, requests: int = 0) -> Pace:
    """Return how turns are run; ``requests`` of 0 are as many as the sizes say."""
    small = options.quick
    count = requests or REQUESTS[small]
    return Pace(connections, count, TURN_SECONDS[small], WARM_UP_SECONDS[small])


def order_of(population: Population, shape: tuple[int, int], server: Server, pace: Pace) -> Order:
    """Return the load of one turn on ``server``: requests of ``shape``, views x entities."""
    views, entities = shape
    draws = population.draws(entities, pace.requests)
    expected = [population.answer(views, drawn) for drawn in draws]
    if server.name == "null":  # it answers all as if the first had been asked
        expected = expected[:1] * len(draws)
    return Order(
        address=server.address,
        path=serverbench.PATH,
        bodies=[population.request(views, drawn) for drawn in draws],
        expected=expected,
        connections=pace.connections,
        seconds=pace.seconds,
    )


def alternate(
    options: Options, stage: Stage, servers: Sequence[Server], shape: tuple[int, int], pace: Pace
) -> dict[str, Turns]:
    """Check every answer of every server, warm all up, then let them have their turns.

    Raises:
        SystemExit: an answer is not the right one.
    """
    orders = {one.name: order_of(stage.population, shape, one, pace) for one in servers}
    turns = {one.name: Turns() for one in servers}
    for one in servers:
        if one.name != "null":
            turns[one.name].differing = unlike = serverbench.differing(one, orders[one.name])
            if unlike:
                raise SystemExit(f"{unlike} cells of {one.name} are wrong")
        warm_up = replace(orders[one.name], seconds=pace.warm_up)
        turn(one, warm_up, Turns(), stage.folder)
    for number in range(options.rounds()):
        for one in servers:
            load = turn(one, orders[one.name], turns[one.name], stage.folder)
            options.say(
                f"  run {number + 1} of {options.rounds()}, {one.name}: "
                f"{load.rate:,.0f} req/s, p99 {load.p99_ms:.2f} ms"
            )
    return turns


def _measure(
    options: Options, stage: Stage, servers: Sequence[Server], shape: tuple[int, int]
) -> Iterator[Row]:
    case = _case(shape)
    options.say(f"{NAME}: {case}")
    with ExitStack() as stack:
        field = [*servers]
        if "null" in chosen(options):
            drawn = stage.population.draws(shape[1], 1)[0]
            answer = stage.population.wire_answer(shape[0], drawn)
            field.append(stack.enter_context(serverbench.null(stage.folder, answer)))
        turns = alternate(options, stage, field, shape, pace(options))
    yield Row(
        bench=NAME,
        case=case,
        figures=figures(turns, "rate"),
        floor="null",
        unit="req/s",
        lower_is_better=False,
        claims=(
            _times(f"{TIMES_FEAST[shape]} times Feast's requests per second", TIMES_FEAST[shape]),
            Claim("no cell unlike Feast's", "feast_differing", 0),
        ),
        seen=seen_of(turns),
    )
    if shape == P99_SHAPE:
        yield Row(
            bench=NAME,
            case=f"{case}, p99",
            figures=figures(turns, "p99_ms"),
            floor="null",
            unit="ms",
            claims=(_times(f"Feast's p99 is at least {P99_TIMES} times ours", P99_TIMES),),
        )


def _two_workers(options: Options, stage: Stage, one_each: Sequence[Server]) -> Row:
    options.say(f"{NAME}: {_workers_case()}")
    servers = [*one_each, *stage.start(chosen(options), workers=WORKERS)]
    turns = alternate(options, stage, servers, WORKERS_SHAPE, pace(options))
    scales = Claim(
        f"two workers answer at least {WORKERS_TIMES} times as many",
        "ours_over_ours", WORKERS_TIMES, at_least=True,
    )  # fmt: skip
    return Row(
        bench=NAME,
        case=_workers_case(),
        figures=figures(turns, "rate"),
        ours=f"ours, {WORKERS} workers",
        peer=f"feast, {WORKERS} workers",
        floor="ours",
        unit="req/s",
        lower_is_better=False,
        claims=(scales,),
        seen=seen_of(turns),
    )


def figures(turns: dict[str, Turns], measure: str) -> tuple[Figure, ...]:
    """Return one figure per server."""
    return tuple(one.figure(name, measure) for name, one in turns.items())


def seen_of(turns: dict[str, Turns]) -> dict[str, str]:
    """Return the latencies of each server, and its answers per second of processors."""
    latencies = {
        f"{name}, p50 / p95 / p99": " / ".join(
            f"{one.middle(measure):.2f}" for measure in ("p50_ms", "p95_ms", "p99_ms")
        )
        + f" ms; {one.per_cpu_second():,.0f} answers per CPU second"
        for name, one in turns.items()
    }
    return latencies | {"load": f"{CONNECTIONS} connections; {serverbench.LOAD_GENERATOR}"}


def _times(says: str, limit: float) -> Claim:
    return Claim(says, "feast_over_ours", limit, at_least=True)


def _case(shape: tuple[int, int]) -> str:
    return f"{shape[0]} views x {shape[1]} entities"


def _workers_case() -> str:
    return f"{_case(WORKERS_SHAPE)}, two workers"


BENCHMARK = Benchmark(
    name=NAME,
    claim="POST /get-online-features: 20 to 50 times Feast's requests per second, p99 a 40th",
    run=run,
)
