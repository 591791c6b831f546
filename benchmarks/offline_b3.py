"""B3: a spine of 10k rows against 50M rows per view, as they came and optimised.

``segment`` asks for entities of one stretch of a hundredth, ``random`` for entities spread over
all. Ours reads governed datasets; the peers and the floor read the same rows from unsorted files.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import lake
from benchmarks.offline_b1 import ENTITIES, WEEK, join, short
from benchmarks.race import Entrant, entrants, race
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from benchmarks.tables import Entities
from benchmarks.workload import Workload

NAME = "offline_b3"
SIZES = ((10_000, 50_000_000), (2_000, 60_000))
ASKED = {
    "segment": Entities(ENTITIES, power=1, segment=(0.4, 0.41)),
    "random": Entities(ENTITIES, power=1),
}
AS_IS, OPTIMISED = "ours, as it came", "ours, optimised"
PEERS = ("feast", "polars", "floor")
CLAIMS = {
    "segment": Claim("at least 8 times below the unsorted floor", "ours_over_floor", 1 / 8),
    "random": Claim("no more than the unsorted floor", "ours_over_floor", 1.0),
}


def run(options: Options) -> Iterator[Row]:
    """Measure the kinds of spines; two rows each, one per state of our dataset."""
    spine_rows, rows = SIZES[options.quick]
    for kind, asked in ASKED.items():
        case = f"{kind}: {short(spine_rows)} x {short(rows)}"
        if not options.wants(f"{case}, as it came, optimised"):
            continue
        options.say(f"{NAME}: {case}")
        files = join(options.data, spine_rows, rows, ttl_seconds=WEEK, asked=asked)
        governed = _governed(files, options.data.resolve() / f"home-{rows}")
        field = [Entrant(AS_IS, "ours", governed)]
        missing = _optimised(governed)
        if not missing:
            field.append(Entrant(OPTIMISED, "ours", _pinned(governed, lake.OPTIMISED)))
        with race([*field, *entrants(files, PEERS)], options) as done:
            figures = done.figures()
        if missing:
            figures = (figures[0], Figure(name=OPTIMISED, ended=f"failed: {missing}"), *figures[1:])
        yield _row(f"{case}, as it came", figures, AS_IS)
        yield _row(f"{case}, optimised", figures, OPTIMISED, CLAIMS[kind])


def _governed(files: Workload, home: Path) -> Workload:
    names = lake.publish(home, {view.name: Path(view.path) for view in files.views})
    views = tuple(replace(view, dataset=names[view.name]) for view in files.views)
    return _pinned(replace(files, views=views, home=str(home)), lake.AS_IS)


def _pinned(governed: Workload, version: int) -> Workload:
    return replace(governed, pins=tuple((view.dataset, version) for view in governed.views))


def _optimised(governed: Workload) -> str:
    """Optimise the datasets; return why that cannot be, or nothing."""
    names = [view.dataset for view in governed.views]
    try:
        lake.optimise(Path(governed.home), names, governed.views[0].keys)
    except SystemExit as missing:
        return str(missing)
    return ""


def _row(case: str, figures: tuple[Figure, ...], ours: str, *claims: Claim) -> Row:
    other = {AS_IS: OPTIMISED, OPTIMISED: AS_IS}[ours]
    shown = tuple(figure for figure in figures if figure.name != other)
    return Row(bench=NAME, case=case, figures=shown, ours=ours, claims=claims)


BENCHMARK = Benchmark(
    name=NAME,
    claim="10k rows against 50M: optimised, a segment 8 times below the scan floor",
    run=run,
)
