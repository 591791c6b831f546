"""What happened: the audit trail, changes to follow, and notes of what happened elsewhere."""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from provender.api import answers, bodies, paging
from provender.api.parameters import (
    After,
    Asking,
    DatasetName,
    IdempotencyKey,
    IfNoneMatch,
    Instant,
    Limit,
    Name,
    Position,
    Text,
)
from provender.api.routes import Routes
from provender.core.audit import AuditEvent, ChangeRecord, EventKind, Outcome
from provender.core.checkpoints import Checkpoint
from provender.core.datasets import Listed, Release
from provender.core.errors import Denied, InvalidInput, KeyReused, NotFound
from provender.core.names import DatasetRef
from provender.core.trail import Proof

routes = Routes("audit")
NDJSON = "application/x-ndjson"
Whose = Annotated[Text, Query(max_length=200)]
Since = Annotated[Instant | None, Query(description="From that instant on.")]
Of = Annotated[DatasetName | None, Query(description="Versions of this dataset only.")]
Until = Annotated[Instant | None, Query(description="Before that instant.")]


@routes.get("/changes", Listed[ChangeRecord])
def list_changes(
    request: Request,
    catalog: Asking,
    limit: Limit = 100,
    after: Annotated[Position, Query(description="The sequence of the last one known.")] = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what happened after an event, oldest first: for who follows along."""
    return answers.answer(request, catalog.finder.changes(after=after, limit=limit))


@routes.get("/audit", Listed[AuditEvent])
def list_audit_events(
    request: Request,
    catalog: Asking,
    kind: Annotated[EventKind | None, Query()] = None,
    actor: Whose = "",
    subject: Whose = "",
    since: Since = None,
    until: Until = None,
    purpose: Whose = "",
    verdict: Annotated[Outcome | None, Query()] = None,
    before: Annotated[Position | None, Query(description="Before that event.")] = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the events that may be read, newest first."""
    found = catalog.records.audit_events(
        kind=kind,
        actor=actor,
        subject=subject,
        since=since,
        until=until,
        purpose=purpose,
        verdict=verdict,
        before=_sequence(paging.place(request, after)) or before,
        limit=limit + 1,
    )
    shown = tuple(found[:limit])
    following = str(shown[-1].sequence) if len(found) > limit else None
    return answers.answer(request, paging.paged(request, Listed(shown, following)))


@routes.get("/audit/verification", Proof)
def verify_audit(request: Request, catalog: Asking, if_none_match: IfNoneMatch = None) -> Response:
    """Return how many events and checkpoints the audit trail has, if all hold."""
    return answers.answer(request, catalog.records.audit_proof())


@routes.get("/audit/bundle", None, media=NDJSON, raises=(Denied,))
def export_audit(
    request: Request, catalog: Asking, since: Since = None, until: Until = None
) -> Response:
    """Return the audit trail as lines that prove themselves, for who may read all of it."""
    lines = catalog.records.audit_bundle(since=since, until=until)
    return StreamingResponse(lines, media_type=NDJSON)


@routes.get("/audit/checkpoints", Listed[Checkpoint])
def list_checkpoints(
    request: Request,
    catalog: Asking,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what was signed about the audit trail, newest first."""
    begin = paging.place(request, after)
    found = catalog.records.checkpoints(limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.post("/notes", None, status=204, raises=(Denied, NotFound, KeyReused))
def write_note(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.Note, bodies.taken(bodies.Note)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write into the audit trail what was done with a dataset or a version outside of the catalog."""
    key = idempotency_key or ""
    catalog.records.note(body.kind, body.subject, body.detail, key=key)
    return answers.nothing()


@routes.post("/lookups", None, status=204, raises=(Denied,))
def tell_lookups(
    request: Request,
    catalog: Asking,
    body: Annotated[bodies.LookedUp, bodies.taken(bodies.LookedUp)],
) -> Response:
    """Write into the audit trail what lookups were decided elsewhere. A batch counts once."""
    catalog.records.tell_lookups(body.batch)
    return answers.nothing()


@routes.get("/versions", Listed[Release], raises=(Denied, NotFound))
def list_every_version(
    request: Request,
    catalog: Asking,
    limit: Limit = 200,
    after: After = "",
    dataset: Of = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return versions of every dataset, whole, for who governs; or of one, for its stewards."""
    begin, of = paging.place(request, after), DatasetRef.parse(dataset) if dataset else None
    found = catalog.records.every_version(of=of, limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.get("/datasets/{name}/notes", Listed[bodies.Published], raises=(NotFound,))
def list_notes(
    request: Request,
    catalog: Asking,
    name: Name,
    since: Annotated[Instant, Query(description="From that instant on.")],
    above: Annotated[Position, Query(description="Of versions after that one.")] = 0,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return when versions of a dataset were published, and with which notes."""
    found = catalog.records.notes(DatasetRef.parse(name), above=above, since=since)
    items = [bodies.Published(published_at=at, note=note) for at, note in found]
    return answers.answer(request, paging.cut(request, items, limit=limit, after=after))


def _sequence(begin: str) -> int | None:
    if begin and not (begin.isascii() and begin.isdecimal() and len(begin) < 16):
        raise InvalidInput(f"{begin!r} is not where this list goes on", hint="begin again")
    return int(begin) if begin else None
