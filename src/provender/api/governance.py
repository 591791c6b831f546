"""Governance as code: what is in force, what a change of it would do, and the change."""

from typing import Annotated, Literal

from fastapi import Request, Response

from provender.api import answers, bodies
from provender.api.parameters import Asking, AsOf, IfNoneMatch
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, NotFound, Problems
from provender.core.governance import Governance, Step

routes = Routes("governance")


@routes.get("/governance", Governance)
def get_governance(
    request: Request,
    catalog: Asking,
    as_of: AsOf = None,
    datasets: Literal["true", "false"] = "true",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what is in force, or was at an instant, of datasets those that may be discovered."""
    found = catalog.desk.governance(as_of=as_of, datasets=datasets == "true")
    return answers.answer(request, found)


@routes.post("/governance/plan", Listed[Step], raises=(NotFound, Denied, Conflict, Problems))
def plan_governance(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Desired, bodies.taken(bodies.Desired)],
) -> Response:
    """Return the steps that applying this would take; nothing is written."""
    return answers.answer(request, Listed(tuple(catalog.desk.plan(body.desired))))


@routes.post("/governance/apply", Listed[Step], raises=(NotFound, Denied, Conflict, Problems))
def apply_governance(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Application, bodies.taken(bodies.Application)],
) -> Response:
    """Make it so. What it does not declare is removed; edits of others stay unless it overwrites."""
    done = catalog.desk.apply(body.desired, overwrite=body.overwrite)
    return answers.answer(request, Listed(tuple(done)))
