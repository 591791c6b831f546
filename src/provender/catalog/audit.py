"""The audit trail: appended in the transaction of what it tells, numbered without gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Row,
    Text,
    cast,
    event,
    func,
    insert,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import Session

from provender.catalog import checkpoints
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import AuditRow
from provender.core import audit
from provender.core.audit import DECIDED, AuditEvent, EventKind, Outcome
from provender.core.digest import plain
from provender.core.policy import Action

LAST = "last audit event"
BESIDE = "beside what audit events tell"
"""In a session: what each event of it tells of who acts."""
ENDING = select(*AuditRow.__table__.c).order_by(AuditRow.sequence.desc()).limit(1)
ADD = insert(AuditRow)


def append(
    db: Session,
    *,
    at: datetime,
    actor: str,
    kind: EventKind,
    subject: str,
    detail: Mapping[str, Any],
    request: str = "",
) -> AuditEvent:
    """Return the event that now ends the trail. ``db`` must hold the write lock."""
    added = audit.chain(
        last(db),
        at=at,
        actor=actor,
        kind=kind,
        subject=subject,
        detail=plain({**db.info.get(BESIDE, {}), **detail}),
        request=request,
    )
    db.flush()
    db.connection().execute(
        ADD,
        {
            "sequence": added.sequence,
            "at": added.at,
            "actor": added.actor,
            "kind": added.kind.value,
            "subject": added.subject,
            "detail": added.detail,
            "previous": added.previous,
            "digest": added.digest,
            "request": added.request,
        },
    )
    db.info[LAST] = added
    checkpoints.make_if_due(db, added)
    return added


def last(db: Session) -> AuditEvent | None:
    """Return the event that ends the trail, None where there is none. ``db`` holds the write lock.

    Asked for once: nobody else writes until it is given back.
    """
    if LAST not in db.info:
        row = db.connection().execute(ENDING).first()
        db.info[LAST] = event_of(row) if row else None
    found: AuditEvent | None = db.info[LAST]
    return found


@event.listens_for(Session, "after_soft_rollback")
def _forget(db: Session, _transaction: object) -> None:
    """What a part of a transaction had appended is gone with it."""
    db.info.pop(LAST, None)


def events(
    db: Session,
    *,
    readable: ColumnElement[bool] | None = None,
    kind: EventKind | None = None,
    actor: str = "",
    subjects: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    purpose: str = "",
    verdict: Outcome | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[AuditEvent]:
    """Return the last ``limit`` events that fit, newest first; ``before`` a sequence number to page.

    Of ``subjects`` one has to fit, or a version of it. ``since`` is inclusive, ``until`` not.
    """
    wanted = select(AuditRow).where(true() if readable is None else readable)
    if kind is not None:
        wanted = wanted.where(AuditRow.kind == kind.value)
    if actor:
        wanted = wanted.where(AuditRow.actor == actor)
    if subjects:
        versions = (AuditRow.subject.startswith(f"{name}@", autoescape=True) for name in subjects)
        wanted = wanted.where(or_(AuditRow.subject.in_(subjects), *versions))
    if since is not None:
        wanted = wanted.where(AuditRow.at >= since)
    if until is not None:
        wanted = wanted.where(AuditRow.at < until)
    if purpose:
        wanted = wanted.where(_purpose(db) == purpose)
    if verdict is not None:
        wanted = wanted.where(AuditRow.kind == DECIDED[verdict].value)
    if before is not None:
        wanted = wanted.where(AuditRow.sequence < before)
    found = db.scalars(wanted.order_by(AuditRow.sequence.desc()).limit(limit))
    return [event_of(row) for row in found]


def _purpose(db: Session) -> ColumnElement[str]:
    """What an event says it was for."""
    detail = type_coerce(AuditRow.detail, Text)
    if is_postgresql(db):
        return func.json_extract_path_text(cast(detail, JSON), "purpose")
    return func.json_extract(detail, "$.purpose")


def following(
    db: Session, *, readable: ColumnElement[bool], after: int, limit: int
) -> list[AuditEvent]:
    """Return the first ``limit`` events beyond the one numbered ``after``, oldest first."""
    wanted = select(AuditRow).where(readable, AuditRow.sequence > after)
    return [event_of(row) for row in db.scalars(wanted.order_by(AuditRow.sequence).limit(limit))]


def count(db: Session, kind: EventKind) -> int:
    """Return how often ``kind`` has happened."""
    return db.scalar(select(func.count()).where(AuditRow.kind == kind.value)) or 0


@dataclass(frozen=True, slots=True)
class Opened:
    """What a decision let somebody read of a dataset, and when.

    ``versions`` are those that were told with it, None where none were.
    """

    dataset: str
    columns: frozenset[str]
    versions: frozenset[int] | None
    at: datetime


def permitted(db: Session, *, actor: str, decision: str, purpose: str) -> list[Opened]:
    """Return what ``actor`` was let read by ``decision``, for ``purpose``; each time it was."""
    wanted = select(AuditRow).where(
        AuditRow.kind == EventKind.ACCESS_PERMIT.value,
        AuditRow.actor == actor,
        type_coerce(AuditRow.detail, Text).contains(decision, autoescape=True),
    )
    asked = {"decision": decision, "action": Action.READ.value, "purpose": purpose}
    return [
        Opened(
            row.subject,
            frozenset(row.detail.get("reasons", ())),
            frozenset(row.detail["versions"]) if "versions" in row.detail else None,
            row.at,
        )
        for row in db.scalars(wanted)
        if {key: row.detail.get(key) for key in asked} == asked
    ]


def permits(
    db: Session, *, actor: str, subjects: Sequence[str], decision: str
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the subject and detail of permits that the catalog gave ``actor`` by ``decision``; by nobody else."""
    wanted = select(AuditRow.subject, AuditRow.detail).where(
        AuditRow.kind == EventKind.ACCESS_PERMIT.value,
        AuditRow.actor == actor,
        AuditRow.subject.in_(subjects),
        type_coerce(AuditRow.detail, Text).contains(decision, autoescape=True),
    )
    found = db.execute(wanted) if decision else ()
    return [
        (row.subject, row.detail)
        for row in found
        if row.detail.get("decision") == decision and "told_by" not in row.detail
    ]


def event_of(row: AuditRow | Row[Any]) -> AuditEvent:
    return AuditEvent(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        kind=EventKind(row.kind),
        subject=row.subject,
        detail=row.detail,
        previous=row.previous,
        digest=row.digest,
        request=row.request,
    )
