"""API tokens, and how the server knows who asks."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import After, Asking, Id, IfNoneMatch, Limit
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, NotFound
from provender.core.identity import Mode
from provender.core.tokens import IssuedToken, Token

routes = Routes("tokens")


@routes.get("/mode", Mode, open=True)
def get_mode(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Return whether the server takes everybody for one person, or wants to know who asks."""
    return answers.answer(request, request.app.state.mode)


@routes.get("/tokens", Listed[Token])
def list_tokens(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the caller's own tokens, oldest first; all there are, to who governs.

    A limited token sees itself, and those that it could make and end.
    """
    found = catalog.keyring.tokens(limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))


@routes.post("/tokens", IssuedToken, status=201, raises=(Denied, NotFound))
def create_token(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.TokenWanted, bodies.taken(bodies.TokenWanted)],
) -> Response:
    """Make a token for the caller or a service. Its secret is in this answer, and nowhere else."""
    made = catalog.keyring.create(body.name, actor=body.actor, limits=body.limits, until=body.until)
    where = answers.address(request, "tokens", made.token.id)
    return answers.secret(answers.answer(request, made, status=201, location=where))


@routes.post("/tokens/{id}/revoke", Token, raises=(NotFound,))
def revoke_token(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
) -> Response:
    """End a token now; one that was revoked before stays as it was."""
    return answers.answer(request, catalog.keyring.revoke(id))


@routes.post("/tokens/{id}/rotate", IssuedToken, raises=(NotFound, Denied, Conflict))
def rotate_token(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
) -> Response:
    """End a token now and make one in its place, whose secret is in this answer only."""
    return answers.secret(answers.answer(request, catalog.keyring.rotate(id)))
