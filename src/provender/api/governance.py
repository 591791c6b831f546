"""Governance as code: what is in force, what a change of it would do, and the change."""

from fastapi import Request, Response

from provender.api import answers
from provender.api.parameters import Asking, AsOf, IfNoneMatch
from provender.api.routes import Routes
from provender.core.governance import Governance

routes = Routes("governance")


@routes.get("/governance", Governance)
def get_governance(
    request: Request, catalog: Asking, as_of: AsOf = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Return what is in force, or was at an instant, of datasets those that may be discovered."""
    return answers.answer(request, catalog.desk.governance(as_of=as_of))
