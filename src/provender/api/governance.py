"""Governance as code: what is in force, what a change of it would do, and the change."""

from typing import Annotated, Literal

from fastapi import Request, Response

from provender.api import answers, bodies, conditions
from provender.api.parameters import Asking, AsOf, IfMatch, IfNoneMatch
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import (
    Conflict,
    Denied,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
)
from provender.core.governance import Governance, Step, plan_digest
from provender.core.simulation import Simulation

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
    """Return the steps that applying this would take. Its ETag is for taking just these."""
    steps = catalog.desk.plan(body.desired)
    found = answers.answer(request, Listed(tuple(steps)))
    found.headers["etag"] = f'"{plan_digest(steps)}"'
    return found


@routes.post("/governance/simulate", Simulation, raises=(NotFound, Denied, Conflict, Problems))
def simulate_governance(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Supposed, bodies.taken(bodies.Supposed)],
) -> Response:
    """Return who would lose and gain if this was applied, by what was decided; nothing is written."""
    return answers.answer(request, catalog.access.simulate(body.desired, since=body.since))


@routes.post(
    "/governance/apply",
    Listed[Step],
    raises=(NotFound, Denied, Conflict, Problems, PreconditionFailed, PreconditionRequired),
)
def apply_governance(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Application, bodies.taken(bodies.Application)],
    if_match: IfMatch = None,
) -> Response:
    """Make it so; If-Match is the ETag of the plan. Edits of others stay unless it overwrites."""
    expected = conditions.expected_content(if_match)
    done = catalog.desk.apply(body.desired, overwrite=body.overwrite, expected=expected)
    return answers.answer(request, Listed(tuple(done)))
