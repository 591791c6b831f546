"""What a page function returns: facts for the JSON twin, and a template to show them with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from provender.core.errors import InvalidInput
from provender.core.protocols import Library


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``facts`` are the page's content and its JSON twin; ``shown`` is only for the template."""

    template: str
    title: str
    facts: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page: whose catalog, what was asked, and when."""

    catalog: Library
    request: Request
    now: datetime

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """Return a query parameter without white space around it, empty if it is not given."""
        return self.request.query_params.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """Return a query parameter that counts something, None if it is not given.

        Raises:
            InvalidInput: it is not a whole number from 1.
        """
        text = self.asked(name)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) > 0):
            raise InvalidInput(
                f"{name}={text!r} is not a whole number from 1", hint=f"leave {name} out"
            )
        return int(text)


PageFunction = Callable[[Visit], Page]
