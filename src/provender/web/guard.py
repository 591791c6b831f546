"""What stands around every page: security headers, the names it answers to, and the JSON twins."""

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provender.hosts import host_name

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "vary": "HX-Request-Type",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
TWIN = ".json"
DATASET_CALLED_JSON = re.compile(r"/datasets/[^/.]+\.json\Z")


class Guard:
    """Adds the security headers, and refuses requests for other hosts."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                static = scope["path"].startswith("/static/")
                headers["cache-control"] = (
                    "public, max-age=86400" if static else "private, no-store"
                )
            await send(message)

        asked = host_name(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and asked not in self._hosts:
            refusal = PlainTextResponse("this server does not answer to that name\n", 421)
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


class Twins:
    """Serves ``/page.json`` by the page at ``/page``, which then answers in JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and is_twin(path):
            page = "/" if path == f"/index{TWIN}" else path.removesuffix(TWIN)
            scope = {**scope, "path": page, "raw_path": page.encode(), "provender.json": True}
        await self._app(scope, receive, send)


def is_twin(path: str) -> bool:
    """Whether ``path`` asks for a page as JSON; a dataset called ``domain.json`` is a page itself."""
    if path.startswith("/static/") or DATASET_CALLED_JSON.match(path):
        return False
    return path.endswith(TWIN)


def twin_of(path: str, query: str) -> str:
    """Return the address of the JSON twin of a page."""
    twin = f"/index{TWIN}" if path == "/" else f"{path.rstrip('/')}{TWIN}"
    return f"{twin}?{query}" if query else twin


def wants_json(scope: Scope) -> bool:
    """Whether the request came for the JSON twin."""
    return bool(scope.get("provender.json"))
