"""Models: which training set each version was made of."""

from typing import Annotated

from fastapi import Path, Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import After, Asking, IfNoneMatch, Limit, Number, Text
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, NotFound
from provender.core.models import ModelVersion

routes = Routes("models")
ModelName = Annotated[
    Text, Path(min_length=1, max_length=200, description="A model's.", examples=["fare-model"])
]


@routes.get("/models", Listed[ModelVersion], raises=(NotFound,))
def list_models(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the newest version of every model made of data that may be discovered, by name."""
    begin = paging.place(request, after)
    found = catalog.models.models(limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.post("/models", ModelVersion, status=201, raises=(NotFound, Denied, Conflict))
def record_model(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.ModelTrained, bodies.taken(bodies.ModelTrained)],
) -> Response:
    """Write down what a model was made of; the same one again is the same version."""
    made = catalog.models.record(body.model)
    where = answers.address(request, "models", made.trained.name, "versions", str(made.number))
    return answers.answer(request, made, status=201, location=where)


@routes.get("/models/{name}", ModelVersion, raises=(NotFound,))
def get_model(
    request: Request, catalog: Asking, name: ModelName, if_none_match: IfNoneMatch = None
) -> Response:
    """Return the newest version of a model."""
    return answers.answer(request, catalog.models.version(name))


@routes.get("/models/{name}/versions", Listed[ModelVersion], raises=(NotFound,))
def list_model_versions(
    request: Request,
    catalog: Asking,
    name: ModelName,
    *,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the versions of a model, the newest first."""
    begin = paging.place(request, after)
    found = catalog.models.versions(name, limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.get("/models/{name}/versions/{number}", ModelVersion, raises=(NotFound,))
def get_model_version(
    request: Request,
    catalog: Asking,
    name: ModelName,
    number: Number,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return one version of a model."""
    return answers.answer(request, catalog.models.version(name, number))
