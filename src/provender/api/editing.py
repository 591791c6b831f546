"""What stewards change: what is said of a dataset, where a version stands; and what was said before."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, bodies, conditions, named, paging
from provender.api.parameters import (
    After,
    Asking,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    Name,
    Number,
    Text,
)
from provender.api.routes import Routes
from provender.core.audit import Remembered
from provender.core.datasets import Entry, Listed, Release
from provender.core.errors import (
    Conflict,
    Denied,
    Gone,
    KeyReused,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
)
from provender.core.names import DatasetRef

routes = Routes("stewards")
CHANGES = (NotFound, Denied, Conflict, PreconditionFailed, PreconditionRequired)
Kind = Annotated[Text, Query(max_length=50, description="Such as dataset, version, tag or grant.")]
Key = Annotated[Text, Query(max_length=500, description="The name, id or URN of the object.")]


@routes.on("PATCH", "/datasets/{name}", Entry, raises=(*CHANGES, Problems, KeyReused))
def edit_dataset(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bodies.EditWanted, bodies.taken(bodies.EditWanted)],
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Change what is said of a dataset; what the body leaves out stays as it is."""
    ref = DatasetRef.parse(name)
    done = catalog.desk.edit(
        ref,
        body.edit,
        expected=conditions.expected(if_match, named.dataset(catalog, ref)),
        reason=body.reason,
        key=idempotency_key or "",
    )
    return answers.answer(request, done, state=named.state(done))


@routes.post("/datasets/{name}/rename", Entry, raises=(*CHANGES, Problems))
def rename_dataset(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bodies.RenameWanted, bodies.taken(bodies.RenameWanted)],
    if_match: IfMatch = None,
) -> Response:
    """Call a dataset otherwise from now on; its former names go on meaning it, and lead to the new."""
    ref = DatasetRef.parse(name)
    expected = conditions.expected(if_match, named.dataset(catalog, ref))
    done = catalog.desk.rename(ref, body.to, expected=expected)
    return answers.answer(request, done, state=named.state(done))


@routes.post("/datasets/{name}/versions/{number}/state", Release, raises=(*CHANGES, Gone))
def step_version(
    request: Request,
    catalog: Asking,
    name: Name,
    number: Number,
    body: Annotated[bodies.StepWanted, bodies.taken(bodies.StepWanted)],
    if_match: IfMatch = None,
) -> Response:
    """Publish, deprecate, recall, restore or release a version; If-Match is the dataset's ETag."""
    ref = DatasetRef.parse(name)
    done = catalog.desk.step(
        ref.at(number),
        body.step,
        reason=body.reason,
        severity=body.severity,
        replacement=body.replacement,
        expected=conditions.expected(if_match, named.dataset(catalog, ref)),
    )
    return answers.answer(request, done)


@routes.get("/datasets/{name}/history", Listed[Remembered], raises=(NotFound, Denied))
def list_dataset_history(
    request: Request,
    catalog: Asking,
    name: Name,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what was said of a dataset, the latest first: by whom and why."""
    begin = paging.place(request, after)
    found = catalog.desk.history("dataset", name, limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.get("/history", Listed[Remembered], raises=(NotFound, Denied))
def list_history(
    request: Request,
    catalog: Asking,
    kind: Kind,
    key: Key,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the states that an object had, the latest first."""
    begin = paging.place(request, after)
    found = catalog.desk.history(kind, key, limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))
