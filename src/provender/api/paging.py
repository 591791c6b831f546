"""Lists in pages. A cursor says where a list goes on, and is for the question that it came with."""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import Request

from provender.core.datasets import Listed
from provender.core.digest import digest, short
from provender.core.errors import InvalidInput
from provender.core.finding import Found

T = TypeVar("T")
Part = TypeVar("Part", bound="Listed[Any] | Found")
TURNS = frozenset({"limit", "after"})
"""Parameters that say which page is wanted, not of what."""


def paged(request: Request, part: Part) -> Part:
    """Return a page of the answer to ``request``, whose next is a cursor."""
    if part.next is None:
        return part
    return replace(part, next=cursor(request, part.next))


def cut(request: Request, items: Sequence[T], *, limit: int, after: str) -> Listed[T]:
    """Return a page of ``items``, which are all there are.

    Raises:
        InvalidInput: ``after`` is no cursor of this list.
    """
    begin = place(request, after) or "0"
    if not (begin.isascii() and begin.isdecimal() and len(begin) < 10):
        raise _unusable(after)
    first, end = int(begin), int(begin) + limit
    following = cursor(request, str(end)) if len(items) > end else None
    return Listed(tuple(items[first:end]), following)


def cursor(request: Request, after: str) -> str:
    """Return the text that asks for what comes after ``after`` in the answer to ``request``."""
    whole = json.dumps([_question(request), after], ensure_ascii=False)
    return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")


def place(request: Request, given: str) -> str:
    """Return where the page that ``request`` asks for begins: "" is the beginning.

    Raises:
        InvalidInput: ``given`` is no cursor, or one of another question.
    """
    if not given:
        return ""
    try:
        padded = given + "=" * (-len(given) % 4)
        question, after = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _unusable(given) from error
    if not isinstance(after, str) or "\0" in after or question != _question(request):
        raise _unusable(given)
    return after


def _unusable(given: str) -> InvalidInput:
    return InvalidInput(
        f"after={given!r} is not where this list goes on",
        hint="give what the last answer to the same question calls next",
    )


def _question(request: Request) -> str:
    asked: Iterable[tuple[str, str]] = request.query_params.multi_items()
    filters = sorted(pair for pair in asked if pair[0] not in TURNS)
    return short(digest([request.url.path, filters]))
