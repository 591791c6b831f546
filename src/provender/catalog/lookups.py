"""Lookups in the audit trail: decided by servers and processes elsewhere, and told by them in batches.

A batch is one transaction, and is told once: an event of its own says that it was. Each tally of it is
an event for each dataset, as any decision, so that it is found, counted and simulated as those are.
"""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from provender.catalog import access, audit, changes, naming, noting
from provender.catalog.changes import Change
from provender.catalog.rows import AuditRow
from provender.core import tally
from provender.core.audit import DECIDED, EventKind
from provender.core.digest import digest
from provender.core.errors import Denied
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.serving import SERVER
from provender.core.tally import Batch, Matter, Tally


def record(db: Session, who: Actor, batch: Batch, *, change: Change) -> None:
    """Write down what lookups were decided, as ``who`` counted them; a batch that is there is left.

    Raises:
        InvalidInput: it cannot be what it says it is.
        Denied: they were not all by ``who``, who neither serves nor governs, or not theirs to tell.
    """
    tally.check(batch)
    _check_teller(db, who, batch, change)
    if _is_told(db, batch.id):
        return
    told = {"tallies": len(batch.tallies), "lookups": sum(one.lookups for one in batch.tallies)}
    detail = {**told, "digest": digest(batch)}
    changes.tell(db, change, EventKind.LOOKUPS_RECORD, batch.id, detail)
    for one in batch.tallies:
        for dataset in one.matter.reasons:
            _tell(db, who, one, dataset, batch.id, change)


def _is_told(db: Session, batch: str) -> bool:
    kind = EventKind.LOOKUPS_RECORD.value
    return bool(db.scalar(select(exists().where(AuditRow.subject == batch, AuditRow.kind == kind))))


def _tell(db: Session, who: Actor, one: Tally, dataset: str, batch: str, change: Change) -> None:
    audit.append(
        db,
        at=change.at,
        actor=one.matter.actor or who.id,
        kind=DECIDED[one.verdict],
        subject=dataset,
        detail={**one.detail(dataset), "batch": batch, "told_by": who.id},
        request=change.request,
    )


def _check_teller(db: Session, who: Actor, batch: Batch, change: Change) -> None:
    """Return if ``who`` may tell of all of a batch.

    Whoever serves tells what others were served; who governs may do so in their place. Anybody else
    tells of themselves: what the catalog let them, and what they were refused of what they may know
    of or were let read. All else is refused alike.
    """
    if who.id == SERVER or access.governs(db, who, now=change.at):
        return
    for one in batch.tallies:
        other = one.matter.actor not in ("", who.id)
        for dataset in one.matter.reasons:
            if other or not _may_tell(db, who, one, dataset, change):
                raise Denied(
                    f"{who} cannot tell that {one.matter.actor or who.id} looked up {dataset}",
                    hint=f"{SERVER} tells what servers decided, everybody else what they were let",
                )


def _may_tell(db: Session, who: Actor, one: Tally, dataset: str, change: Change) -> bool:
    row = naming.locate(db, dataset)
    if row is None:
        return False
    if one.allowed:
        return _was_permitted(db, who, one.matter, dataset) or _is_let(
            db, who, one.matter, dataset, change
        )
    if noting.was_let(db, who, row):
        return True
    if row.withdrawn_at is not None:
        return False
    return bool(access.discoverable(db, who, {row.name: row.value}, now=change.at))


def _was_permitted(db: Session, who: Actor, matter: Matter, dataset: str) -> bool:
    """Whether the catalog wrote down the permit that lookups are told to rest on, for all they read."""
    names, columns = naming.every(db, dataset), matter.reasons[dataset].keys()
    return any(
        detail.get("purpose") == matter.purpose and columns <= detail["reasons"].keys()
        for detail in audit.permits(db, actor=who.id, subjects=names, decision=matter.lease)
    )


def _is_let(db: Session, who: Actor, matter: Matter, dataset: str, change: Change) -> bool:
    """Whether they would be let now: a permit for public columns may have been written down nowhere."""
    asked = [ColumnRef(dataset, column) for column in matter.reasons[dataset]]
    purpose, now = matter.purpose, change.at
    return access.weigh(db, who, Action.SERVE, asked, purpose=purpose, now=now).allowed
