"""Finding at scale: words, half a word, facets, lists and the past, in a catalog of 200,000 datasets.

Each has 4–14 columns and up to 4 tags; one domain in ten is hidden from who asks, so that scopes
are at work. Questions are whole names, halves of names, common words and rare ones. The floor is a
transaction that asks nothing. Wall times are judged; on a busy machine look at those of the
processor beside them, which are of this process alone. The cases ask the same questions one after the
other: words that hundreds of documents hold are remembered for a minute.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from sqlalchemy import text

from benchmarks import catalog_databases
from benchmarks.catalog_data import COMMON, NOW, PROJECTS, generate, load, projects
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from provender.catalog.db import open_database, transaction
from provender.catalog.finder import LocalFinder
from provender.catalog.local import LocalCatalog
from provender.core.finding import Question
from provender.core.governance import Domain, Governance
from provender.core.people import Person
from provender.core.policy import Action, Rule

NAME = "catalog_search"
ASSETS = (200_000, 10_000)
QUESTIONS, WARM = (400, 60), 10
HIDDEN = 10
LIMIT = 20
MOST_MS: dict[str, float] = {
    "search": 25.0,
    "typing": 25.0,
    "facets": 50.0,
    "browse": 50.0,
    "list": 50.0,
}
Ask = Callable[[LocalFinder, str], Any]
CASES: Mapping[str, Ask] = {
    "search": lambda finder, asked: finder.search(Question(text=asked), limit=LIMIT),
    "typing": lambda finder, asked: finder.suggest(asked[: max(3, len(asked) - 2)]),
    "facets": lambda finder, asked: finder.facets(Question(text=asked)),
    "browse": lambda finder, _: finder.facets(Question()),
    "list": lambda finder, asked: finder.entries({}, limit=50, after=asked.replace(" ", "_")),
    "as of": lambda finder, asked: finder.search(
        Question(text=asked, as_of=NOW - timedelta(seconds=1)), limit=LIMIT
    ),
}
"""What is measured of a finder for each question. Pages are measured beside, through the application."""


def run(options: Options) -> Iterator[Row]:
    """Measure every case on both databases."""
    for kind in catalog_databases.KINDS:
        wanted = {c: f"{c}, p95, {kind}" for c in CASES if options.wants(f"{c}, p95, {kind}")}
        if not wanted:
            continue
        size = ASSETS[options.quick]
        with catalog_databases.filled(
            kind, options, f"catalog-{size}", lambda url, size=size: fill(url, size, options.say)
        ) as url:
            if url is None:
                continue
            asked = questions(size)
            with (
                LocalCatalog(url, actor="person:ana", clock=lambda: NOW) as catalog,
                catalog_databases.as_served(),
            ):
                for name, case in wanted.items():
                    options.say(f"{NAME}: {case}")
                    yield _measured(catalog, name, case, asked, options)


def fill(url: str, assets: int, say: Callable[[str], None]) -> None:
    """Write ``assets`` datasets, and projects over some of them, into an empty catalog."""
    began = time.perf_counter()
    domains: dict[str, None] = dict.fromkeys(m.dataset.ref.domain for m in generate(2_000))
    hidden = set(list(domains)[::HIDDEN])
    govern(url, sorted(set(domains) - hidden), before=NOW - timedelta(days=1))
    engine = catalog_databases.for_many(url)
    load(engine, generate(assets), now=NOW - timedelta(hours=1))
    engine.dispose()
    say(f"  {assets:,} datasets in {time.perf_counter() - began:.0f} s")
    apply(url)
    engine = open_database(url)
    with transaction(engine, write=True) as db:
        db.execute(text("ANALYZE"))
    engine.dispose()
    say(f"  and {PROJECTS} projects in {time.perf_counter() - began:.0f} s")


def apply(url: str) -> None:
    """Apply projects over datasets of the catalog that their owners let a developer use."""
    some = [one for one in islice(generate(2_000), 0, None, 7) if one.has_version]
    with LocalCatalog(url, actor="person:dev", clock=lambda: NOW - timedelta(hours=1)) as catalog:
        for one in some:
            owner = catalog.as_actor(one.dataset.owner)
            owner.records.grant(one.dataset.ref, grantee=catalog.actor.id, action=Action.DEFINE)
        for repo in projects([(one.dataset.ref, one.columns) for one in some]):
            catalog.record(repo)


def questions(assets: int) -> list[str]:
    """Return questions about a catalog of so many datasets, the same each time."""
    dice = random.Random(99)  # noqa: S311 - the same questions each time
    names = [one.dataset.ref.name for one in islice(generate(assets), 0, None, 97)]
    return [_question(dice, names) for _ in range(max(QUESTIONS) + WARM)]


def govern(url: str, open_domains: list[str], *, before: Any) -> None:
    """Let everybody discover these domains, and nobody the others."""
    rules = (
        Rule(id="govern", actors=("person:gov",), actions=(Action.GOVERN,)),
        *(
            Rule(
                id=f"known-{domain.replace('_', '-')}",
                actors=("anyone",),
                actions=(Action.DISCOVER,),
                datasets=(f"{domain}.*",),
            )
            for domain in open_domains
        ),
    )
    people = (Person(id="person:gov"), Person(id="person:dev"))
    said = Governance(domains=(Domain(name="all"),), people=people, rules=rules)
    with LocalCatalog(url, actor="person:gov", clock=lambda: before) as catalog:
        catalog.desk.apply(said)


def _question(dice: random.Random, names: list[str]) -> str:
    words = dice.choice(names).split("_")
    match dice.random():
        case part if part < 0.35:
            return " ".join(words)
        case part if part < 0.6:
            return " ".join(words[:2])
        case part if part < 0.85:
            return " ".join(dice.sample(COMMON.split(), dice.randint(1, 3)))
        case _:
            return " ".join(dice.choice(dice.choice(names).split("_")) for _ in range(3))


def _measured(
    catalog: LocalCatalog, name: str, case: str, asked: list[str], options: Options
) -> Row:
    walls: list[float] = []
    cpu: list[float] = []
    floor: list[float] = []
    for question in asked[: QUESTIONS[options.quick] + WARM]:
        began, spent = time.perf_counter(), time.process_time()
        CASES[name](catalog.finder, question)
        walls.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - spent) * 1000)
        began = time.perf_counter()
        catalog.finder.changes(after=10**9)
        floor.append((time.perf_counter() - began) * 1000)
    most = MOST_MS.get(name)
    claims = () if most is None else (Claim(f"p95 at most {most:g} ms", "value", most),)
    return Row(
        bench=NAME,
        case=case,
        unit="ms",
        figures=(
            figure(walls, cpu),
            Figure(name="floor", value=part(floor, 0.95)),
        ),
        claims=claims,
        seen={
            **spread(walls, cpu),
            "datasets": ASSETS[options.quick],
        },
    )


def figure(walls: list[float], cpu: list[float]) -> Figure:
    """Return the figure of what took those times, in milliseconds."""
    return Figure(name="ours", value=part(walls, 0.95), cpu_seconds=round(sum(cpu) / 1000, 2))


def spread(walls: list[float], cpu: list[float]) -> dict[str, object]:
    """Return how the times lie, and how busy the machine was."""
    return {
        "p50 and worst, ms": [part(walls, 0.5), part(walls, 1)],
        "processor here, p50 and p95, ms": [part(cpu, 0.5), part(cpu, 0.95)],
        "load": round(os.getloadavg()[0], 1),
    }


def part(times: list[float], share: float) -> float:
    """Return what so large a share of the times, without the first few, does not exceed."""
    ordered = sorted(times[WARM:])
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)


BENCHMARK = Benchmark(
    name=NAME,
    claim="200,000 datasets: search p95 at most 25 ms, facets and lists at most 50 ms",
    run=run,
)
