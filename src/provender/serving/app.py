"""The online server: Feast's endpoints over the compiled manifest, whatever carries the requests.

A user's mistake is a 4xx with Feast's error body; a store that does not answer in time, or too
much under way, is a 503. Neither Feast, nor SQLAlchemy, nor pandas, nor an engine is loaded here.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from time import perf_counter
from typing import Any, Protocol

import orjson

from provender.core.clock import Clock
from provender.core.errors import (
    InvalidInput,
    NotFound,
    ProvenderError,
    Unavailable,
)
from provender.core.leases import absent
from provender.online.lookup import Lookups, Question
from provender.online.store import OnlineStore
from provender.serving import openapi, wire
from provender.serving.aside import Aside
from provender.serving.callers import Callers, Everybody
from provender.serving.compat import Compat
from provender.serving.jobs import Jobs
from provender.serving.limits import Limits, Load
from provender.serving.lookuplog import LookupLog
from provender.serving.messages import ARROW, CHALLENGE, RETRY, Request, Response, detail
from provender.serving.metrics import KEYS, MISSING_KEYS, Metrics
from provender.serving.pushes import Pushes
from provender.serving.results import render
from provender.serving.rights import Rights
from provender.serving.snapshot import Snapshots
from provender.serving.status import Status
from provender.serving.steps import Steps
from provender.serving.together import SMALL, Bodies, Together
from provender.serving.writes import Writes

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0

Done = Callable[[Response], None]
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers on a path. ``vital`` ones are answered however much is under way, and to everybody."""

    method: str
    handler: Handler
    timed: bool = False
    vital: bool = False


