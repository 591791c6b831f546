"""Access: permits, decisions and grants."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import (
    After,
    Asking,
    DatasetName,
    Id,
    IdempotencyKey,
    IfNoneMatch,
    Instant,
    Limit,
)
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, KeyReused, NotFound, Recalled
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Decision, Grant, Permit

routes = Routes("access")
On = Annotated[DatasetName | None, Query(description="On that dataset only.")]


@routes.get("/actor", Actor)
def get_actor(request: Request, catalog: Asking, if_none_match: IfNoneMatch = None) -> Response:
    """Return who the server takes the caller for, with the teams that the catalog knows."""
    return answers.answer(request, catalog.actor)


@routes.post("/permits", Permit, raises=(NotFound, Denied, Recalled, Conflict))
def get_permit(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.PermitWanted, bodies.taken(bodies.PermitWanted)],
) -> Response:
    """Return proof that the caller may; what lets rows out is written down, and every refusal."""
    refs = [DatasetRef.parse(version) for version in body.versions]
    permit = catalog.permit(body.action, body.columns, purpose=body.purpose, versions=refs)
    return answers.answer(request, permit)


@routes.post("/decisions", Decision, raises=(NotFound, Denied))
def decide(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.DecisionWanted, bodies.taken(bodies.DecisionWanted)],
) -> Response:
    """Return what would be decided, for the caller or another actor, and why; nothing is written."""
    found = catalog.records.decide(
        body.action, body.columns, purpose=body.purpose, actor=body.actor
    )
    return answers.answer(request, found)


@routes.get("/grants", Listed[Grant], raises=(NotFound,))
def list_grants(
    request: Request,
    catalog: Asking,
    dataset: On = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the caller's own grants, and those on datasets they steward, oldest first."""
    ref = DatasetRef.parse(dataset) if dataset else None
    found = catalog.records.grants(ref, limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))


@routes.post("/grants", Grant, status=201, raises=(NotFound, Denied, Conflict, KeyReused))
def give_grant(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.GrantWanted, bodies.taken(bodies.GrantWanted)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Let somebody do something to a dataset; an equal grant that is in force is the answer."""
    given = catalog.records.grant(
        DatasetRef.parse(body.dataset),
        grantee=body.grantee,
        action=body.action,
        columns=body.columns,
        purposes=body.purposes,
        until=body.until,
        reason=body.reason,
        effect=body.effect,
        mask=body.mask,
        through=body.through,
        key=idempotency_key or "",
    )
    where = answers.address(request, "grants", given.id)
    return answers.answer(request, given, status=201, location=where)


@routes.get("/grants/expiring", Listed[Grant])
def list_expiring(
    request: Request,
    catalog: Asking,
    until: Annotated[Instant, Query(description="Which end before that instant.")],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the grants that the caller may see and that end soon, the next to end first."""
    return answers.answer(request, catalog.access.expiring(until=until))


@routes.get("/grants/unused", Listed[Grant])
def list_unused(
    request: Request,
    catalog: Asking,
    since: Annotated[Instant, Query(description="Not used since that instant.")],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the grants to read and to serve that no permit has rested on since an instant, oldest first."""
    return answers.answer(request, catalog.access.unused(since=since))


@routes.get("/grants/{id}", Grant, raises=(NotFound,))
def get_grant(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return one of the grants that the caller may see."""
    return answers.answer(request, catalog.records.granted(id))


@routes.post("/grants/{id}/renew", Grant, raises=(NotFound, Denied, Conflict))
def renew_grant(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    body: Annotated[bodies.RenewalWanted, bodies.taken(bodies.RenewalWanted)],
) -> Response:
    """Let a grant that was not revoked hold until another instant."""
    renewed = catalog.access.renew(id, until=body.until, reason=body.reason)
    return answers.answer(request, renewed)


@routes.post("/grants/{id}/revoke", Grant, raises=(NotFound, Denied, Conflict))
def revoke_grant(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
) -> Response:
    """End a grant now; one that was revoked before stays as it was."""
    return answers.answer(request, catalog.records.revoke(id))
