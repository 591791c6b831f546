"""Online lookups in process: ours, Feast's and redis-py's in turns, against a raw MGET parsed by hiredis."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.caller import KINDS, Caller, calling
from benchmarks.online_data import MIXED, Population, save
from benchmarks.online_http import Stage, staged
from benchmarks.race import ROOT, environment
from benchmarks.results import Benchmark, Claim, Figure, Options, Row, middle

NAME = "online_inprocess"
VIEWS = 25
SIZES = (10, 100)
ENTITIES = (1_000, 200)
TURN_SECONDS = (3.0, 0.4)
OVER_FLOOR, TIMES_FEAST = 1.25, 30
CLAIMS = (
    Claim(f"p50 at most {OVER_FLOOR} times the floor's", "ours_over_floor", OVER_FLOOR),
    Claim(f"Feast's p50 is at least {TIMES_FEAST} times ours", "feast_over_ours", TIMES_FEAST,
          at_least=True),
    Claim("no cell unlike Feast's", "feast_differing", 0),
)  # fmt: skip


@dataclass(slots=True)
class Calls:
    """What a contender's turns saw."""

    turns: list[dict[str, float]] = field(default_factory=list)
    differing: int | None = None

    def figure(self, name: str, *, unit_us: float = 1.0) -> Figure:
        """Return the median p50, in units of ``unit_us`` microseconds."""
        p50s = [turn["p50_us"] / unit_us for turn in self.turns]
        return Figure(
            name=name,
            value=middle(p50s),
            cpu_seconds=middle(turn["cpu_seconds"] for turn in self.turns),
            peak_mb=round(max(turn["peak_mb"] for turn in self.turns), 1),
            differing=self.differing,
            runs=tuple(round(p50, 4) for p50 in p50s),
        )

    def told(self) -> str:
        """Return the p99, and what a call takes of the client's processor, which a busy machine leaves alone."""
        p99 = middle(turn["p99_us"] for turn in self.turns)
        cpu = middle(turn["cpu_seconds"] / turn["calls"] * 1e6 for turn in self.turns)
        return f"p99 {p99:,.0f} µs, CPU {cpu:,.0f} µs a call"


def run(options: Options) -> Iterator[Row]:
    """Measure each number of entities."""
    sizes = [size for size in SIZES if options.wants(_case(size))]
    if not sizes:
        return
    population = Population(VIEWS, MIXED, ENTITIES[options.quick], services=(VIEWS,))
    with staged(options, population) as stage, ExitStack() as stack:
        callers = start(options, stage, stack)
        for size in sizes:
            options.say(f"{NAME}: {_case(size)}")
            calls = alternate(options, population, callers, VIEWS, size)
            yield Row(
                bench=NAME,
                case=_case(size),
                figures=tuple(one.figure(name) for name, one in calls.items()),
                unit="µs",
                claims=CLAIMS,
                seen={name: one.told() for name, one in calls.items()},
            )


def start(options: Options, stage: Stage, stack: ExitStack) -> list[Caller]:
    """Start a process for each contender that is asked for."""
    folder = stage.folder / "feast"
    folder.mkdir(exist_ok=True)
    save(stage.population, folder)
    kinds = [
        kind
        for kind in KINDS
        if not options.contenders or kind.partition(",")[0] in options.contenders
    ]
    seen = environment(str(stage.folder))
    return [
        stack.enter_context(calling(kind, folder, stage.store_port, cwd=ROOT, env=seen))
        for kind in kinds
    ]


def alternate(
    options: Options, population: Population, callers: list[Caller], views: int, size: int
) -> dict[str, Calls]:
    """Check each contender's values, then let them have their turns.

    Raises:
        SystemExit: a value is not the right one.
    """
    right = population.values(views, population.draws(size, 1)[0])
    calls = {caller.kind: Calls() for caller in callers}
    for caller in callers:
        if found := caller.values(views, size):
            calls[caller.kind].differing = unlike = _cells_unlike(found, right)
            if unlike:
                raise SystemExit(f"{unlike} cells of {caller.kind} are wrong")
    for number in range(options.rounds()):
        for caller in callers:
            turn = caller.time(views, size, TURN_SECONDS[options.quick])
            calls[caller.kind].turns.append(turn)
            options.say(
                f"  run {number + 1} of {options.rounds()}, {caller.kind}: "
                f"p50 {turn['p50_us']:,.0f} µs of {turn['calls']:,.0f} calls"
            )
    return calls


def _cells_unlike(found: dict[str, list[object]], right: dict[str, list[object]]) -> int:
    if found == right:
        return 0
    return sum(
        one != other
        for name, column in right.items()
        for one, other in zip(found.get(name, [None] * len(column)), column, strict=True)
    ) + sum(len(column) for name, column in found.items() if name not in right)


def _case(size: int) -> str:
    return f"{VIEWS} views x {size} entities, p50"


BENCHMARK = Benchmark(
    name=NAME,
    claim="25 views x 10 features in process: p50 at most 1.25 times a raw MGET, a 30th of Feast's",
    run=run,
)
