"""Lookups in the audit trail: decided by servers and processes elsewhere, and told by them in batches.

A batch is one transaction, and is told once: an event of its own says that it was. Each tally of it is
an event for each dataset, as any decision, so that it is found, counted and simulated as those are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from provender.catalog import access, audit, changes, naming, noting
from provender.catalog.changes import Change
from provender.catalog.rows import AuditRow, DatasetNameRow, DatasetRow
from provender.core.audit import DECIDED, EventKind
from provender.core.digest import digest
from provender.core.errors import Denied
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.serving import SERVER
from provender.core.tally import Batch, Tally

Part = tuple[Tally, str]
"""A tally, and one of the datasets that it is about."""


def record(db: Session, who: Actor, batch: Batch, *, change: Change) -> None:
    """Write down what lookups were decided, as ``who`` counted them; a batch that is there is left.

    It was checked before: others wait until it is written down.

    Raises:
        Denied: they were not all by ``who``, who neither serves nor governs, or not theirs to tell.
    """
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
    parts = [(one, dataset) for one in batch.tallies for dataset in one.matter.reasons]
    for one, dataset in _untold(db, who, parts, now=change.at):
        raise Denied(
            f"{who} cannot tell that {one.matter.actor or who.id} looked up {dataset}",
            hint=f"{SERVER} tells what servers decided, everybody else what they were let",
        )


def _untold(db: Session, who: Actor, parts: Sequence[Part], *, now: datetime) -> Iterator[Part]:
    """Yield of ``parts`` what ``who`` cannot tell. The first is to be refused: what comes next takes its time."""
    numbers = naming.known_numbers(db, {dataset for _, dataset in parts})
    for one, dataset in parts:
        if one.matter.actor not in ("", who.id) or dataset not in numbers:
            yield one, dataset
    refused = [part for part in parts if not part[0].allowed]
    yield from _hidden(db, who, refused, numbers, now=now)
    allowed = [part for part in parts if part[0].allowed]
    yield from _closed(db, who, _unpermitted(db, who, allowed, numbers), now=now)


def _hidden(
    db: Session, who: Actor, parts: Sequence[Part], numbers: Mapping[str, int], *, now: datetime
) -> Iterator[Part]:
    """Yield what is of datasets that ``who`` may not know of, nor was ever let read."""
    asked = {numbers[dataset] for _, dataset in parts}
    rows = db.scalars(select(DatasetRow).where(DatasetRow.id.in_(asked))).all()
    there = {row.name: row.value for row in rows if row.withdrawn_at is None}
    seen = access.discoverable(db, who, there, now=now) if there else set()
    for row in rows:
        if row.name not in seen and not noting.was_let(db, who, row):
            yield from (part for part in parts if numbers[part[1]] == row.id)


def _unpermitted(
    db: Session, who: Actor, parts: Sequence[Part], numbers: Mapping[str, int]
) -> list[Part]:
    """Return what rests on no permit that the catalog wrote down, for all they read."""
    every = select(DatasetNameRow.name, DatasetNameRow.dataset)
    asked = {numbers[dataset] for _, dataset in parts}
    found = db.execute(every.where(DatasetNameRow.dataset.in_(asked)))
    named = {row.name: row.dataset for row in found}
    given = {
        lease: audit.permits(db, actor=who.id, subjects=sorted(named), decision=lease)
        for lease in {one.matter.lease for one, _ in parts}
    }
    return [
        (one, dataset)
        for one, dataset in parts
        if not any(
            named[subject] == numbers[dataset]
            and detail.get("purpose") == one.matter.purpose
            and one.matter.reasons[dataset].keys() <= detail["reasons"].keys()
            for subject, detail in given[one.matter.lease]
        )
    ]


def _closed(db: Session, who: Actor, parts: Sequence[Part], *, now: datetime) -> Iterator[Part]:
    """Yield what they would not be let now: a permit for public columns may be written down nowhere."""
    called = naming.current(db, {dataset for _, dataset in parts})
    asked: dict[str, dict[ColumnRef, Part]] = {}
    for one, dataset in parts:
        columns = (ColumnRef(called[dataset], column) for column in one.matter.reasons[dataset])
        asked.setdefault(one.matter.purpose, {}).update(dict.fromkeys(columns, (one, dataset)))
    for purpose, wanted in asked.items():
        decision = access.weigh(db, who, Action.SERVE, wanted, purpose=purpose, now=now)
        yield from (wanted[one.column] for one in decision.reasons if not one.allowed)
