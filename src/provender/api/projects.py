"""Feature definitions of projects, and what servers serve of them."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies, conditions, named, paging
from provender.api.parameters import After, Asking, Id, IfMatch, IfNoneMatch, Limit, Project
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from provender.core.features import RepoSpec, ServiceSpec, ViewSpec
from provender.core.leases import PolicyLease
from provender.core.serving import ServingManifest

routes = Routes("projects")


@routes.get("/projects", Listed[str])
def list_projects(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the projects that have definitions which may be known, by name."""
    names = sorted(catalog.records.projects())
    return answers.answer(request, paging.cut(request, names, limit=limit, after=after))


@routes.get("/projects/{project}/definitions", RepoSpec, raises=(NotFound,))
def get_definitions(
    request: Request, catalog: Asking, project: Project, if_none_match: IfNoneMatch = None
) -> Response:
    """Return the definitions applied last, as far as they may be known. Its ETag is for changes."""
    state = named.thing_state(catalog, "definitions", project)
    return answers.answer(request, catalog.repo(project), state=state)


@routes.on(
    "PUT",
    "/projects/{project}/definitions",
    None,
    status=204,
    raises=(NotFound, Denied, Conflict, PreconditionFailed, PreconditionRequired),
)
def put_definitions(
    request: Request,
    catalog: Asking,
    project: Project,
    body: Annotated[bodies.Definitions, bodies.taken(bodies.Definitions)],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Record the definitions of a project, and the serving manifest that they give."""
    of = named.thing("definitions", project)
    expected = conditions.expected_or_none(if_match, if_none_match, of)
    catalog.record(_of(project, body), expected=expected)
    return answers.nothing()


@routes.get("/projects/{project}/views/{name}", ViewSpec, raises=(NotFound,))
def get_view(
    request: Request, catalog: Asking, project: Project, name: Id, if_none_match: IfNoneMatch = None
) -> Response:
    """Return a feature view of a project."""
    return answers.answer(request, catalog.repo(project).view(name))


@routes.get("/projects/{project}/services/{name}", ServiceSpec, raises=(NotFound,))
def get_service(
    request: Request, catalog: Asking, project: Project, name: Id, if_none_match: IfNoneMatch = None
) -> Response:
    """Return a feature service of a project."""
    return answers.answer(request, catalog.repo(project).service(name))


@routes.get("/projects/{project}/serving-manifest", ServingManifest, raises=(NotFound,))
def get_serving_manifest(
    request: Request, catalog: Asking, project: Project, if_none_match: IfNoneMatch = None
) -> Response:
    """Return what a project serves, as far as it may be known."""
    return answers.answer(request, catalog.records.serving_manifest(project))


@routes.post(
    "/projects/{project}/serving-manifest", ServingManifest, raises=(NotFound, Denied, Conflict)
)
def compile_serving_manifest(
    request: Request,
    catalog: Asking,
    project: Project,
    body: Annotated[bodies.Definitions, bodies.taken(bodies.Definitions)],
) -> Response:
    """Return what servers would get if these definitions were recorded; nothing is written."""
    return answers.answer(request, catalog.compile_serving(_of(project, body)))


@routes.get("/projects/{project}/serving-digest", bodies.Digest, raises=(NotFound,))
def get_serving_digest(
    request: Request, catalog: Asking, project: Project, if_none_match: IfNoneMatch = None
) -> Response:
    """Return the digest that the whole serving manifest of a project has by the policy of now."""
    found = catalog.records.serving_digest(project)
    return answers.answer(request, bodies.Digest(digest=found))


@routes.get("/projects/{project}/policy-state", bodies.Digest)
def get_policy_state(
    request: Request, catalog: Asking, project: Project, if_none_match: IfNoneMatch = None
) -> Response:
    """Return a word that changes with all that may change what a project serves, but for time."""
    found = catalog.records.policy_state(project)
    return answers.answer(request, bodies.Digest(digest=found))


@routes.get("/projects/{project}/policy-lease", PolicyLease, raises=(NotFound,))
def get_policy_lease(
    request: Request, catalog: Asking, project: Project, if_none_match: IfNoneMatch = None
) -> Response:
    """Return what servers may serve of a project by the policy of now, as far as it may be known."""
    return answers.answer(request, catalog.records.policy_lease(project))


def _of(project: str, body: bodies.Definitions) -> RepoSpec:
    if body.definitions.project != project:
        raise InvalidInput(
            f"these are definitions of {body.definitions.project!r}, not of {project!r}",
            hint="send them to the address of their own project",
        )
    return body.definitions
