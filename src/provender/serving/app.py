"""The online server: Feast's endpoints over the compiled manifest, whatever carries the requests.

A user's mistake is a 4xx with Feast's error body; a store that does not answer in time, or too
much under way, is a 503. Neither Feast, nor SQLAlchemy, nor pandas, nor an engine is loaded here.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson

from provender.core.clock import Clock, utc_now
from provender.core.errors import InvalidInput, ProvenderError, Unavailable
from provender.online.lookup import Question
from provender.online.reader import AsyncReader
from provender.online.store import OnlineStore
from provender.serving import wire
from provender.serving.limits import Limits, Load
from provender.serving.messages import Request, Response, detail
from provender.serving.metrics import CONTENT_TYPE, Metrics
from provender.serving.snapshot import Snapshots
from provender.serving.steps import Steps
from provender.serving.watch import Seen, catalog_address, catalog_problem, store_problem

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
WRITER_THREADS = 2
RETRY = (b"retry-after", b"1")

Done = Callable[[Response], None]
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers on a path. ``vital`` ones are answered however much is under way."""

    method: str
    handler: Handler
    timed: bool = False
    vital: bool = False


class OnlineApp:
    """Answers for one project out of one store, on one event loop."""

    def __init__(
        self,
        store: OnlineStore,
        snapshots: Snapshots,
        *,
        now: Clock,
        limits: Limits,
        metrics: Metrics | None = None,
        catalog_url: str = "",
    ) -> None:
        self.limits = limits
        self.load = Load(limits)
        self.metrics = metrics or Metrics()
        self.connections = 0
        self._catalog_url = catalog_url
        self._seen_store = Seen(store.options.address)
        self._seen_catalog = Seen(catalog_address(catalog_url)) if catalog_url else None
        self._store = store
        self._snapshots = snapshots
        self._now = now
        self._reader: AsyncReader | None = None
        self._looking: list[asyncio.Task[None]] = []
        self._writers = ThreadPoolExecutor(WRITER_THREADS, "rows")
        self._timed: deque[Steps[Response]] = deque()
        self._clock = 0.0
        self._routes = {
            "/get-online-features": Route("POST", self._features, timed=True),
            "/push": Route("POST", self._push),
            "/write-to-online-store": Route("POST", self._write),
            "/materialize": Route("POST", self._materialize),
            "/materialize-incremental": Route("POST", self._materialize),
            "/health": Route("GET", self._health, vital=True),
            "/ready": Route("GET", self._ready, vital=True),
            "/metrics": Route("GET", self._metrics, vital=True),
        }

    async def start(self) -> None:
        """Connect, take the first snapshot, and go on looking for newer ones."""
        self._clock = asyncio.get_running_loop().time()
        self._reader = self._store.reader()
        await asyncio.to_thread(self._snapshots.refresh)
        await self._look()
        self._looking = [
            asyncio.create_task(_repeated(self._refresh)),
            asyncio.create_task(_repeated(self._look)),
        ]

    async def stop(self) -> None:
        """Stop looking, and close the connections."""
        for task in self._looking:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._reader is not None:
            await self._reader.close()
        await asyncio.to_thread(self._writers.shutdown)
        await asyncio.to_thread(self._store.close)

    def answer(self, request: Request, done: Done) -> None:
        """Call ``done`` with the answer to ``request``: once, and perhaps before this returns."""
        route = self._routes.get(request.path)
        if route is None:
            done(detail(404, "Not Found"))
        elif request.method != route.method:
            allowed = "GET, HEAD" if route.method == "GET" else route.method
            done(detail(405, "Method Not Allowed", (b"allow", allowed.encode())))
        elif self.load.full and not route.vital:
            self.metrics.count("rejected", "overload")
            done(_failed(self.load.refusal()))
        else:
            self._run(route, request, done)

    def refused(self, status: int) -> None:
        """Count a request that the transport refused with ``status``."""
        self.metrics.count("rejected", str(status))

    def sweep(self, clock: float) -> None:
        """Fail the lookups whose time is over at ``clock``, in the loop's seconds."""
        self._clock = clock
        timed = self._timed
        while timed and (timed[0].over or timed[0].deadline <= clock):
            timed.popleft().fail(
                Unavailable(
                    f"the online store did not answer within {self.limits.deadline:g} s",
                    hint="try again; PROVENDER_ONLINE_DEADLINE sets the seconds",
                )
            )

    def _run(self, route: Route, request: Request, done: Done) -> None:
        load, metrics, began = self.load, self.metrics, perf_counter()
        load.requests += 1

        def finish(response: Response) -> None:
            load.requests -= 1
            metrics.count("requests", request.path, str(response.status))
            if route.timed:
                metrics.took("lookup_seconds", perf_counter() - began)
            done(response)

        deadline = self._clock + self.limits.deadline
        steps = Steps(self._handled(route, request), finish, deadline=deadline)
        if route.timed and not steps.over:
            self._timed.append(steps)

    async def _handled(self, route: Route, request: Request) -> Response:
        """Return the answer, whatever happens."""
        try:
            return await route.handler(request)
        except ProvenderError as error:
            return _failed(error)
        except asyncio.CancelledError:
            return _failed(Unavailable("the server is ending", hint="try again"))
        except Exception:
            log.exception("%s %s failed", route.method, request.path)
            message = "the server failed to answer; its log says why"
            return Response(500, wire.feast_error("FeastError", message))

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self._snapshots.refresh):
            log.info("serving manifest %s", self._snapshots.current.digest)

    async def _look(self) -> None:
        """See whether store and catalog are there, and leave the numbers for other workers."""
        self._seen_store.problem = await store_problem(self._read)
        if self._seen_catalog is not None:
            self._seen_catalog.problem = await asyncio.to_thread(catalog_problem, self._catalog_url)
        self.metrics.keep(**self._gauges())

    async def _features(self, request: Request) -> Response:
        asked = wire.parse_features(request.body)
        if len(asked.features) > self.limits.features:
            raise InvalidInput(
                f"{len(asked.features)} features are more than {self.limits.features}",
                hint="ask for fewer features at a time",
            )
        plan = self._snapshots.current.plan(asked)
        rows = max((len(values) for values in asked.entities.values()), default=1)
        with self.load.reading(rows, len(plan.reads)):
            question = Question(plan, asked.entities, self._now())
            asked_at = perf_counter()
            stored = await self._read(question.keys)
            self.metrics.took("store_seconds", perf_counter() - asked_at)
            answer = question.answer(stored)
        self.metrics.count("keys", by=len(stored))
        self.metrics.count("missing_keys", by=stored.count(None))
        views = plan.views if asked.version_metadata else None
        try:
            return Response(200, wire.render(answer, views=views))
        except orjson.JSONEncodeError as error:
            raise InvalidInput(
                f"an entity value cannot be echoed as JSON: {error}",
                hint="send numbers of at most 64 bits",
            ) from None

    async def _read(self, keys: list[bytes]) -> list[bytes | None]:
        if self._reader is None:
            raise RuntimeError("the application was not started")
        return await self._reader.read(keys)

    async def _push(self, request: Request) -> Response:
        rows = wire.parse_rows(request.body, "push_source_name")
        if rows.to != "online":
            raise InvalidInput(
                f"this server writes to the online store only, not to {rows.to!r}",
                hint='push with "to": "online"; publish a dataset version for the offline store',
            )
        encoders = self._snapshots.current.encoders(rows.name)

        def write() -> int:
            pairs = [pair for encoder in encoders for pair in encoder.encode(rows.columns)]
            self._store.write(pairs)
            return len(pairs)

        await self._written(write)
        return Response()

    async def _write(self, request: Request) -> Response:
        rows = wire.parse_rows(request.body, "feature_view_name")
        encoder = self._snapshots.current.encoder(rows.name)

        def write() -> int:
            pairs = encoder.encode(rows.columns)
            self._store.write(pairs)
            return len(pairs)

        await self._written(write)
        return Response(200, b"null")

    async def _written(self, write: Callable[[], int]) -> None:
        """Encode and write in a thread: neither may keep lookups waiting."""
        with self.load.writing():
            rows = await asyncio.get_running_loop().run_in_executor(self._writers, write)
        self.metrics.count("rows_pushed", by=rows)

    async def _materialize(self, request: Request) -> Response:
        message = "this server has no offline store: run provender features materialize"
        return Response(501, wire.feast_error("FeastError", message))

    async def _health(self, request: Request) -> Response:
        """Tell whether there is something to serve, and how it is with what that depends on.

        A store that is gone makes no bad server: whoever restarts servers asks here.
        """
        snapshot, catalog = self._snapshots.found, self._seen_catalog
        seen = [self._seen_store, catalog] if catalog else [self._seen_store]
        well = not self._snapshots.problem and not any(one.problem for one in seen)
        state: dict[str, Any] = {
            "status": "unavailable" if snapshot is None else "ok" if well else "degraded",
            "project": self._snapshots.project,
            "store": self._seen_store.to_dict(),
            "catalog": catalog.to_dict() if catalog else None,
            "snapshot": {
                "digest": snapshot.digest if snapshot else None,
                "compiled_at": snapshot.manifest.compiled_at.isoformat() if snapshot else None,
                "stale": bool(self._snapshots.problem),
                "problem": self._snapshots.problem,
            },
            "on_demand": snapshot.problems if snapshot else {},
        }
        return Response(503 if snapshot is None else 200, orjson.dumps(state))

    async def _ready(self, request: Request) -> Response:
        """Tell whether a lookup would be answered now: whoever sends requests asks here."""
        problem = "" if self._snapshots.found else self._snapshots.problem
        problem = problem or await store_problem(self._read)
        state = {"ready": not problem, "problem": problem}
        return Response(
            503 if problem else 200, orjson.dumps(state), headers=(RETRY,) if problem else ()
        )

    async def _metrics(self, request: Request) -> Response:
        snapshot = self._snapshots.found
        up = float(not self._seen_store.problem)
        alone = [("store_up", "Whether the online store answers.", up)]
        if snapshot is not None:
            age = (utc_now() - snapshot.manifest.compiled_at).total_seconds()
            alone.append(("snapshot_age_seconds", "Since the serving manifest was compiled.", age))
        page = self.metrics.page(alone=alone, **self._gauges())
        return Response(200, page, content_type=CONTENT_TYPE)

    def _gauges(self) -> dict[str, int]:
        return {"in_flight": self.load.requests, "connections": self.connections}


async def _repeated(look: Callable[[], Awaitable[None]]) -> None:
    """Call ``look`` every second; its failures are told, and end nothing."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        try:
            await look()
        except Exception:
            log.exception("looking after the server failed")


def _failed(error: ProvenderError) -> Response:
    status, body = wire.failure(error)
    return Response(status, body, headers=(RETRY,) if status == 503 else ())
