"""Every request, seen from outside: by which route, how it was answered, how long it took.

What is seen tells nothing that a client wrote: the route is the template, not the address; no
query, no header, no body. So nothing secret can come into metrics and logs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "unmatched"
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
CLIENT_GONE = 499
"""The status of a request whose client did not wait for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that is over. ``error`` is what nobody expected, if that was so."""

    method: str
    route: str
    status: int
    seconds: float
    size_bytes: int
    request_id: str
    error: BaseException | None = None


Observer = Callable[[Answered], None]


class Watch:
    """Tells ``observers`` of every request that ``app`` answered.

    An error that was answered ends here: what it says may hold what a client sent, and whoever
    caught it above would print it.
    """

    def __init__(self, app: ASGIApp, *, observers: Sequence[Observer]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, size_bytes = time.perf_counter(), 0, 0
        error: BaseException | None = None

        async def sending(message: Message) -> None:
            nonlocal status, size_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            size_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except BaseException as raised:
            error = raised
            if not status or not isinstance(raised, Exception):
                raise
        finally:
            answered = Answered(
                method=method_of(scope),
                route=route_of(scope),
                status=status or (500 if isinstance(error, Exception) else CLIENT_GONE),
                seconds=time.perf_counter() - started,
                size_bytes=size_bytes,
                request_id=str(scope.get("state", {}).get("request_id", "")),
                error=error if isinstance(error, Exception) else None,
            )
            for observer in self._observers:
                observer(answered)


def method_of(scope: Scope) -> str:
    """Return the method of a request; those that nobody knows are one."""
    method: str = scope["method"]
    return method if method in METHODS else "OTHER"


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered, once it has; what matched none is one."""
    route = scope.get("route")
    path = getattr(route, "path_format", None)
    is_found = path is not None and not isinstance(route, Mount)
    return f"{scope.get('root_path', '')}{path}" if is_found else UNMATCHED
