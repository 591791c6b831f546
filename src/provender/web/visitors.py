"""Who visits: whose catalog a page is made from. The one place that says so for pages.

A browser is known by a cookie, whose secret nothing else of ours keeps; a program by its bearer
token. What forms carry against other sites' is derived from the same secret.
"""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import compare_digest, token_urlsafe
from typing import Protocol

from starlette.requests import Request

from provender.core.errors import Denied, Unauthenticated
from provender.core.identity import LOCAL, Identity, Mode
from provender.core.protocols import Library
from provender.core.sessions import SECRET_BYTES, derived

Speaks = Callable[[Identity], Library]


class Sessions(Protocol):
    """What keeps sessions of browsers, and knows tokens."""

    def identify(self, secret: str) -> Identity: ...

    def sign_in(self, identity: Identity, *, instead_of: str = "") -> str: ...

    def signed_in(self, secret: str) -> Identity: ...

    def sign_out(self, secret: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie of ours. Over TLS no other host can have set it (``__Host-``)."""

    name: str
    seconds: int

    def called(self, request: Request, mode: Mode) -> str:
        """Return what it is called in ``request``."""
        return f"__Host-{self.name}" if is_secure(request, mode) else self.name

    def read(self, request: Request, mode: Mode) -> str:
        """Return what it says; empty if it is not there."""
        return request.cookies.get(self.called(request, mode), "")


SESSION = Cookie(name="provender", seconds=12 * 3600)
SIGNING = Cookie(name="provender-signing", seconds=600)
"""Of a browser whose owner is about to sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is known, and the catalog that speaks to them; ``secret`` is of their session."""

    catalog: Library
    identity: Identity
    secret: str

    @property
    def csrf(self) -> str:
        """What a form of theirs carries, and no other site can know."""
        return derived("csrf", self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitors:
    """Tells visitors apart; ``known`` raises Unauthenticated for a request of nobody's.

    Without ``sessions`` nobody signs in: all are taken for one person.
    """

    mode: Mode
    known: Callable[[Request], Visitor]
    sessions: Sessions | None = None


def everybody(catalog: Library, identity: Identity) -> Visitors:
    """Return what takes every request for ``identity``'s, to whom ``catalog`` speaks."""
    visitor = Visitor(catalog=catalog, identity=identity, secret=token_urlsafe(SECRET_BYTES))
    return Visitors(mode=LOCAL, known=lambda request: visitor)


def signed_in(
    speaks: Speaks, sessions: Sessions, identify: Callable[[Request], Identity], *, mode: Mode
) -> Visitors:
    """Return what knows browsers by their sessions, and everything else as ``identify`` does."""

    def known(request: Request) -> Visitor:
        secret = SESSION.read(request, mode)
        bearer = request.headers.get("authorization", "")
        try:
            found = sessions.signed_in(secret) if secret and not bearer else identify(request)
        except Unauthenticated:
            if bearer or not mode.anonymous:
                raise
            found, secret = identify(request), ""
        return Visitor(catalog=speaks(found), identity=found, secret=secret or bearer)

    return Visitors(mode=mode, known=known, sessions=sessions)


def is_secure(request: Request, mode: Mode) -> bool:
    """Return whether ``request`` came over TLS, to us or to the proxy that people reach us by."""
    return request.url.scheme == "https" or (
        mode.public_host != "" and request.headers.get("host", "").lower() == mode.public_host
    )


def check_csrf(sent: str, secret: str) -> None:
    """Return if a form that carried ``sent`` was made for who has ``secret``.

    Raises:
        Denied: it was not.
    """
    if not (secret and compare_digest(sent.encode(), derived("csrf", secret).encode())):
        raise Denied(
            "this form was not made for you as you are signed in now",
            hint="open the page again, and send its form",
        )
