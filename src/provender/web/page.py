"""What a page function returns: facts for the JSON twin, and a template to show them with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput, Unauthenticated
from provender.core.identity import Mode
from provender.core.people import Actor
from provender.core.protocols import Library
from provender.web.visitors import Cookie, Visitor, Visitors

Cookies = tuple[tuple[Cookie, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``facts`` are the page's content and its JSON twin; ``shown`` is only for the template.

    ``fragment`` is the template of the part that a script on the page may ask for by itself;
    ``cookies`` what the browser is to remember, None: to forget.
    """

    template: str
    title: str
    facts: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)
    fragment: str = ""
    status: int = 200
    cookies: Cookies = ()
    csrf: str = ""
    """What its forms carry, where nobody is known yet."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The address where to go on: after something was done, or where a page is now.

    ``permanent``: the page is there for good.
    """

    address: str
    permanent: bool = False
    cookies: Cookies = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page: by whom, what was asked, and when."""

    visitor: Visitor | None
    request: Request
    now: datetime
    visitors: Visitors

    @property
    def mode(self) -> Mode:
        """How it is known who visits."""
        return self.visitors.mode

    @property
    def catalog(self) -> Library:
        """The catalog, as it speaks to the visitor.

        Raises:
            Unauthenticated: nobody knows who that is.
        """
        if self.visitor is None:
            raise Unauthenticated("it is not known who asks", hint="sign in")
        return self.visitor.catalog

    @property
    def who(self) -> Actor | None:
        """Who visits, with their teams; None if nobody knows."""
        return self.visitor.catalog.actor if self.visitor else None

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """Return a query parameter without white space around it, empty if it is not given."""
        return self.request.query_params.get(name, "").strip()

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of a query parameter that are not empty, each once."""
        values = (value.strip() for value in self.request.query_params.getlist(name))
        return tuple(dict.fromkeys(value for value in values if value))

    def number(self, name: str) -> int | None:
        """Return a query parameter that counts something, None if it is not given.

        Raises:
            InvalidInput: it is not a whole number from 1.
        """
        text = self.asked(name)
        return whole_number(text, what=name) if text else None

    def instant(self, name: str) -> datetime | None:
        """Return a query parameter that is an instant, in UTC.

        Raises:
            InvalidInput: it is not written as ISO 8601 says, or is of no year from 1 to 9999 in UTC.
        """
        text = self.asked(name)
        if not text:
            return None
        try:
            return to_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            raise InvalidInput(
                f"{name}={text!r} is not an instant", hint="write 2026-11-23T12:00, in UTC"
            ) from None

    @property
    def is_typing(self) -> bool:
        """Whether a script asks while somebody types, so that the last word may not be whole."""
        return self.request.headers.get("hx-source", "").startswith("input")

    @property
    def wants_fragment(self) -> bool:
        """Whether a script asks for a part of the page."""
        return self.request.headers.get("hx-request-type") == "partial"


def whole_number(text: str, *, what: str, least: int = 1) -> int:
    """Return the number from ``least`` that ``text`` is.

    Raises:
        InvalidInput: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) >= least):
        raise InvalidInput(
            f"{what}={text!r} is not a whole number from {least}", hint=f"leave {what} out"
        )
    return int(text)


PageFunction = Callable[[Visit], Page | Elsewhere]
