"""Access that is taken at once, and reviewed after."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies
from provender.api.parameters import Asking, Id, IdempotencyKey, IfNoneMatch
from provender.api.routes import Routes
from provender.core.breakglass import BreakGlass
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, KeyReused, NotFound
from provender.core.names import DatasetRef

routes = Routes("access")


@routes.get("/break-glass", Listed[BreakGlass])
def list_broken(request: Request, catalog: Asking, if_none_match: IfNoneMatch = None) -> Response:
    """Return what the caller took, and what was taken of what they look after; unreviewed first."""
    return answers.answer(request, catalog.access.broken())


@routes.post("/break-glass", BreakGlass, status=201, raises=(NotFound, Denied, Conflict, KeyReused))
def break_glass(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.GlassBroken, bodies.taken(bodies.GlassBroken)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take access for some hours, by a rule that allows it; somebody else has to review that."""
    taken = catalog.access.break_glass(
        DatasetRef.parse(body.dataset),
        columns=body.columns,
        action=body.action,
        purpose=body.purpose,
        hours=body.hours,
        reason=body.reason,
        key=idempotency_key or "",
    )
    return answers.answer(request, taken, status=201)


@routes.post("/break-glass/{id}/review", BreakGlass, raises=(NotFound, Denied, Conflict))
def review_broken(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    body: Annotated[bodies.ReviewWanted, bodies.taken(bodies.ReviewWanted)],
) -> Response:
    """Review what somebody took; what was not justified ends now."""
    reviewed = catalog.access.review(id, justified=body.justified, note=body.note)
    return answers.answer(request, reviewed)
