"""Training sets: what each was made of."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import After, Asking, Id, IdempotencyKey, IfNoneMatch, Limit
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, KeyReused, NotFound
from provender.core.training import TrainingSetManifest

routes = Routes("training sets")


@routes.get("/training-sets", Listed[TrainingSetManifest], raises=(NotFound,))
def list_training_sets(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the training sets whose datasets may be discovered, newest first."""
    begin = paging.place(request, after)
    found = catalog.records.training_sets(limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.post(
    "/training-sets",
    TrainingSetManifest,
    status=201,
    raises=(NotFound, Denied, Conflict, KeyReused),
)
def record_training_set(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.TrainingSet, bodies.taken(bodies.TrainingSet)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write down what a training set was made of; the same one again only adds to the audit trail."""
    catalog.record(body.training_set, key=idempotency_key or "")
    made = catalog.records.training_set(body.training_set.id)
    where = answers.address(request, "training-sets", made.id)
    return answers.answer(request, made, status=201, location=where)


@routes.get("/training-sets/{id}", TrainingSetManifest, raises=(NotFound,))
def get_training_set(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what a training set was made of; the start of its id will do."""
    return answers.answer(request, catalog.records.training_set(id))
