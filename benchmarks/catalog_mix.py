"""Many at once: 20 workers of whom four in five actions read and one writes, without an error.

Who reads searches, suggests, counts facets, lists and looks at a dataset; who writes publishes a
version or edits a description. W10's sizes are cases: 10k, 100k and 500k datasets.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import catalog_databases
from benchmarks.catalog_data import NOW
from benchmarks.catalog_search import fill, part, questions
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from provender.catalog.local import LocalCatalog
from provender.core.datasets import FileEntry, Manifest
from provender.core.editing import Edit
from provender.core.finding import Question
from provender.core.names import DatasetRef

NAME = "catalog_mix"
SIZES = (10_000, 100_000, 500_000)
WORKERS = 20
SECONDS = (30.0, 5.0)
WRITES = 0.2


@dataclass
class Seen:
    """What workers saw, together."""

    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def run(options: Options) -> Iterator[Row]:
    """Measure each size on both databases; only the smallest with ``quick``."""
    for size in SIZES[:1] if options.quick else SIZES:
        for kind in catalog_databases.KINDS:
            case = f"{size // 1000}k, {kind}"
            if not options.wants(case):
                continue
            options.say(f"{NAME}: {case}")
            with catalog_databases.filled(
                kind,
                options,
                f"catalog-{size}",
                lambda url, size=size: fill(url, size, options.say),
            ) as url:
                if url is not None:
                    yield _measured(url, case, questions(size), options)


def _measured(url: str, case: str, asked: list[str], options: Options) -> Row:
    seen, seconds = Seen(), SECONDS[options.quick]
    ends = time.monotonic() + seconds
    with LocalCatalog(url, actor="person:gov", clock=lambda: NOW) as catalog:
        names = [s.name for s in catalog.finder.entries({}, limit=200).items]
        workers = [
            threading.Thread(target=_work, args=(catalog, names, asked, ends, number, seen))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return Row(
        bench=NAME,
        case=case,
        unit="ms",
        figures=(
            Figure(name="ours", value=part(seen.reads, 0.95)),
            Figure(name="errors", value=float(seen.errors.total())),
        ),
        peer="errors",
        claims=(Claim("no action fails", "errors_over_ours", 0),),
        seen={
            "actions a second": round((len(seen.reads) + len(seen.writes)) / seconds, 1),
            "reads and writes": [len(seen.reads), len(seen.writes)],
            "writes, p50 and p95, ms": [part(seen.writes, 0.5), part(seen.writes, 0.95)],
            "errors": dict(seen.errors),
            "load": round(os.getloadavg()[0], 1),
        },
    )


def _work(
    catalog: LocalCatalog, names: list[str], asked: list[str], ends: float, number: int, seen: Seen
) -> None:
    dice = random.Random(number)  # noqa: S311 - the same work each time
    while time.monotonic() < ends:
        writes = dice.random() < WRITES
        began = time.perf_counter()
        try:
            if writes:
                _write(catalog, dice, names, number)
            else:
                _read(catalog, dice, names, asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            seen.errors[f"{type(error).__name__}: {error}"[:120]] += 1
        took = (time.perf_counter() - began) * 1000
        (seen.writes if writes else seen.reads).append(took)


def _read(catalog: LocalCatalog, dice: random.Random, names: list[str], asked: list[str]) -> None:
    finder, question = catalog.finder, dice.choice(asked)
    match dice.randrange(5):
        case 0 | 1:
            finder.search(Question(text=question))
        case 2:
            finder.suggest(question[:5])
        case 3:
            finder.facets(Question(text=question))
        case _:
            finder.entry(DatasetRef.parse(dice.choice(names)))


def _write(catalog: LocalCatalog, dice: random.Random, names: list[str], number: int) -> None:
    """A version of a dataset, or another description of it; by its owner."""
    ref = DatasetRef.parse(dice.choice(names))
    dataset = catalog.dataset(ref)
    owner = catalog.as_actor(dataset.owner)
    latest = catalog.resolve(ref)
    if dice.random() < 0.5:
        said = f"{dataset.description} {number} {dice.randrange(10**6)}"[-400:]
        owner.desk.edit(ref, Edit(description=said), expected=None, reason="measured")
        return
    content = f"sha256:{number}-{dice.randrange(10**9)}"
    owner.publish(
        ref,
        Manifest(
            format=dataset.format,
            location=latest.manifest.location,
            files=(FileEntry(path="part-0", size_bytes=1, sha256=content),),
            schema=latest.manifest.schema,
            row_count=1,
            logical_digest=content,
            event_range=latest.manifest.event_range,
        ),
    )


BENCHMARK = Benchmark(
    name=NAME,
    claim="20 workers, one action in five a write: none fails",
    run=run,
)
