"""Publishing to a catalog of 200,000 datasets: how many versions a second, by one and by twenty at once.

Every version is of a dataset that has versions already, as pipelines publish them: with its lineage,
its history, its place in search and its audit event, in one transaction. Three in ten datasets say how
fresh they have to be, so that a version moves them in search, too. The floor is a transaction that
writes one row under the same lock.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import Engine, insert, select, update

from benchmarks import catalog_data, catalog_databases
from benchmarks.catalog_search import fill
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import CounterRow, DatasetRow, OwnerRow, PersonRow, VersionRow
from provender.core.datasets import DatasetVersion, Manifest
from provender.core.people import Person

NAME = "catalog_publish"
ASSETS = (200_000, 10_000)
PUBLISHED = (3_000, 400)
DATASETS = 300
"""How many of them are published to, in turn."""
AT_ONCE = 20
TEAM, ACTOR = "team:t0", "person:bench"
TARGET = Claim("at least 200 versions a second", "value", 200, at_least=True)


@dataclass(frozen=True, slots=True)
class Timed:
    """How long many calls took: each on the clock, and all of them in this process's CPU."""

    walls: list[float]
    seconds: float
    cpu: float

    def figure(self, name: str) -> Figure:
        """Return how many a second there were."""
        rate = len(self.walls) / self.seconds
        return Figure(name=name, value=round(rate, 1), cpu_seconds=round(self.cpu, 2))

    def part(self, share: float) -> float:
        """Return the milliseconds that so large a share of the calls did not take longer than."""
        return round(sorted(self.walls)[min(len(self.walls) - 1, int(len(self.walls) * share))], 2)


def run(options: Options) -> Iterator[Row]:
    """Measure both databases."""
    for kind in catalog_databases.KINDS:
        case = f"{ASSETS[options.quick]:,} assets, {kind}"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        with ExitStack() as stack:
            size = ASSETS[options.quick]
            url = stack.enter_context(
                catalog_databases.filled(
                    kind,
                    options,
                    f"catalog-{size}",
                    lambda url, size=size: fill(url, size, options.say),
                )
            )
            if url is not None:
                yield from _measured(url, case, options)


def _measured(url: str, case: str, options: Options) -> Iterator[Row]:
    engine = open_database(url)
    try:
        latest = _mine(engine)
        clock = _clock()
        with LocalCatalog(url, actor=ACTOR, clock=clock) as catalog:
            numbers = count(1)

            def publish() -> None:
                number = next(numbers)
                version = latest[number % len(latest)]
                catalog.publish(version.ref.at(None), _next(version.manifest, number))

            timed(publish, 2 * len(latest))  # the first makes lineage, from then on it moves
            for threads in (1, AT_ONCE):
                times = PUBLISHED[options.quick]
                yield _row(
                    f"{case}, {threads} at once",
                    timed(publish, times, threads=threads),
                    timed(lambda: _floor(engine), times, threads=threads),
                )
    finally:
        engine.dispose()


def timed(work: Callable[[], Any], times: int, *, threads: int = 1) -> Timed:
    """Return how long ``work`` took, done so many times by so many threads."""

    def one(_: int) -> float:
        began = time.perf_counter()
        work()
        return (time.perf_counter() - began) * 1000

    began, cpu = time.perf_counter(), time.process_time()
    if threads == 1:
        walls = [one(at) for at in range(times)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            walls = list(pool.map(one, range(times)))
    return Timed(walls, time.perf_counter() - began, time.process_time() - cpu)


def _row(case: str, ours: Timed, floor: Timed) -> Row:
    return Row(
        bench=NAME,
        case=case,
        unit="versions/s",
        figures=(ours.figure("ours"), floor.figure("floor")),
        claims=(TARGET,),
        seen={
            "p50, p95 and worst, ms": [ours.part(share) for share in (0.5, 0.95, 1)],
            "CPU a version, ms": round(ours.cpu / len(ours.walls) * 1000, 2),
            "floor p50, ms": floor.part(0.5),
            "load": round(os.getloadavg()[0], 1),
        },
    )


def _mine(engine: Engine) -> list[DatasetVersion]:
    """The latest versions of datasets of one team, of which the actor is."""
    person = Person(id=ACTOR, teams=(TEAM,))
    with transaction(engine, write=True) as db:
        db.execute(insert(PersonRow), [{"id": person.id, "value": person}])
        wanted = (
            select(VersionRow.value)
            .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
            .join(OwnerRow, OwnerRow.dataset == DatasetRow.id)
            .where(OwnerRow.actor == TEAM, VersionRow.state == "published")
        )
        return list(db.scalars(wanted.order_by(DatasetRow.id).limit(DATASETS)))


def _next(manifest: Manifest, number: int) -> Manifest:
    """Other rows of the same schema, a moment later."""
    events = manifest.event_range
    later = events and replace(events, latest=events.latest + timedelta(seconds=number))
    return replace(
        manifest,
        location=f"{manifest.location}-{number}",
        logical_digest=f"sha256:again-{number}",
        event_range=later,
    )


def _clock() -> Callable[[], Any]:
    ticks = count(1)
    return lambda: catalog_data.NOW + timedelta(milliseconds=next(ticks))


def _floor(engine: Engine) -> None:
    with transaction(engine, write=True) as db:
        touched = update(CounterRow).where(CounterRow.name == "history")
        db.connection().execute(touched.values(value=CounterRow.value + 1))


BENCHMARK = Benchmark(
    name=NAME,
    claim="publishing to a catalog of 200,000 datasets: at least 200 versions a second",
    run=run,
)
