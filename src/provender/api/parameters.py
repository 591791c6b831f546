"""The parameters that routes share, each with the one way to write it."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.dependencies.models import Dependant
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from provender.api.errors import Malformed, Problem
from provender.api.shapes import in_utc
from provender.core.protocols import Library

PART = r"[a-z][a-z0-9_]{0,62}"
DATASET = rf"^{PART}\.{PART}$"
INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
)
WHOLE = re.compile(r"-?\d{1,19}\Z", re.ASCII)
SECONDS = re.compile(r"\d{1,9}(\.\d{1,6})?\Z", re.ASCII)
LONGEST = 2000
KEY = "idempotency-key"
SAFE = ("GET", "HEAD")
MOST = 200
"""Items of a page."""


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not WHOLE.match(value):
        raise PydanticCustomError("whole", "write a whole number in decimal digits")
    return value


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise PydanticCustomError("flag", "write true or false")
    return value


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not INSTANT.match(value):
        raise PydanticCustomError(
            "instant", "it has no time zone, or is no instant: write it like 2026-03-01T12:00:00Z"
        )
    return value


def _text(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("text", "text must not have a NUL character")
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and not SECONDS.match(value):
        raise PydanticCustomError("seconds", "write seconds in decimal digits, such as 3600 or 0.5")
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, BeforeValidator(_text)]
Instant = Annotated[datetime, BeforeValidator(_instant), AfterValidator(in_utc)]
Counted = Annotated[int, Field(ge=1, le=999_999_999), BeforeValidator(_whole)]
Position = Annotated[int, Field(ge=0, le=10**15), BeforeValidator(_whole)]
Portion = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)]
Seconds = Annotated[float, Field(ge=0, le=1e9), BeforeValidator(_seconds)]
DatasetName = Annotated[str, Field(pattern=DATASET)]

Name = Annotated[DatasetName, Path(description="domain.name", examples=["aviation.flights"])]
Number = Annotated[Counted, Path(description="A version, counted from 1.", examples=[1])]
Project = Annotated[
    Text, Path(min_length=1, max_length=200, description="A project's name.", examples=["delays"])
]
Id = Annotated[Text, Path(min_length=1, max_length=200)]
Limit = Annotated[Portion, Query(description="How many at most.")]
After = Annotated[
    Text, Query(max_length=LONGEST, description="What the last page called next; none: the first.")
]
AsOf = Annotated[Instant | None, Query(description="What was so at that instant.")]
Words = Annotated[Text, Query(max_length=LONGEST)]
Values = Annotated[list[Annotated[str, BeforeValidator(_text)]], Query(max_length=50)]
IfMatch = Annotated[
    str | None,
    Header(description="The ETag of what was looked at; a change without one is refused with 428."),
]
IfNoneMatch = Annotated[
    str | None, Header(description="Tags of answers that are known: 304 if this is one of them.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        description="Sent again with the same request, it gets the same answer and changes nothing.",
    ),
]


def seconds(given: float | None) -> timedelta | None:
    """Return the duration that was given as a parameter."""
    return None if given is None else timedelta(seconds=given)


def only_known(request: Request) -> None:
    """Refuse a query parameter that the route does not have, and one that is given twice.

    And a key under which nothing would be kept: who sends it trusts that sending again is safe.

    Raises:
        Malformed: there is one; all are named.
    """
    known = dict(_parameters(request.scope["route"].dependant))
    given = request.query_params
    problems = [
        Problem(where=f"query.{name}", what=f"there is no such parameter; there are: {_all(known)}")
        for name in dict.fromkeys(given)
        if name not in known
    ]
    problems += [
        Problem(where=f"query.{name}", what="it is given more than once")
        for name, many in known.items()
        if not many and len(given.getlist(name)) > 1
    ]
    if request.method not in SAFE and KEY in request.headers and not _takes_key(request):
        problems.append(Problem(where=f"header.{KEY}", what="nothing is kept by a key here"))
    if problems:
        raise Malformed(tuple(problems))


def _takes_key(request: Request) -> bool:
    taken = request.scope["route"].dependant.header_params
    return any(field.alias == KEY for field in taken)


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The query parameters of a route, and whether they may be given more than once."""
    for field in dependant.query_params:
        yield field.alias, "list" in str(field.field_info.annotation)
    for needed in dependant.dependencies:
        yield from _parameters(needed)


def _all(known: dict[str, bool]) -> str:
    return ", ".join(sorted(known)) or "none"


def known(request: Request) -> None:
    """Find out who sent ``request``, before anything else of it is looked at.

    Raises:
        Unauthenticated: it does not say, or what it says is not in force.
    """
    request.state.identity = request.app.state.identify(request)


async def asking(request: Request) -> Library:
    """Return the catalog, speaking for whoever sent ``request``."""
    found: Library = request.app.state.library(request)
    return found


Asking = Annotated[Library, Depends(asking)]
