"""How long the data of a dataset's versions is kept, who holds it, and the mark that it is gone.

The catalog marks first; whoever has the lake removes files after. What is marked is refused to
readers at once, and its files belong to nobody from then on.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from provender.catalog import access, changes, history, naming, revisions
from provender.catalog.changes import Change
from provender.catalog.rows import (
    DatasetRow,
    EdgeRow,
    HoldRow,
    NodeRow,
    RepresentationRow,
    RetentionRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.lifecycle import READABLE, WAITING
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.retention import NONE, Due, Retention, Stored, check, due

PINNING = (NodeKind.TRAINING_SET.value, NodeKind.VIEW.value)
"""What reads a version by its number, now or when it is made again."""


def forecast(
    db: Session, by: Actor, ref: DatasetRef, rule: Retention | None, *, now: datetime
) -> list[Due]:
    """Return what would go now under ``rule`` (None: the one in force), and what would stay, and why.

    Raises:
        NotFound: the dataset is not there, or not for ``by`` to discover.
        Denied: ``by`` does not steward it.
        InvalidInput: nothing can be kept so.
    """
    row = _stewarded(db, by, ref, now=now)
    rule = _rule(db, row.id) if rule is None else rule
    check(rule)
    return due(rule, _stored(db, row), now=now)


def set_rule(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    rule: Retention,
    *,
    expected: int | None,
    change: Change,
) -> list[Due]:
    """Let ``rule`` be in force, with the hold that it names or without one; return what is due.

    A hold is placed by who stewards the dataset, and lifted or changed by who governs.

    Raises:
        NotFound, Denied, InvalidInput: as `forecast`.
        PreconditionFailed: the dataset was changed since its revision ``expected``.
    """
    row = _stewarded(db, by, ref, now=change.at)
    revisions.check(row, expected)
    check(rule)
    before = _rule(db, row.id)
    if before != rule:
        if before.hold and before.hold != rule.hold:
            doing = f"lift or change the hold on {row.name}"
            access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=change.at, doing=doing)
        _hold(db, row, before.hold, rule.hold, change=change)
        db.merge(RetentionRow(dataset=row.id, value=rule))
        revisions.further(row, change)
        db.flush()
        history.keep(db, change, "retention", row.urn, rule)
        if (before.keep_versions, before.keep_days) != (rule.keep_versions, rule.keep_days):
            changes.tell(
                db,
                change,
                EventKind.RETENTION_SET,
                row.name,
                {"keep_versions": rule.keep_versions, "keep_days": rule.keep_days},
            )
    return due(rule, _stored(db, row), now=change.at)


def expire(db: Session, by: Actor, ref: DatasetRef, *, change: Change) -> list[Due]:
    """Mark the data that is due as gone; return what went and what stays, and why.

    The manifests stay, with everything that is known of the versions. Files are not touched.

    Raises:
        NotFound, Denied: as `forecast`.
    """
    row = _stewarded(db, by, ref, now=change.at)
    decided = due(_rule(db, row.id), _stored(db, row), now=change.at)
    gone = [one for one in decided if one.goes]
    for one in gone:
        version = db.get_one(VersionRow, (row.id, one.ref.version))
        version.data_gone_at, version.data_gone_why = change.at, one.because
        changes.tell(
            db,
            change,
            EventKind.RETENTION_FORGET,
            f"{row.name}@{version.number}",
            {
                "because": one.because,
                "size_bytes": one.size_bytes,
                "manifest": version.value.manifest.digest,
            },
        )
    if gone:
        revisions.further(row, change)
        db.flush()
    return decided


def _stewarded(db: Session, by: Actor, ref: DatasetRef, *, now: datetime) -> DatasetRow:
    row = access.discovered(db, by, ref.dataset, now=now)
    access.check(db, by, Action.STEWARD, [ColumnRef(row.name)], now=now)
    return row


def _rule(db: Session, dataset: int) -> Retention:
    row = db.get(RetentionRow, dataset)
    return row.value if row else NONE


def _hold(db: Session, row: DatasetRow, before: str, after: str, *, change: Change) -> None:
    """Lift the hold that is in force, and place the one that takes its place."""
    if before == after:
        return
    held = select(HoldRow).where(HoldRow.dataset == row.id, HoldRow.until_at.is_(None))
    for hold in db.scalars(held):
        hold.until_at = change.at
        changes.tell(db, change, EventKind.HOLD_LIFT, row.name, {"reason": hold.reason})
    if after:
        number = naming.take(db, "hold")
        db.add(HoldRow(id=number, dataset=row.id, reason=after, by=change.actor, at=change.at))
        changes.tell(db, change, EventKind.HOLD_PLACE, row.name, {"reason": after})


def _stored(db: Session, row: DatasetRow) -> list[Stored]:
    """The versions whose data is there, oldest first."""
    found = pins(db, row.id)
    others = _sizes_of_representations(db, row.id)
    there = select(
        VersionRow.number, VersionRow.published_at, VersionRow.size_bytes, VersionRow.state
    )
    wanted = there.where(VersionRow.dataset == row.id, VersionRow.data_gone_at.is_(None))
    return [
        Stored(
            ref=row.value.ref.at(number),
            published_at=published_at,
            size_bytes=size_bytes + others.get(number, 0),
            is_readable=state in READABLE,
            is_waiting=state in WAITING,
            pinned_by=tuple(node.words for node in found.get(number, ())),
        )
        for number, published_at, size_bytes, state in db.execute(
            wanted.order_by(VersionRow.number)
        )
    ]


def pins(db: Session, dataset: int) -> dict[int, list[Node]]:
    """What rests on versions by their number: training sets, and views that name one."""
    found: dict[int, list[Node]] = {}
    for number, node in _pinning(db, dataset):
        found.setdefault(number, []).append(node)
    return found


def _pinning(db: Session, dataset: int) -> Iterator[tuple[int, Node]]:
    version, reader = aliased(NodeRow), aliased(NodeRow)
    edges = (
        select(version.name, reader.kind, reader.name)
        .join(EdgeRow, EdgeRow.upstream == version.id)
        .join(reader, reader.id == EdgeRow.downstream)
        .where(
            version.dataset == dataset,
            version.kind == NodeKind.DATASET.value,
            reader.kind.in_(PINNING),
        )
        .distinct()
        .order_by(reader.kind, reader.name, version.name)
    )
    for pinned, kind, name in db.execute(edges):
        _, at, number = pinned.partition("@")
        if at:
            yield int(number), Node(NodeKind(kind), name)


def _sizes_of_representations(db: Session, dataset: int) -> dict[int, int]:
    rows = select(RepresentationRow.number, RepresentationRow.manifest).where(
        RepresentationRow.dataset == dataset
    )
    sizes: dict[int, int] = {}
    for number, manifest in db.execute(rows):
        sizes[number] = sizes.get(number, 0) + manifest.size_bytes
    return sizes
