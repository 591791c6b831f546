"""What stands before every route: the names we answer to, other sites' scripts, and request ids."""

import re
from collections.abc import Collection
from http import HTTPStatus
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provender.api.deprecated import Deprecations
from provender.api.errors import Refused, fault
from provender.hosts import host_name

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OURS = frozenset({"", "none", "same-origin"})
"""Values of Sec-Fetch-Site of requests that no other site's page made."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Gives requests their ids, refuses those for other hosts and from other sites' pages.

    Answers of what is deprecated say so.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str] | None, deprecated: Deprecations
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._deprecated = deprecated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        identity = given if REQUEST_ID.match(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = identity

        as_get = scope["method"] == "HEAD"  # the server leaves the body out
        inner = {**scope, "method": "GET"} if as_get else scope

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if "route" in inner:
                    scope["route"] = inner["route"]
                answered = MutableHeaders(scope=message)
                answered.update(HEADERS)
                answered["x-request-id"] = identity
                going = self._deprecated.get(getattr(scope.get("route"), "name", ""))
                answered.update(going.headers if going else {})
                answered.setdefault("cache-control", "private, no-cache")
            await send(message)

        refused = self._refused(scope["method"], headers)
        app = fault(refused, identity) if refused else self._app
        await app(inner, receive, guarded)

    def _refused(self, method: str, headers: Headers) -> Refused | None:
        asked = host_name(headers.get("host", ""))
        if self._hosts is not None and asked not in self._hosts:
            return Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server does not answer to the name {asked!r}",
                hint=f"ask it as {' or '.join(sorted(self._hosts))}",
            )
        origin, host = headers.get("origin"), headers.get("host", "")
        foreign = headers.get("sec-fetch-site", "") not in OURS or (
            origin is not None and origin.partition("://")[2] != host
        )
        if is_embedded(headers) or (method not in SAFE and foreign):
            return Refused(
                HTTPStatus.FORBIDDEN,
                "another site's page asked for this",
                hint="ask from a program, or from a page of this server",
            )
        return None


def is_embedded(headers: Headers) -> bool:
    """Return whether another site's page asks for something to use it there: no link was followed.

    What is searched for in vain is written down: a page could fill somebody's inbox.
    """
    followed = headers.get("sec-fetch-mode") == "navigate"
    to_look_at = headers.get("sec-fetch-dest", "document") == "document"
    return headers.get("sec-fetch-site", "") not in OURS and not (followed and to_look_at)
