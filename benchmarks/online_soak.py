"""An hour's requests in minutes: our server at a fixed rate, its memory and its tail in windows.

As many requests as an hour of 200 a second, at a rate that the server bears. Meanwhile the
definitions are applied again and again, and some requests ask for lists of features that
nobody has asked for before: what grows with either would be seen.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from benchmarks import serverbench
from benchmarks.load import OpenLoop, percentile, request, told
from benchmarks.online_data import KEY, MIXED, Population, write_ours
from benchmarks.results import Benchmark, Claim, Figure, Options, Row, middle
from benchmarks.serverbench import PATH, Server, url_of
from provender.core.features import ServiceSpec
from provender.online.store import OnlineStore

NAME = "online_soak"
REQUESTS = (720_000, 2_400)
RATE = (2_400.0, 400.0)
WINDOWS = 12
WARM_WINDOWS = 2
"""The first ones: caches fill, and the allocator finds its size."""
CONNECTIONS = 16
VIEWS = 5
ENTITIES = 1_000
NEW_LIST_EVERY = 200
CHECKED_EVERY = 20
SWAP_SECONDS = (5.0, 1.0)
MEMORY_GROWTH, LATENCY_GROWTH = 1.01, 1.2


@dataclass(slots=True)
class Window:
    """What a stretch of the run saw."""

    latencies: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    open_files: int = 0

    @property
    def p99_ms(self) -> float:
        return percentile(sorted(self.latencies), 0.99) * 1000


class Soak:
    """One run: requests at a rate, definitions that are swapped, windows that are filled."""

    def __init__(self, options: Options, server: Server, population: Population, url: str) -> None:
        self.windows = [Window() for _ in range(WINDOWS)]
        self.errors = 0
        self.wrong = 0
        self.checked = 0
        self.swaps = 0
        self._requests, self._rate = REQUESTS[options.quick], RATE[options.quick]
        self._swap_seconds = SWAP_SECONDS[options.quick]
        self._server = server
        self._population = population
        self._url = url
        self._drawn = random.Random(NAME)  # noqa: S311 - the same every time, nothing secret
        self._began = 0.0

    @property
    def seconds(self) -> float:
        return self._requests / self._rate

    async def run(self) -> None:
        """Ask and swap until all requests are made."""
        self._began = time.perf_counter()
        loop = OpenLoop(self._server.address, self._ask, self._seen, most=CONNECTIONS)
        beside = [asyncio.create_task(work()) for work in (self._swap, self._look)]
        try:
            await loop.run(self._rate, self.seconds)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _ask(self, number: int) -> tuple[Any, bytes]:
        entity = self._drawn.randrange(self._population.entities)
        asked: dict[str, Any] = {"entities": {KEY: [entity]}}
        if number % NEW_LIST_EVERY == 0:
            features = [str(ref) for ref in self._population.asked(VIEWS)]
            asked["features"] = self._drawn.sample(features, self._drawn.randrange(5, 20))
        else:
            asked["feature_service"] = f"first_{VIEWS}"
        return (number, entity), request(PATH, json.dumps(asked))

    def _seen(self, tag: Any, status: int, body: bytes, due: float, seconds: float) -> None:
        number, entity = tag
        if status != 200:
            self.errors += 1
            return
        self._window(due).latencies.append(seconds)
        if number % CHECKED_EVERY == 0:
            self.checked += 1
            right = self._population.answer(VIEWS, [entity])
            found = told(body)
            self.wrong += any(right[name] != column for name, column in found.items())

    async def _swap(self) -> None:
        """Publish definitions with another service, again and again."""
        manifest = self._population.manifest()
        with OnlineStore(self._url) as store:
            while True:
                await asyncio.sleep(self._swap_seconds)
                self.swaps += 1
                more = ServiceSpec(name=f"swap_{self.swaps}", features=self._population.asked(1))
                newer = replace(manifest, services=(*manifest.services, more))
                await asyncio.to_thread(store.publish_manifest, newer)

    async def _look(self) -> None:
        """Note the server's memory and files, window by window."""
        while True:
            window = self._window(time.perf_counter())
            window.resident_mb = self._server.resident_mb()
            window.open_files = self._server.open_files()
            await asyncio.sleep(self.seconds / WINDOWS / 4)

    def _window(self, moment: float) -> Window:
        share = (moment - self._began) / self.seconds
        return self.windows[min(int(share * WINDOWS), WINDOWS - 1)]


def run(options: Options) -> Iterator[Row]:
    """Measure latency and memory, late against early."""
    case = f"{REQUESTS[options.quick]:,} requests at {RATE[options.quick]:,.0f}/s"
    cases = {what: f"{case}, {what}" for what in ("p99", "memory")}
    if not any(options.wants(one) for one in cases.values()):
        return
    options.say(f"{NAME}: {case}")
    soak = _soak(options)
    if soak.errors or soak.wrong or not soak.checked:
        raise SystemExit(
            f"{NAME}: {soak.errors} errors, {soak.wrong} of {soak.checked} answers wrong"
        )
    early, late = _thirds(soak.windows)
    yield _row(
        cases["p99"], "ms", [w.p99_ms for w in early], [w.p99_ms for w in late],
        Claim(f"late p99 at most {LATENCY_GROWTH} times the early one", "ours_over_floor",
              LATENCY_GROWTH),
        {"p99 by window": " ".join(f"{w.p99_ms:.2f}" for w in soak.windows) + " ms",
         "swaps of the definitions": str(soak.swaps)},
    )  # fmt: skip
    yield _row(
        cases["memory"], "MB", [w.resident_mb for w in early], [w.resident_mb for w in late],
        Claim("late memory at most 1 % above the early one", "ours_over_floor", MEMORY_GROWTH),
        {"resident by window": " ".join(f"{w.resident_mb:.1f}" for w in soak.windows) + " MB",
         "open files by window": " ".join(str(w.open_files) for w in soak.windows)},
    )  # fmt: skip


def _soak(options: Options) -> Soak:
    population = Population(VIEWS, MIXED, ENTITIES, services=(VIEWS,))
    with TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        with serverbench.valkey(folder / "store") as port:
            write_ours(population, url_of(port))
            with serverbench.ours(folder, port) as server:
                soak = Soak(options, server, population, url_of(port))
                uvloop.run(soak.run())
    return soak


def _thirds(windows: list[Window]) -> tuple[list[Window], list[Window]]:
    """Return the first and the last third of the windows after the warm ones."""
    warm = windows[WARM_WINDOWS:]
    third = max(len(warm) // 3, 1)
    return warm[:third], warm[-third:]


def _row(
    case: str, unit: str, early: list[float], late: list[float], claim: Claim, seen: dict[str, str]
) -> Row:
    return Row(
        bench=NAME,
        case=case,
        figures=(
            Figure(name="late", value=middle([median(late)]), runs=tuple(late)),
            Figure(name="early", value=middle([median(early)]), runs=tuple(early)),
        ),
        ours="late",
        floor="early",
        unit=unit,
        claims=(claim,),
        seen=seen,
    )


BENCHMARK = Benchmark(
    name=NAME,
    claim="an hour's 720,000 requests at a fixed rate: memory and p99 stay flat",
    run=run,
)
