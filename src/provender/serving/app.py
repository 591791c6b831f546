"""The online server: Feast's endpoints over the compiled manifest, as a bare ASGI application.

A user's mistake is a 4xx with Feast's error body; a store that does not answer is a 503.
Neither Feast, nor SQLAlchemy, nor pandas, nor an engine is loaded here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from provender.core.clock import Clock
from provender.core.errors import InvalidInput, ProvenderError
from provender.online.columns import ColumnEncoder, Columns
from provender.online.lookup import Question
from provender.online.store import OnlineStore
from provender.online.stream import Stream
from provender.serving import wire
from provender.serving.snapshot import Snapshots

log = logging.getLogger(__name__)

BODY_BYTES = 8 << 20
LOOKUP_ROWS = 250_000
"""Rows of views that one request may read; more would keep everybody else waiting."""
REFRESH_SECONDS = 1.0
JSON = (b"content-type", b"application/json")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Response:
    """A status and a JSON body, or none."""

    status: int = 200
    body: bytes = b""


Handler = Callable[[bytes], Awaitable[Response]]


class OnlineApp:
    """Answers for one project out of one store, on one event loop."""

    def __init__(self, store: OnlineStore, snapshots: Snapshots, *, now: Clock) -> None:
        self._store = store
        self._snapshots = snapshots
        self._now = now
        self._reader: Stream | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._routes: dict[str, tuple[str, Handler]] = {
            "/get-online-features": ("POST", self._features),
            "/push": ("POST", self._push),
            "/write-to-online-store": ("POST", self._write),
            "/materialize": ("POST", self._materialize),
            "/materialize-incremental": ("POST", self._materialize),
            "/health": ("GET", self._health),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._respond(scope, receive)
            if response is not None:
                await _send(response, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def start(self) -> None:
        """Connect, take the first snapshot, and go on looking for newer ones."""
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
        await asyncio.to_thread(self._store.close)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if await asyncio.to_thread(self._snapshots.refresh):
                    log.info("serving manifest %s", self._snapshots.current.digest)
            except Exception:
                log.exception("the serving manifest could not be refreshed")

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the answer; None where the client is gone."""
        method, handler = self._routes.get(scope["path"], ("", None))
        if handler is None:
            return _detail(404, "Not Found")
        if scope["method"] != method:
            return _detail(405, "Method Not Allowed")
        try:
            body = await _body(receive)
            return None if body is None else await handler(body)
        except TooLarge:
            return _detail(413, f"the body is larger than {BODY_BYTES} bytes: send fewer entities")
        except ProvenderError as error:
            return Response(*wire.failure(error))
        except Exception:
            log.exception("%s %s failed", method, scope["path"])
            message = "the server failed to answer; its log says why"
            return Response(500, wire.feast_error("FeastError", message))

    async def _features(self, body: bytes) -> Response:
        request = wire.parse_features(body)
        plan = self._snapshots.current.plan(request)
        rows = max((len(values) for values in request.entities.values()), default=1)
        if rows * len(plan.reads) > LOOKUP_ROWS:
            raise InvalidInput(
                f"{rows} entities x {len(plan.reads)} feature views are more than {LOOKUP_ROWS} rows",
                hint="ask for fewer entities at a time",
            )
        question = Question(plan, request.entities, self._now())
        answer = question.judge(await self._read(question.keys))
        views = plan.views if request.version_metadata else None
        try:
            incomplete = self._snapshots.incomplete(plan)
            return Response(200, wire.render(answer, views=views, incomplete=incomplete))
        except orjson.JSONEncodeError as error:
            raise InvalidInput(
                f"an entity value cannot be echoed as JSON: {error}",
                hint="send numbers of at most 64 bits",
            ) from None

    async def _read(self, keys: list[bytes]) -> list[bytes | None]:
        if self._reader is None:
            raise RuntimeError("the application was not started")
        return await self._reader.read(keys)

    async def _push(self, body: bytes) -> Response:
        request = wire.parse_rows(body, "push_source_name")
        if request.to != "online":
            raise InvalidInput(
                f"this server writes to the online store only, not to {request.to!r}",
                hint='push with "to": "online"; publish a dataset version for the offline store',
            )
        encoders = self._snapshots.current.encoders(request.name)
        await self._store_rows(encoders, request.columns)
        return Response()

    async def _write(self, body: bytes) -> Response:
        request = wire.parse_rows(body, "feature_view_name")
        await self._store_rows([self._snapshots.current.encoder(request.name)], request.columns)
        return Response(200, b"null")

    async def _store_rows(self, encoders: Sequence[ColumnEncoder], columns: Columns) -> None:
        pairs = [pair for encoder in encoders for pair in encoder.encode(columns)]
        for encoder in encoders:
            await asyncio.to_thread(self._store.claim, encoder.project, encoder.view.name)
        await asyncio.to_thread(self._store.write, pairs)

    async def _materialize(self, body: bytes) -> Response:
        message = "this server has no offline store: run provender features materialize"
        return Response(501, wire.feast_error("FeastError", message))

    async def _health(self, body: bytes) -> Response:
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
            "incomplete": sorted(self._snapshots.lost),
            "on_demand": snapshot.problems if snapshot else {},
        }
        return Response(200 if ok else 503, orjson.dumps(state))


class TooLarge(Exception):
    """A body over the limit."""


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES:
            raise TooLarge
        if not message.get("more_body", False):
            return part if not parts else b"".join((*parts, part))
        parts.append(part)


async def _send(response: Response, send: Send) -> None:
    headers = [JSON] if response.body else []
    headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _detail(status: int, message: str) -> Response:
    return Response(status, orjson.dumps({"detail": message}))
