"""Models: which training set each version was made of."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Query, Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import After, Asking, IfNoneMatch, Limit, Number, Text
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied, NotFound
from provender.core.models import ModelVersion, parts, whole_name

routes = Routes("models")
ModelName = Annotated[
    Text, Path(min_length=1, max_length=200, description="A model's.", examples=["fare-model"])
]
InProject = Annotated[
    Text,
    Query(max_length=200, description="Its project; needed where several have one of that name."),
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
    """Write down what a model was made of; the same one again is the same version, without a key."""
    made = catalog.models.record(body.model)
    project, name = parts(made.trained.name)
    where = answers.address(request, "models", name, "versions", str(made.number))
    where = f"{where}?{urlencode({'project': project})}"
    return answers.answer(request, made, status=201, location=where)


@routes.get("/models/{name}", ModelVersion, raises=(NotFound,))
def get_model(
    request: Request,
    catalog: Asking,
    name: ModelName,
    project: InProject = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the newest version of a model."""
    return answers.answer(request, catalog.models.version(whole_name(project, name)))


@routes.get("/models/{name}/versions", Listed[ModelVersion], raises=(NotFound,))
def list_model_versions(
    request: Request,
    catalog: Asking,
    name: ModelName,
    *,
    project: InProject = "",
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the versions of a model, the newest first."""
    begin = paging.place(request, after)
    found = catalog.models.versions(whole_name(project, name), limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.get("/models/{name}/versions/{number}", ModelVersion, raises=(NotFound,))
def get_model_version(
    request: Request,
    catalog: Asking,
    name: ModelName,
    number: Number,
    project: InProject = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return one version of a model."""
    return answers.answer(request, catalog.models.version(whole_name(project, name), number))
