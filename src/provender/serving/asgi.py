"""The online application as ASGI: for mounting beside others, and for tools that speak only that.

``provender serve online`` does not use it: `protocol` carries several times more requests.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from provender.serving.app import OnlineApp
from provender.serving.messages import Request, Response, detail

SWEEP_SECONDS = 0.05

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Asgi:
    """An ASGI application around ``app``."""

    def __init__(self, app: OnlineApp) -> None:
        self._app = app
        self._sweeping: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._app.start()
                self._sweep()
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._sweeping is not None:
                    self._sweeping.cancel()
                await self._app.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._app.sweep(loop.time())
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive, self._app.limits.body_bytes)
        if body is None:
            return
        if isinstance(body, Response):
            await _send(body, send)
            return
        head = scope["method"] == "HEAD"
        request = Request(
            method="GET" if head else scope["method"],
            path=scope["path"],
            query=scope.get("query_string", b"").decode("latin-1"),
            headers=dict(scope.get("headers", ())),
            body=body,
        )
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def done(response: Response) -> None:
            if not answered.cancelled():
                answered.set_result(response)

        self._app.answer(request, done)
        await _send(await answered, send, head=head)


async def _body(receive: Receive, limit: int) -> bytes | Response | None:
    """Return the whole body, a refusal where it is too large, or None if the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return detail(413, f"the body is larger than {limit} bytes: send fewer entities")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(response: Response, send: Send, *, head: bool = False) -> None:
    headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    if response.body:
        headers.append((b"content-type", response.content_type))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})
