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
from typing import Any

import orjson

from provender.core.clock import Clock
from provender.core.errors import InvalidInput, ProvenderError, Unavailable
from provender.online.lookup import Question
from provender.online.reader import AsyncReader
from provender.online.store import OnlineStore
from provender.serving import wire
from provender.serving.limits import Limits, Load
from provender.serving.messages import Request, Response, detail
from provender.serving.snapshot import Snapshots
from provender.serving.steps import Steps

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
        self, store: OnlineStore, snapshots: Snapshots, *, now: Clock, limits: Limits
    ) -> None:
        self.limits = limits
        self.load = Load(limits)
        self._store = store
        self._snapshots = snapshots
        self._now = now
        self._reader: AsyncReader | None = None
        self._refreshing: asyncio.Task[None] | None = None
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
        }

    async def start(self) -> None:
        """Connect, take the first snapshot, and go on looking for newer ones."""
        self._clock = asyncio.get_running_loop().time()
        self._reader = self._store.reader()
        await asyncio.to_thread(self._snapshots.refresh)
        self._refreshing = asyncio.create_task(self._refresh())

    async def stop(self) -> None:
        """Stop looking, and close the connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing
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
            done(_failed(self.load.refusal()))
        else:
            self._run(route, request, done)

    def refused(self, status: int) -> None:
        """Count a request that the transport refused with ``status``."""

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
        load = self.load
        load.requests += 1

        def finish(response: Response) -> None:
            load.requests -= 1
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
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if await asyncio.to_thread(self._snapshots.refresh):
                    log.info("serving manifest %s", self._snapshots.current.digest)
            except Exception:
                log.exception("the serving manifest could not be refreshed")

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
            answer = question.answer(await self._read(question.keys))
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

        def write() -> None:
            self._store.write([p for encoder in encoders for p in encoder.encode(rows.columns)])

        await self._written(write)
        return Response()

    async def _write(self, request: Request) -> Response:
        rows = wire.parse_rows(request.body, "feature_view_name")
        encoder = self._snapshots.current.encoder(rows.name)
        await self._written(lambda: self._store.write(encoder.encode(rows.columns)))
        return Response(200, b"null")

    async def _written(self, write: Callable[[], Any]) -> None:
        """Encode and write in a thread: neither may keep lookups waiting."""
        with self.load.writing():
            await asyncio.get_running_loop().run_in_executor(self._writers, write)

    async def _materialize(self, request: Request) -> Response:
        message = "this server has no offline store: run provender features materialize"
        return Response(501, wire.feast_error("FeastError", message))

    async def _health(self, request: Request) -> Response:
        store = await asyncio.to_thread(self._store.health)
        snapshot = self._snapshots.found
        ok = store.ok and snapshot is not None
        state: dict[str, Any] = {
            "status": "ok" if ok else "unavailable",
            "project": self._snapshots.project,
            "store": {"ok": store.ok, "address": store.address, "problem": store.problem},
            "snapshot": {
                "digest": snapshot.digest if snapshot else None,
                "compiled_at": snapshot.manifest.compiled_at.isoformat() if snapshot else None,
                "stale": bool(self._snapshots.problem),
                "problem": self._snapshots.problem,
            },
            "on_demand": snapshot.problems if snapshot else {},
        }
        return Response(200 if ok else 503, orjson.dumps(state))


def _failed(error: ProvenderError) -> Response:
    status, body = wire.failure(error)
    return Response(status, body, headers=(RETRY,) if status == 503 else ())
