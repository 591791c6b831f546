"""Notes of what happened to features outside of the catalog, by who did it."""

from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from provender.catalog import access, changes, consumption, datasets, features, naming
from provender.catalog.changes import Change
from provender.catalog.rows import AuditRow, DatasetRow
from provender.core.audit import EventKind
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.rules import ROWS

NOTED = (EventKind.FEATURES_MATERIALIZE, EventKind.FEATURES_PUSH)
"""What happens outside of the catalog, and is written down by who did it."""


def actions(kind: EventKind) -> tuple[Action, ...]:
    """Return what noting takes of a token: one of what is done."""
    return (Action.PUBLISH,) if kind is EventKind.FEATURES_PUSH else ROWS


def note(
    db: Session,
    who: Actor,
    kind: EventKind,
    subject: str,
    detail: Mapping[str, object],
    *,
    change: Change,
) -> None:
    """Write into the audit trail what ``who`` did with a dataset, or the version ``subject`` of it.

    Raises:
        InvalidInput: that is not for noting, or of no dataset.
        NotFound: the dataset or version is not there for ``who``.
        Denied: they could not have done it.
    """
    if kind not in NOTED:
        raise InvalidInput(
            f"{kind} is not for noting: the catalog writes it down when it happens",
            hint=f"note {' or '.join(NOTED)}",
        )
    ref = DatasetRef.parse(subject)
    row = access.discovered(db, who, ref.dataset, now=change.at)
    if ref.version is not None:
        datasets.found(db, who, ref, now=change.at)
    if kind is EventKind.FEATURES_PUSH:
        access.check(db, who, Action.PUBLISH, [ColumnRef(row.name)], now=change.at)
    elif not was_let(db, who, row):
        raise Denied(
            f"{who} was never let read or serve {ref.dataset}: nothing was filled from it",
            hint="ask for a permit to serve it, fill the view, then note that",
        )
    changes.tell(db, change, kind, subject, detail)
    if kind is EventKind.FEATURES_MATERIALIZE:
        _keep_filling(db, who, ref, row, detail, change=change)


def was_let(db: Session, who: Actor, row: DatasetRow) -> bool:
    """Whether ``who`` was ever permitted rows of a dataset, as who fills a view from it was."""
    permitted = exists().where(
        AuditRow.actor == who.id,
        AuditRow.kind == EventKind.ACCESS_PERMIT.value,
        AuditRow.subject.in_(naming.every(db, row.name)),
    )
    return bool(db.scalar(select(permitted)))


def _keep_filling(
    db: Session,
    who: Actor,
    ref: DatasetRef,
    row: DatasetRow,
    detail: Mapping[str, object],
    *,
    change: Change,
) -> None:
    """Write down that a view of ``row`` was filled from ``ref``, if there is such a view."""
    project, name = str(detail.get("project", "")), str(detail.get("view", ""))
    with suppress(NotFound):
        view = features.repo(db, who, project, now=change.at).view(name)
        called = view.dataset.dataset if view.dataset else ""
        if naming.known_numbers(db, [called]).get(called) == row.id:
            consumption.keep_filling(db, change, ref, f"{project}/{name}")
