"""Who visits: whose catalog a page is made from. The one place that says so for pages."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from provender.core.identity import LOCAL, Identity, Mode
from provender.core.protocols import Library


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is known, and the catalog that speaks to them."""

    catalog: Library
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitors:
    """Tells visitors apart; ``known`` raises Unauthenticated for a request of nobody's."""

    mode: Mode
    known: Callable[[Request], Visitor]


def everybody(catalog: Library, identity: Identity) -> Visitors:
    """Return what takes every request for ``identity``'s, to whom ``catalog`` speaks."""
    visitor = Visitor(catalog=catalog, identity=identity)
    return Visitors(mode=LOCAL, known=lambda request: visitor)
