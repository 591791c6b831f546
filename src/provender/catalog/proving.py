"""The audit trail held against its chain, its checkpoints and its witness; event by event, as stored.

Rows are read as the texts they are: what was changed so that it still means the same, or cannot
be read at all, is a change like any other.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from provender.catalog import checkpoints
from provender.catalog.db import Progress, unheard
from provender.catalog.rows import AuditRow
from provender.core.audit import StoredEvent
from provender.core.checkpoints import Checkpoint
from provender.core.trail import BEGINNING, Breach, Proof, Start, examine

BATCH = 2000
STORED = text(
    "SELECT sequence, at, actor, kind, subject, detail, previous, digest, request "
    "FROM audit_events WHERE sequence > :after AND sequence <= :until ORDER BY sequence LIMIT :most"
)
TEXTS = ("actor", "kind", "subject", "detail", "previous", "digest", "request")
ENDLESS = (1 << 63) - 1


def prove(db: Session, *, progress: Progress = unheard) -> Proof:
    """Return what holds of the trail: that all of it does.

    Raises:
        Corrupt: an event was changed, added, moved or taken out, or is not what was signed; the
            first is named.
        Unavailable: the witness cannot be read.
    """
    sealing = checkpoints.sealing_of(db)
    made = checkpoints.since(db, 0)
    told = sealing.witness.read() if sealing and sealing.witness else []
    found = examine(
        _told(events(db), _count(db), progress),
        stated=[*made, *told],
        is_signed=sealing.is_signed if sealing else lambda _: True,
    )
    if isinstance(found, Breach):
        raise found.as_error()
    return Proof(
        events=found, checkpoints=len(made), witnessed=len(told), last=made[-1] if made else None
    )


def first_breach(
    db: Session, *, start: Start = BEGINNING, until: int, told: Iterable[Checkpoint] = ()
) -> Breach | None:
    """Return the first event behind ``start`` that does not hold, up to the one numbered ``until``.

    ``told`` are checkpoints that a witness knows, too.
    """
    sealing = checkpoints.sealing_of(db)
    found = examine(
        events(db, after=start.tree.size, until=until),
        stated=[
            *checkpoints.since(db, start.tree.size + 1, until=until),
            *(one for one in told if start.tree.size < one.size <= until),
        ],
        is_signed=sealing.is_signed if sealing else lambda _: True,
        start=start,
    )
    return found if isinstance(found, Breach) else None


def events(db: Session, *, after: int = 0, until: int = ENDLESS) -> Iterator[StoredEvent | None]:
    """Yield the events beyond ``after``, as they are stored, in order; None for what is illegible."""
    connection = db.connection()
    while True:
        asked = {"after": after, "until": until, "most": BATCH}
        try:
            rows = connection.execute(STORED, asked).mappings().all()
        except DBAPIError:  # a text in one of them is none: up to it, one at a time
            yield from _singly(db, after, until)
            return
        for row in rows:
            yield stored_event(row)
        if len(rows) < BATCH:
            return
        after = rows[-1]["sequence"]


def stored_event(row: Mapping[Any, Any]) -> StoredEvent | None:
    """Return the event of a row as the database has it, None if it cannot be one."""
    at = _instant(row["at"])
    if at is None or not all(isinstance(row[name], str) for name in TEXTS):
        return None
    return StoredEvent(sequence=row["sequence"], at=at, **{name: row[name] for name in TEXTS})


def _singly(db: Session, after: int, until: int) -> Iterator[StoredEvent | None]:
    while True:
        try:
            asked = {"after": after, "until": until, "most": 1}
            row = db.connection().execute(STORED, asked).mappings().first()
        except DBAPIError:
            yield None
            return
        if row is None:
            return
        yield stored_event(row)
        after = row["sequence"]


def _instant(said: Any) -> str | None:
    """Return an instant as it was sealed; None if it is not written as the catalog writes it."""
    if isinstance(said, datetime):
        return said.astimezone(UTC).isoformat()
    try:
        at = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return None
    return at.isoformat() if at.isoformat(timespec="microseconds") == said else None


def _count(db: Session) -> int:
    return db.scalar(select(func.max(AuditRow.sequence))) or 0


def _told(
    found: Iterator[StoredEvent | None], count: int, progress: Progress
) -> Iterator[StoredEvent | None]:
    for done, event in enumerate(found):
        if done % BATCH == 0:
            progress("checking the audit trail", min(1.0, done / max(count, 1)))
        yield event
