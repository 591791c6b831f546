"""Errors as answers: one shape for all of them, whatever raised them."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from provender.core.bounds import PROBLEMS
from provender.core.errors import (
    Busy,
    Denied,
    Fact,
    InvalidInput,
    NotFound,
    Problems,
    ProvenderError,
    Unauthenticated,
)
from provender.values import to_json

JSON = "application/json"
MALFORMED_HINT = "see the description of the API: /api/v1/openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, and ``where``: a parameter or a part of the body; perhaps nowhere."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a request was not done. ``code`` is stable; ``hint`` says what to do about it.

    ``what`` is the kind of thing that was not found, or nothing. The request is in the server's
    log by its ``request_id``. ``facts`` say of what was denied what is closed, and who can grant it.
    """

    status: int
    title: str
    code: str
    message: str
    hint: str
    what: str
    request_id: str
    problems: tuple[Problem, ...]
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """The body of every answer that is not a success."""

    error: Fault


class Malformed(InvalidInput):
    """A request that is not what the API's description says; its faults are listed, or the first of many."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = "; ".join(f"{one.where}: {one.what}" for one in problems[:3])
        more = f"; and {len(problems) - 3} more" if problems[3:] else ""
        super().__init__(f"the request is not well formed: {first}{more}", hint=MALFORMED_HINT)
        self.problems = _first(problems)


class Refused(ProvenderError):
    """A request that is refused for how it was sent, before anything is looked at."""

    code: ClassVar[str] = "refused"

    def __init__(self, status: HTTPStatus, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.refused_with = status


CODES = {
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type",
    HTTPStatus.MISDIRECTED_REQUEST: "misdirected",
    HTTPStatus.FORBIDDEN: "cross-site",
}
"""Codes of what `Refused` and the router refuse; all others are of `core.errors`."""


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that ended with ``error``."""
    return explain(request, error)


def explain(request: Request, error: Exception) -> Response:
    """Return the answer that says what went wrong; of what nobody foresaw, nothing of its inside."""
    headers: dict[str, str] = {}
    problems: tuple[Problem, ...] = ()
    match error:
        case RequestValidationError():
            return explain(request, malformed(error))
        case HTTPException(status_code=404):
            told: ProvenderError = NotFound(
                f"there is nothing at {request.url.path}", hint=MALFORMED_HINT, what="address"
            )
        case HTTPException(status_code=405):
            allowed = methods(request)
            headers["allow"] = ", ".join(allowed)
            told = Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{request.method} is not for {request.url.path}",
                hint=f"it takes {', '.join(allowed)}",
            )
        case HTTPException():
            told = Refused(HTTPStatus(error.status_code), str(error.detail), hint=MALFORMED_HINT)
        case Unauthenticated():
            headers["www-authenticate"] = 'Bearer realm="provender"'
            told = error
        case Busy():
            headers["retry-after"] = str(error.retry_after)
            told = error
        case ProvenderError():
            told = error
        case _:
            told = ProvenderError(
                "something went wrong on the server", hint="the server's log says what"
            )
    if isinstance(told, Malformed):
        problems = told.problems
    elif isinstance(told, Problems):
        problems = tuple(Problem(where="", what=what) for what in told.problems)
    return fault(told, request_id(request), problems=problems, headers=headers)


def fault(
    error: ProvenderError,
    request: str,
    *,
    problems: tuple[Problem, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that tells of ``error``."""
    status = HTTPStatus(error.refused_with if isinstance(error, Refused) else error.status)
    body = Fault(
        status=int(status),
        title=status.phrase,
        code=CODES.get(status, error.code) if isinstance(error, Refused) else error.code,
        message=error.message,
        hint=error.hint,
        what=error.what if isinstance(error, NotFound) else "",
        request_id=request,
        problems=problems,
        facts=error.facts if isinstance(error, Denied) else (),
    )
    shown = to_json(ErrorAnswer(error=body))
    return Response(shown, int(status), headers=dict(headers or {}), media_type=JSON)


def malformed(error: RequestValidationError) -> Malformed:
    """Return what is wrong with the parameters of a request."""
    return Malformed(
        tuple(
            Problem(where=".".join(str(part) for part in found["loc"]), what=said(found["msg"]))
            for found in error.errors()
        )
    )


def _first(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return so many of them as are told, and in the last place how many others there are."""
    if len(problems) <= PROBLEMS:
        return problems
    others = Problem(where="", what=f"and {len(problems) - PROBLEMS:,} more")
    return (*problems[:PROBLEMS], others)


def said(message: str) -> str:
    """Return pydantic's words for a fault, as we begin them."""
    return message.removeprefix("Value error, ")


def methods(request: Request) -> list[str]:
    """Return the methods that the address of a request takes, over all of its routes."""
    found: set[str] = set()
    for route in request.app.router.routes:
        matched, _ = route.matches(request.scope)
        if matched is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def request_id(request: Request) -> str:
    """Return the id that a request has in the answer, the log and the audit trail."""
    return str(request.scope.get("state", {}).get("request_id", ""))
