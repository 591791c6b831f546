"""How long the data of versions is kept: foreseen, set, and followed."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies, conditions, named
from provender.api.parameters import Asking, IfMatch, Name
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import (
    Conflict,
    Denied,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from provender.core.names import DatasetRef
from provender.core.retention import Due

routes = Routes("retention")


@routes.post("/datasets/{name}/retention/plan", Listed[Due], raises=(NotFound, Denied))
def plan_retention(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bodies.RetentionAsked, bodies.taken(bodies.RetentionAsked)],
) -> Response:
    """Return what would go now and what would stay, and why; nothing is written."""
    ref = DatasetRef.parse(name)
    found = catalog.desk.retention(ref, body.rule, expected=None, dry_run=True)
    return answers.answer(request, Listed(tuple(found)))


@routes.on(
    "PUT",
    "/datasets/{name}/retention",
    Listed[Due],
    raises=(NotFound, Denied, Conflict, PreconditionFailed, PreconditionRequired),
)
def put_retention(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bodies.RetentionWanted, bodies.taken(bodies.RetentionWanted)],
    if_match: IfMatch = None,
) -> Response:
    """Keep data by a rule from now on; If-Match is the dataset's ETag. Nothing goes yet."""
    ref = DatasetRef.parse(name)
    expected = conditions.expected(if_match, named.dataset(catalog, ref))
    found = catalog.desk.retention(ref, body.rule, expected=expected, dry_run=False)
    return answers.answer(request, Listed(tuple(found)))


@routes.post("/datasets/{name}/retention/expire", Listed[Due], raises=(NotFound, Denied, Conflict))
def expire_data(request: Request, catalog: Asking, name: Name) -> Response:
    """Mark the data as gone that is due by the rule in force; upkeep deletes its files."""
    found = catalog.desk.retention(DatasetRef.parse(name), None, expected=None, dry_run=False)
    return answers.answer(request, Listed(tuple(found)))
