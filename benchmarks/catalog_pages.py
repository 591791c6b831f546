"""The steward's pages of a catalog of 200,000 datasets, with projects over some of them.

Each page is asked for through the application as a browser asks, in this process: from the
request to the whole HTML. One domain in ten is hidden from who asks; who governs sees the inbox
and the audit trail. Wall times are judged; on a busy machine look at the processor's.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from benchmarks import catalog_databases
from benchmarks.catalog_data import NOW, made
from benchmarks.catalog_search import ASSETS, figure, fill, questions, spread
from benchmarks.results import Benchmark, Claim, Options, Row
from provender.catalog.local import LocalCatalog
from provender.core.features import RepoSpec
from provender.web.app import application

NAME = "catalog_pages"
ASKED, WARM = (60, 12), 10
MOST_MS = 60.0
PROJECTS_ASKED = 10
GOVERNS, READS = "person:gov", "person:ana"


@dataclass(frozen=True, slots=True)
class World:
    """What pages are asked about: words, and names of what is there."""

    words: Sequence[str]
    datasets: Sequence[str]
    projects: Sequence[RepoSpec]


def pages(world: World) -> Mapping[str, tuple[str, Sequence[str]]]:
    """Return the cases: who asks, and the addresses in turn."""
    names, words = world.datasets, [quote(word) for word in world.words]
    domains = [name.partition(".")[0] for name in names]
    return {
        "home": (READS, ["/"]),
        "home of who governs": (GOVERNS, ["/"]),
        "search": (READS, [f"/search?q={word}" for word in words]),
        "search, two facets": (
            READS,
            [f"/search?q={word}&type=dataset&state=published" for word in words],
        ),
        "search without words": (READS, [f"/search?domain={domain}" for domain in domains]),
        "suggestions": (READS, [f"/suggest?q={word[:5]}" for word in words]),
        "datasets": (READS, ["/datasets", *(f"/datasets?after={name}" for name in names)]),
        "datasets of a domain": (READS, [f"/datasets?domain={domain}" for domain in domains]),
        "datasets with a tag": (READS, [f"/datasets?tag=group{n % 7}.tag{n}" for n in range(60)]),
        "datasets of an owner": (READS, [f"/datasets?owner=team:t{n}" for n in range(200)]),
        "a dataset": (READS, [f"/datasets/{name}" for name in names]),
        "versions": (READS, [f"/datasets/{name}/versions" for name in names]),
        "a version": (READS, [f"/datasets/{name}/versions/1" for name in names]),
        "lineage": (READS, [f"/lineage?node=dataset:{name}" for name in names]),
        "features": (READS, ["/features"]),
        "a project": (READS, [f"/projects/{repo.project}" for repo in world.projects]),
        "a feature view": (
            READS,
            [f"/features/{r.views[0].name}?project={r.project}" for r in world.projects],
        ),
        "a service": (
            READS,
            [f"/services/{r.services[0].name}?project={r.project}" for r in world.projects],
        ),
        "an entity": (READS, [f"/entities/entity?project={r.project}" for r in world.projects]),
        "training sets": (READS, ["/training-sets"]),
        "tags": (READS, ["/tags"]),
        "glossary": (READS, ["/glossary"]),
        "a person": (READS, ["/people/person:gov"]),
        "inbox": (GOVERNS, ["/inbox"]),
        "inbox of who reads": (READS, ["/inbox"]),
        "inbox, stale": (GOVERNS, ["/inbox?kind=stale"]),
        "inbox, untagged": (GOVERNS, ["/inbox?kind=untagged"]),
        "inbox, ownerless": (GOVERNS, ["/inbox?kind=ownerless"]),
        "inbox, quarantined": (GOVERNS, ["/inbox?kind=quarantined"]),
        "audit": (GOVERNS, ["/audit"]),
        "audit of who reads": (READS, ["/audit"]),
        "not there": (READS, [f"/datasets/{name}x" for name in names]),
    }


def run(options: Options) -> Iterator[Row]:
    """Measure every page on both databases."""
    size = ASSETS[options.quick]
    for kind in catalog_databases.KINDS:
        if not options.wants(kind) and not any(
            options.wants(f"{case}, p95, {kind}") for case in pages(World((), (), ()))
        ):
            continue
        with catalog_databases.filled(
            kind, options, f"catalog-{size}", lambda url: fill(url, size, options.say)
        ) as url:
            if url is not None:
                yield from measured(url, kind, options)


def measured(url: str, kind: str, options: Options) -> Iterator[Row]:
    """Measure every page of the catalog at ``url``."""
    size = ASSETS[options.quick]
    names = [one.dataset.ref.dataset for one in itertools.islice(made(size, every=97), 60)]
    with LocalCatalog(url, actor=READS, clock=lambda: NOW) as catalog:
        shown = [
            name
            for name in names
            if catalog.finder.entries({}, after=name[:-1], limit=1).items[0].name == name
        ]
        seen = [catalog.repo(name) for name in catalog.records.projects()[:PROJECTS_ASKED]]
        with_services = [repo for repo in seen if repo.views and repo.services]
        world = World(questions(size), shown, with_services)
        apps = {
            who: application(catalog.as_actor(who), clock=lambda: NOW) for who in (READS, GOVERNS)
        }
        with catalog_databases.as_served():
            for case, (who, addresses) in pages(world).items():
                if options.wants(f"{case}, p95, {kind}"):
                    options.say(f"{NAME}: {case}, {kind}")
                    asked = list(
                        itertools.islice(itertools.cycle(addresses), ASKED[options.quick] + WARM)
                    )
                    yield asyncio.run(_page(apps[who], f"{case}, p95, {kind}", asked))


async def _page(app: object, case: str, addresses: Sequence[str]) -> Row:
    walls: list[float] = []
    cpu: list[float] = []
    sizes: list[int] = []
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for address in addresses:
            began, spent = time.perf_counter(), time.process_time()
            answer = await client.get(address)
            walls.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - spent) * 1000)
            sizes.append(len(answer.content))
            if answer.status_code >= 500 or (answer.status_code != 200 and "not there" not in case):
                raise RuntimeError(f"{address}: {answer.status_code}")
    return Row(
        bench=NAME,
        case=case,
        unit="ms",
        figures=(figure(walls, cpu),),
        claims=(Claim(f"p95 at most {MOST_MS:g} ms", "value", MOST_MS),),
        seen={
            **spread(walls, cpu),
            "largest page, bytes": max(sizes),
        },
    )


BENCHMARK = Benchmark(
    name=NAME,
    claim="200,000 datasets: every page of the stewards p95 at most 60 ms",
    run=run,
)
