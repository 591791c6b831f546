"""Requests for access: foreseen, made, read and answered."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, bodies, conditions, named, paging
from provender.api.parameters import (
    After,
    Asking,
    Id,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
)
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import (
    Conflict,
    Denied,
    KeyReused,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from provender.core.requests import AccessRequest, Foreseen, RequestState

routes = Routes("access")
Standing = Annotated[RequestState | None, Query(description="Requests that stand there only.")]


@routes.post("/foresight", Foreseen, raises=(NotFound,))
def foresee_request(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.AccessWanted, bodies.taken(bodies.AccessWanted)],
) -> Response:
    """Return what a request would show, column by column; nothing is written, no value is told."""
    return answers.answer(request, catalog.access.foresee(body.wanted))


@routes.post("/requests", AccessRequest, status=201, raises=(NotFound, Conflict, KeyReused))
def make_request(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.AccessWanted, bodies.taken(bodies.AccessWanted)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for access; an equal request that is open is the answer."""
    made = catalog.access.ask(body.wanted, key=idempotency_key or "")
    where = answers.address(request, "requests", made.id)
    return answers.answer(request, made, status=201, location=where)


@routes.get("/requests", Listed[AccessRequest])
def list_requests(
    request: Request,
    catalog: Asking,
    state: Standing = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what the caller asked for, is to have, or decides about, newest first."""
    found = catalog.access.requests(state=state, limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))


@routes.get("/requests/{id}", Foreseen, raises=(NotFound,))
def get_request(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return a request and what it would show as things are now. Its ETag is for answers."""
    found = catalog.access.requested(id)
    state = conditions.State(named.thing("request", id)(), found.request.revision)
    return answers.answer(request, found, state=state)


@routes.post(
    "/requests/{id}/answer",
    AccessRequest,
    raises=(NotFound, Denied, Conflict, KeyReused, PreconditionFailed, PreconditionRequired),
)
def answer_request(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    body: Annotated[bodies.AnswerWanted, bodies.taken(bodies.AnswerWanted)],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Approve, reject or withdraw a request; enough approvals give its grants with them."""
    expected = conditions.expected(if_match, named.thing("request", id))
    key = idempotency_key or ""
    after = catalog.access.answer(id, body.step, reason=body.reason, expected=expected, key=key)
    return answers.answer(request, after)
