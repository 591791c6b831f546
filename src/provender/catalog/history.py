"""What the catalog said when: each state of an object, from one change to the next.

The row without an end is what is said now; the tables that answer are a copy of it that is
quick to ask. A ``kind`` is one of `core.governance`'s objects, ``version``, ``grant`` or
``definitions``; the ``key`` is what never changes: a dataset's URN, ``URN@3`` for a version of
it, else the name or id.
"""

import json
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, insert, or_, select
from sqlalchemy.orm import Session

from provender.catalog import naming
from provender.catalog.changes import Change
from provender.catalog.rows import HistoryRow
from provender.core.digest import canonical

COUNTER = "history"
BEGIN = insert(HistoryRow)


def keep(
    db: Session, change: Change, kind: str, key: str, value: object | None, *, reason: str = ""
) -> None:
    """Write down that ``change`` let an object be ``value``; None: it is gone.

    What a change says twice is what it said last; what was said already is not said again.
    """
    said = None if value is None else canonical(value)
    of_object = (HistoryRow.kind == kind, HistoryRow.key == key)
    row = db.scalars(select(HistoryRow).where(*of_object, HistoryRow.to_sequence.is_(None))).first()
    if row is not None and row.from_sequence == change.sequence:
        row.value, row.reason = said, reason
        return
    if (row.value if row is not None else None) == said:
        return
    if row is not None:
        row.to_sequence, row.to_at = change.sequence, change.at
    db.add(
        HistoryRow(
            id=naming.take(db, COUNTER),
            kind=kind,
            key=key,
            from_sequence=change.sequence,
            from_at=change.at,
            to_sequence=None,
            to_at=None,
            value=said,
            by=change.actor,
            reason=reason,
        )
    )
    db.flush()


def begin(db: Session, change: Change, number: int, kind: str, key: str, value: object) -> None:
    """`keep` of an object that never was before, under a ``number`` taken for it."""
    row = {
        "id": number,
        "kind": kind,
        "key": key,
        "from_sequence": change.sequence,
        "from_at": change.at,
        "to_sequence": None,
        "to_at": None,
        "value": canonical(value),
        "by": change.actor,
        "reason": "",
    }
    db.connection().execute(BEGIN, row)


def then(db: Session, kind: str, key: str, as_of: datetime) -> object | None:
    """Return what was said of an object at ``as_of``, as JSON has it; None: it was not there.

    Of several changes at that instant the last one counts.
    """
    row = state(db, kind, key, as_of)
    found: object | None = None if row is None or row.value is None else json.loads(row.value)
    return found


def state(db: Session, kind: str, key: str, as_of: datetime) -> HistoryRow | None:
    """Return the row that says what was said of an object at ``as_of``, be it that it was gone."""
    wanted = select(HistoryRow).where(
        HistoryRow.kind == kind, HistoryRow.key == key, HistoryRow.from_at <= as_of
    )
    return db.scalars(wanted.order_by(HistoryRow.from_sequence.desc()).limit(1)).first()


def revision(db: Session, kind: str, key: str) -> int:
    """Return the revision of an object, which rises with all that is said of it; 0: it is not there."""
    last = next(iter(states(db, kind, key, limit=1)), None)
    return 0 if last is None or last.value is None else last.from_sequence


def began(db: Session) -> datetime | None:
    """Return the instant from which on it is known what was said."""
    return db.scalars(select(HistoryRow.from_at).order_by(HistoryRow.id).limit(1)).first()


def every(db: Session, kind: str, as_of: datetime) -> dict[str, object]:
    """Return what was said at ``as_of`` of every object of a kind that was there, by its key."""
    return {key: json.loads(value) for key, value in texts(db, kind, as_of).items()}


def texts(
    db: Session,
    kind: str,
    as_of: datetime,
    *,
    keys: tuple[str, str] | None = None,
    among: Collection[str] | None = None,
) -> dict[str, str]:
    """Return what `every` does as canonical JSON, perhaps of some objects only.

    Of ``keys`` from one up to, without, another, or of those ``among`` which they are.
    """
    at_it = and_(
        HistoryRow.from_at <= as_of, or_(HistoryRow.to_at.is_(None), HistoryRow.to_at > as_of)
    )
    wanted = select(HistoryRow.key, HistoryRow.value).where(
        HistoryRow.kind == kind, at_it, HistoryRow.value.is_not(None)
    )
    if keys is not None:
        wanted = wanted.where(HistoryRow.key >= keys[0], HistoryRow.key < keys[1])
    if among is not None:
        wanted = wanted.where(HistoryRow.key.in_(sorted(set(among))))
    return {key: value or "" for key, value in db.execute(wanted.order_by(HistoryRow.key))}


def states(
    db: Session, kind: str, key: str, *, before: int | None = None, limit: int
) -> list[HistoryRow]:
    """Return the last ``limit`` states of an object, newest first; ``before`` a sequence to page."""
    wanted = select(HistoryRow).where(HistoryRow.kind == kind, HistoryRow.key == key)
    if before is not None:
        wanted = wanted.where(HistoryRow.from_sequence < before)
    return list(db.scalars(wanted.order_by(HistoryRow.from_sequence.desc()).limit(limit)))
