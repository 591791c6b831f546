"""Journals of lookups in the audit trail: one event for each segment, with how many and their root."""

from sqlalchemy import select

from provender.catalog import changes
from provender.catalog.door import Door
from provender.catalog.rows import AuditRow
from provender.core.audit import EventKind


def record(door: Door, segment: str, *, decisions: int, batches: int, root: str) -> bool:
    """Write down what a closed segment holds; return whether that was new.

    A segment is written down once, however often it is tried.
    """
    kind = EventKind.LOOKUPS_RECORD
    with door.writing() as (db, change):
        there = select(AuditRow.sequence).where(
            AuditRow.subject == segment, AuditRow.kind == kind.value
        )
        if db.scalar(there.limit(1)) is not None:
            return False
        detail = {"decisions": decisions, "batches": batches, "root": root}
        changes.tell(db, change, kind, segment, detail)
        return True
