"""Governance as code: what is in force, what a change of it would do, and the change."""

from dataclasses import replace
from typing import Literal

from fastapi import Request, Response

from provender.api import answers
from provender.api.parameters import Asking, AsOf, IfNoneMatch
from provender.api.routes import Routes
from provender.core.governance import Governance

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
    if as_of is None:
        return answers.answer(request, catalog.governance(datasets=datasets == "true"))
    found = catalog.desk.governance(as_of=as_of)
    return answers.answer(request, found if datasets == "true" else replace(found, datasets=()))