class Reader(Protocol):
    """What reads rows on the running event loop."""

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the row of each key, None where there is none."""
        ...

    async def close(self) -> None:
        """Close the connections; lookups under way fail."""


class OnlineApp:
    """Answers for one project out of one store, on one event loop."""

    def __init__(
        self,
        store: OnlineStore,
        snapshots: Snapshots,
        *,
        now: Clock,
        limits: Limits,
        jobs: Jobs,
        pushes: Pushes,
        compat: Compat,
        replaying: bool = False,
        metrics: Metrics | None = None,
        catalog_url: str = "",
        lookup_log: LookupLog | None = None,
        callers: Callers | None = None,
        rights: Rights | None = None,
    ) -> None:
        self.limits = limits
        self.load = Load(limits)
        self.metrics = metrics or Metrics()
        self.connections = 0
        self._store = store
        self._snapshots = snapshots
        self._now = now
        self._reader: Reader | None = None
        self._looking: list[asyncio.Task[None]] = []
        self._jobs = jobs
        self._compat = compat
        self._callers = callers or Everybody()
        self._rights = rights
        self._lookup_log = lookup_log
        self._writes = Writes(
            store,
            snapshots,
            self.load,
            self.metrics,
            now=now,
            pushes=pushes,
            callers=self._callers,
            replaying=replaying,
        )
        self._status = Status(
            snapshots,
            self.metrics,
            self._read,
            self._gauges,
            store=store.options.address,
            catalog_url=catalog_url,
            callers=self._callers,
            lookup_log=lookup_log,
            rights=rights,
        )
        self._together = Together()
        self._aside = Aside()
        self._timed: deque[tuple[Steps[Response], Request]] = deque()
        self._clock = 0.0
        self._routes = {
            "/get-online-features": Route("POST", self._features, timed=True),
            "/push": Route("POST", self._writes.push),
            "/write-to-online-store": Route("POST", self._writes.write),
            "/materialize": Route("POST", self._jobs.materialize),
            "/materialize-incremental": Route("POST", self._jobs.go_on),
            "/search": Route("POST", self._documents),
            "/retrieve-online-documents": Route("POST", self._documents),
            "/openapi.json": Route("GET", self._openapi),
            "/health": Route("GET", self._status.health, vital=True),
            "/ready": Route("GET", self._status.ready, vital=True),
            "/metrics": Route("GET", self._status.metrics, vital=True),
        }

    async def start(self) -> None:
        """Connect, take the first snapshot, and go on looking for newer ones."""
        self._clock = asyncio.get_running_loop().time()
        self._reader = self._store.reader(
            deadline=self.limits.deadline, epoch=self._snapshots.epoch
        )
        await asyncio.to_thread(self._snapshots.refresh)
        await self._status.look()
        if self._lookup_log is not None:
            self._lookup_log.start()
        self._looking = [
            asyncio.create_task(_repeated(self._refresh)),
            asyncio.create_task(_repeated(self._status.look)),
        ]

    async def stop(self) -> None:
        """Stop looking, and close the connections."""
        for task in self._looking:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._reader is not None:
            await self._reader.close()
        self._jobs.leave()
        if self._lookup_log is not None:
            await asyncio.to_thread(self._lookup_log.stop)
        if self._rights is not None:
            await asyncio.to_thread(self._rights.close)
        self._aside.close()
        await asyncio.to_thread(self._writes.close)
        await asyncio.to_thread(self._store.close)

    def answer(self, request: Request, done: Done) -> None:
        """Call ``done`` with the answer to ``request``: once, and perhaps before this returns."""
        route = self._routes.get(request.path)
        if route is None:
            done(detail(404, "Not Found"))
        elif request.method != route.method:
            allowed = "GET, HEAD" if route.method == "GET" else route.method
            done(detail(405, "Method Not Allowed", (b"allow", allowed.encode())))
        elif route.method == "POST" and b"origin" in request.headers:
            done(detail(403, "web pages may not ask this server: leave out the Origin header"))
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
        while timed:
            steps, request = timed[0]
            if not steps.over and clock < request.deadline < inf:
                return
            timed.popleft()
            if request.deadline <= clock:
                steps.fail(
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

        if route.timed:
            request.deadline = self._clock + self.limits.deadline
        steps = Steps(self._handled(route, request), finish)
        if route.timed and not steps.over:
            self._timed.append((steps, request))

    async def _handled(self, route: Route, request: Request) -> Response:
        """Return the answer, whatever happens."""
        try:
            return await self._told(route, request)
        except (Exception, SystemExit):
            log.exception("%s %s failed", route.method, request.path)
            message = "the server failed to answer; its log says why"
            return Response(500, wire.feast_error("FeastError", message))

    async def _told(self, route: Route, request: Request) -> Response:
        """Return the answer; errors of ours as those of Feast."""
        callers = self._callers
        try:
            if callers.asks and not route.vital:
                request.bearer = callers.known(request)
            return await route.handler(request)
        except NotFound as error:
            return _failed(absent() if callers.asks else error)
        except ProvenderError as error:
            return _failed(error)
        except asyncio.CancelledError:
            return _failed(Unavailable("the server is ending", hint="try again"))

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self._snapshots.refresh):
            log.info("serving manifest %s", self._snapshots.current.digest)

    async def _features(self, request: Request) -> Response:
        asked = wire.parse_features(request.body)
        if len(asked.features) > self.limits.features:
            raise InvalidInput(
                f"{len(asked.features)} features are more than {self.limits.features}",
                hint="ask for fewer features at a time",
            )
        snapshot = self._snapshots.current
        try:
            plan = snapshot.plan(asked)
        except ProvenderError as error:
            raise self._callers.unplanned(request, snapshot, asked, error) from None
        rights, bearer = self._rights, request.bearer
        rows = max(map(len, asked.entities.values()), default=1)
        if rights is not None:
            await rights.check(plan, bearer, rows)
        keys = self.load.begin(rows, len(plan.reads), len(plan.outputs))
        try:
            entities = self._compat.entities(plan, asked.entities, rows)
            question = Question(plan, entities, self._now())
            stored = await self._stored(question.keys)
            if rights is not None:
                word = self._snapshots.epoch.told.word
                stored = await rights.left(plan, stored, question.rows, word=word, bearer=bearer)
        finally:
            self.load.end(keys)
        request.deadline = inf
        arrow = ARROW in request.headers.get(b"accept", b"")
        aside = self._aside if self._aside.takes(plan, rows) else None
        bodies: Bodies | None = None
        if aside is not None:
            answer = await aside.run(partial(question.judge, stored))
        elif arrow or len(question.keys) > SMALL:
            answer = question.judge(stored)
        else:
            answer, bodies = await self._together.judge(question, stored)
        if self._lookup_log is not None:
            self._lookup_log.saw(snapshot, asked.service, question, answer)
        if arrow:
            return await _arrow(self._compat.answer(Lookups.of(answer)))
        about: dict[str, Any] = {
            "versions": plan.versions if asked.version_metadata else None,
            "incomplete": self._snapshots.incomplete(plan),
            "told": self._compat.told,
        }
        if aside is None:
            return Response(200, render(plan, answer, bodies, **about))
        return Response(200, await aside.run(partial(render, plan, answer, **about)))

    async def _documents(self, request: Request) -> Response:
        message = "this server has no documents to search: it serves features by their keys"
        return Response(404, wire.feast_error("FeastError", message))

    async def _openapi(self, request: Request) -> Response:
        found, asks = self._snapshots.found, self._callers.asks
        manifest = found.manifest if found and not asks else None
        told = openapi.document(manifest, jobs=self._jobs.possible, asks=asks)
        return Response(200, orjson.dumps(told))

    async def _stored(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return what is stored for a lookup, and count it."""
        began = perf_counter()
        rows = await self._read(keys)
        metrics = self.metrics
        metrics.took("store_seconds", perf_counter() - began)
        metrics.counts[KEYS] += len(rows)
        if missing := rows.count(None):
            metrics.counts[MISSING_KEYS] += missing
        return rows

    async def _read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if self._reader is None:
            raise RuntimeError("the application was not started")
        return await self._reader.read(keys)

    def _gauges(self) -> dict[str, int]:
        return {"in_flight": self.load.under_way, "connections": self.connections}


async def _arrow(answer: Lookups) -> Response:
    """Return ``answer`` as an Arrow stream, made in a thread: the first one loads pyarrow."""
    try:
        body = await asyncio.to_thread(_ipc_stream, answer)
    except ImportError:
        return detail(406, "Arrow streams need pyarrow on the server: install provender[tables]")
    return Response(200, body, content_type=ARROW)


def _ipc_stream(answer: Lookups) -> bytes:
    from provender.serving import ipc

    return ipc.render(answer)


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
    headers = (RETRY,) if status == 503 else ()
    return Response(status, body, headers=(CHALLENGE,) if status == 401 else headers)
