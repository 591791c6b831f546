"""What somebody asks for, column by column, and what they would see: metadata, never values.

It is told in the sight of who looks; what somebody else may already, to who may know that.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    bounds,
    datasets,
    declarations,
    epoch,
    features,
    grants,
    standings,
    whence,
)
from provender.catalog.rows import DatasetRow
from provender.core import derivation
from provender.core.errors import InvalidInput, NotFound
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Grant, decide
from provender.core.requests import (
    ALONE,
    TOGETHER,
    AccessRequest,
    Foreseen,
    ForeseenColumn,
    RequestPart,
    Wanted,
)
from provender.core.rules import ROWS

DEFINED = (NodeKind.VIEW, NodeKind.ON_DEMAND, NodeKind.SERVICE)


def parts(db: Session, who: Actor, wanted: Wanted, *, now: datetime) -> tuple[RequestPart, ...]:
    """Return what ``wanted`` asks for of each dataset, sorted by their names.

    Raises:
        NotFound: what it is about is not there for ``who``, or has no such column.
        InvalidInput: it is about nothing that can be granted, or rests on no governed dataset.
    """
    about = wanted.about
    if about.kind is NodeKind.DATASET:
        dataset = access.discover(db, who, DatasetRef.parse(about.name).dataset, now=now)
        columns = tuple(sorted(set(wanted.columns)))
        grants.check_columns(db, dataset, columns)
        return (RequestPart(dataset=dataset.ref.dataset, columns=columns),)
    if wanted.columns:
        raise InvalidInput(
            f"columns are not asked for of a {about.kind}", hint="ask for all that it uses"
        )
    read = _read_by(db, who, about, now=now)
    if wanted.action in (Action.DEFINE, Action.PUBLISH):
        return tuple(RequestPart(dataset=name) for name in sorted(read))
    return tuple(
        RequestPart(dataset=name, columns=tuple(sorted(read[name]))) for name in sorted(read)
    )


def _read_by(db: Session, who: Actor, about: Node, *, now: datetime) -> dict[str, frozenset[str]]:
    project, slash, name = about.name.partition("/")
    if about.kind not in DEFINED or not slash:
        raise InvalidInput(
            f"access to {about} cannot be requested",
            hint="write dataset:domain.name, feature-view:project/name, "
            "on-demand-view:project/name or feature-service:project/name",
        )
    repo = features.repo(db, who, project, now=now)
    if not derivation.columns(repo, about):
        raise NotFound(f"{about.kind} {about.name!r} not found", what=str(about.kind))
    read = derivation.read_by(repo, about)
    called = {
        access.discover(db, who, DatasetRef.parse(name).dataset, now=now).ref.dataset: names
        for name, names in read.items()
    }
    if not called:
        raise InvalidInput(
            f"{about.kind} {name} rests on no dataset that is governed",
            hint="whoever can read its files can read it",
        )
    return called


def approvals(db: Session, part: RequestPart) -> int:
    """Return how many people have to approve ``part``, as columns are tagged now."""
    row = declarations.row_of(db, part.dataset)
    return TOGETHER if row and grants.four_eyed(db, row.value, part.columns) else ALONE


def granted(part: RequestPart, request: AccessRequest, *, by: str, now: datetime) -> Grant:
    """Return the grant, still without an id, that comes of a part of ``request``."""
    asked_for = "" if request.about.kind is NodeKind.DATASET else str(request.about)
    return Grant(
        id="",
        grantee=request.grantee,
        action=request.action,
        dataset=part.dataset,
        granted_by=by,
        granted_at=now,
        columns=part.columns,
        purposes=request.purposes,
        until=request.until,
        reason=request.reason,
        asked_for=asked_for,
        request=request.id,
    )


def foreseen(db: Session, by: Actor, request: AccessRequest, *, now: datetime) -> Foreseen:
    """Return what ``request`` would open to whom it is for, beside what is open already.

    If ``by`` may not know what those may: what the request would open by itself.
    """
    rows = {name: declarations.row_of(db, name) for name in request.datasets}
    there = {name: row for name, row in rows.items() if row is not None}
    columns = [
        one
        for part in request.parts
        if part.dataset in there
        for one in _columns(db, by, request, part, there[part.dataset], now=now)
    ]
    deciders = {name: row.value.who_decides for name, row in there.items()}
    return Foreseen(request=request, columns=tuple(columns), who_decides=deciders)


def _columns(
    db: Session,
    by: Actor,
    request: AccessRequest,
    part: RequestPart,
    row: DatasetRow,
    *,
    now: datetime,
) -> Sequence[ForeseenColumn]:
    whole = request.action not in ROWS
    names = part.columns or ((EVERY,) if whole else datasets.column_names(db, row.value))
    asked = [ColumnRef(row.name, name) for name in names]
    known = bounds.may_know(db, by, request.grantee, asked, now=now)
    would = replace(granted(part, request, by="", now=now), id=request.id or "asked for")
    before, after = (
        _weighed(db, by, request, asked, row, also, known=known, now=now) for also in ((), (would,))
    )
    latest = standings.newest(db, row.id)
    schema = latest.value.manifest.schema if latest else None
    types = {column.name: column.type for column in schema.columns} if schema else {}
    protected = epoch.policy(db).protected
    full = grants.carrying(db, row.value, names)
    was = {reason.column.column: reason.allowed for reason in before.reasons}
    return [
        ForeseenColumn(
            dataset=row.name,
            column=reason.column.column,
            type=types.get(reason.column.column, ""),
            description=row.value.column_descriptions.get(reason.column.column, ""),
            tags=tuple(sorted(full.tags_of(reason.column.column))),
            protected=tuple(sorted(full.tags_of(reason.column.column) & protected)),
            before=known and was[reason.column.column],
            known=known,
            after=reason.allowed,
            because=reason.because,
        )
        for reason in after.reasons
    ]


def _weighed(
    db: Session,
    by: Actor,
    request: AccessRequest,
    asked: Sequence[ColumnRef],
    row: DatasetRow,
    also: Sequence[Grant],
    *,
    known: bool,
    now: datetime,
) -> Decision:
    """What ``also`` lets the grantee do besides all else; by itself, if that is not to be known."""
    action, purpose = request.action, request.purpose
    if known:
        who = access.actor(db, request.grantee)
        return access.weigh(db, who, action, asked, purpose=purpose, also=also, seen_by=by, now=now)
    carried = whence.of_columns(db, asked)
    decision = decide(
        Actor(request.grantee),
        action,
        asked,
        purpose=purpose,
        datasets=whence.carrying({row.name: row.value}, carried),
        protected=epoch.policy(db).protected,
        rules=(),
        grants=also,
        now=epoch.settled(db, now),
    )
    return whence.explained(db, decision, carried, by, now=now)
