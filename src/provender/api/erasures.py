"""Subjects erased: what is to go, what went, and the certificate of it."""

from typing import Annotated

from fastapi import Request, Response

from provender.api import answers, bodies
from provender.api.parameters import After, Asking, Id, IfNoneMatch, Limit
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.erasure import Erasure, Readers, Scope
from provender.core.errors import Conflict, Denied, Incompatible, NotFound

routes = Routes("erasures")


@routes.get("/erasures", Listed[Erasure], raises=(NotFound, Denied))
def list_erasures(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return erasures, the last first: those that are done are their own certificates."""
    return answers.answer(request, catalog.erasures.erasures(limit=limit, after=after))


@routes.get("/erasures/{id}", Erasure, raises=(NotFound, Denied))
def get_erasure(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return an erasure as far as it is, signed."""
    return answers.answer(request, catalog.erasures.erasure(id))


@routes.post("/foresight/erasures", Scope, raises=(NotFound, Denied, Conflict))
def foresee_erasure(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.ErasureForeseen, bodies.taken(bodies.ErasureForeseen)],
) -> Response:
    """Return where values of a join key are; nothing is written."""
    found = catalog.erasures.foresee(body.join_key, datasets=body.datasets)
    return answers.answer(request, found)


@routes.post("/foresight/readers", Readers, raises=(NotFound, Denied))
def foresee_readers(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.ReadersForeseen, bodies.taken(bodies.ReadersForeseen)],
) -> Response:
    """Return what rests on versions, and would be named if they went; nothing is written."""
    return answers.answer(request, catalog.erasures.readers(body.versions))


@routes.post("/erasures", Erasure, status=201, raises=(NotFound, Denied, Conflict))
def begin_erasure(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.ErasureWanted, bodies.taken(bodies.ErasureWanted)],
) -> Response:
    """Begin to erase a subject, known by keyed digests; one of the same that goes on, goes on."""
    begun = catalog.erasures.begin(
        body.join_key, body.sought, key=body.key, reason=body.reason, datasets=body.datasets
    )
    return answers.answer(request, begun, status=201)


@routes.post("/erasures/{id}/erase", Erasure, raises=(NotFound, Denied, Conflict, Incompatible))
def erase_versions(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    body: Annotated[bodies.VersionsErased, bodies.taken(bodies.VersionsErased)],
) -> Response:
    """Let versions of a dataset go, and the next one, without the subject, take their place."""
    return answers.answer(request, catalog.erasures.erase(id, body.found))


@routes.post("/erasures/{id}/finish", Erasure, raises=(NotFound, Denied, Conflict))
def finish_erasure(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    body: Annotated[bodies.ErasureFinished, bodies.taken(bodies.ErasureFinished)],
) -> Response:
    """Certify that a subject was erased; say which keys went from the online store."""
    return answers.answer(request, catalog.erasures.finish(id, online=body.online))
