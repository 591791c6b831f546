"""Versions of datasets: published, found by age or format, and what was measured of them."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, bodies, paging
from provender.api.parameters import (
    After,
    Asking,
    AsOf,
    Counted,
    DatasetName,
    IdempotencyKey,
    IfNoneMatch,
    Limit,
    Name,
    Number,
    Seconds,
    seconds,
)
from provender.api.routes import Routes
from provender.core.datasets import DatasetVersion, Evidence, Format, Listed, Release
from provender.core.errors import (
    Conflict,
    Denied,
    Gone,
    Incompatible,
    KeyReused,
    NotFound,
    Recalled,
    Stale,
)
from provender.core.names import DatasetRef

routes = Routes("versions")
FormatAsked = Annotated[
    Format | None, Query(description="As which the rows are wanted; none: as they were published.")
]
Below = Annotated[Counted | None, Query(description="Only versions before that one.")]
MaxAge = Annotated[Seconds | None, Query(description="Seconds that the data may be old.")]


@routes.get("/datasets/{name}/versions", Listed[Release], raises=(NotFound,))
def list_versions(
    request: Request,
    catalog: Asking,
    name: Name,
    below: Below = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the versions of a dataset, the newest first."""
    begin = paging.place(request, after) or (str(below) if below else "")
    found = catalog.finder.releases(DatasetRef.parse(name), limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.post(
    "/datasets/{name}/versions",
    DatasetVersion,
    status=201,
    raises=(NotFound, Denied, Conflict, Incompatible, KeyReused),
)
def publish_version(
    request: Request,
    catalog: Asking,
    name: Name,
    body: Annotated[bodies.Publish, bodies.taken(bodies.Publish)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Publish a version; what readers get already is the answer if it has the same content."""
    made = catalog.publish(
        DatasetRef.parse(name),
        body.manifest,
        parent=body.parent,
        breaking_reason=body.breaking_reason,
        note=body.note,
        evidence=body.evidence,
        draft=body.draft,
        key=idempotency_key or "",
    )
    where = answers.address(request, "datasets", made.ref.dataset, "versions", made.number)
    return answers.answer(request, made, status=201, location=where)


@routes.get("/datasets/{name}/versions/{number}", Release, raises=(NotFound, Gone, Recalled))
def get_version(
    request: Request,
    catalog: Asking,
    name: Name,
    number: Number,
    format: FormatAsked = None,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return a version and where it stands."""
    found = catalog.release(DatasetRef.parse(name).at(number), format=format)
    return answers.answer(request, found)


@routes.get("/datasets/{name}/versions/{number}/evidence", Evidence, raises=(NotFound, Recalled))
def get_evidence(
    request: Request,
    catalog: Asking,
    name: Name,
    number: Number,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what the publisher of a version measured: its run, its profile, its checks."""
    found = catalog.finder.evidence(DatasetRef.parse(name).at(number))
    return answers.answer(request, found)


@routes.post(
    "/datasets/{name}/versions/{number}/representations",
    Release,
    status=201,
    raises=(NotFound, Denied, Conflict, KeyReused, Recalled),
)
def add_representation(
    request: Request,
    catalog: Asking,
    name: Name,
    number: Number,
    body: Annotated[bodies.Represent, bodies.taken(bodies.Represent)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write down that the rows of a version can be had in another format too."""
    ref = DatasetRef.parse(name).at(number)
    made = catalog.represent(ref, body.manifest, key=idempotency_key or "")
    version = made.version
    where = answers.address(request, "datasets", version.ref.dataset, "versions", version.number)
    shown = f"{where}?format={version.manifest.format}"
    return answers.answer(request, made, status=201, location=shown)


@routes.get("/resolve", Release, raises=(NotFound, Stale, Recalled, Gone))
def resolve_version(
    request: Request,
    catalog: Asking,
    name: Annotated[DatasetName, Query(description="domain.name", examples=["aviation.flights"])],
    version: Annotated[Counted | None, Query(description="None: the latest one.")] = None,
    as_of: AsOf = None,
    max_age: MaxAge = None,
    format: FormatAsked = None,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the version that readers get: of another age or in another format, if so asked."""
    ref = DatasetRef.parse(name).at(version)
    found = catalog.release(ref, as_of=as_of, max_age=seconds(max_age), format=format)
    return answers.answer(request, found)
