"""Governance as code, applied: who, which tags and purposes, which rules, which datasets."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access, audit, datasets
from provender.catalog.rows import (
    DatasetRow,
    DomainRow,
    PersonRow,
    PurposeRow,
    Row,
    RuleRow,
    TagRow,
    TeamRow,
)
from provender.core import governance
from provender.core.audit import EventKind
from provender.core.digest import digest
from provender.core.errors import Problems
from provender.core.governance import Change, Governance, Step
from provender.core.people import Actor
from provender.core.policy import Action

T = TypeVar("T")
ROWS: dict[str, Callable[[Any], Row]] = {
    "team": lambda value: TeamRow(id=value["id"]),
    "person": lambda value: PersonRow(id=value.id, value=value),
    "domain": lambda value: DomainRow(name=value.name, value=value),
    "tag": lambda value: TagRow(name=value.name, protected=value.protected, value=value),
    "purpose": lambda value: PurposeRow(**value),
    "rule": lambda value: RuleRow(id=value.id, value=value),
}
"""The row of each kind of object but datasets, which have an index as well."""


def current(db: Session) -> Governance:
    """Return everything that is in force, each kind sorted by name."""
    purposes = db.scalars(select(PurposeRow).order_by(PurposeRow.name))
    return Governance(
        domains=tuple(db.scalars(select(DomainRow.value).order_by(DomainRow.name))),
        teams=tuple(db.scalars(select(TeamRow.id).order_by(TeamRow.id))),
        people=tuple(db.scalars(select(PersonRow.value).order_by(PersonRow.id))),
        tags=tuple(db.scalars(select(TagRow.value).order_by(TagRow.name))),
        purposes={row.name: row.description for row in purposes},
        rules=tuple(db.scalars(select(RuleRow.value).order_by(RuleRow.id))),
        datasets=tuple(db.scalars(select(DatasetRow.value).order_by(DatasetRow.name))),
    )


def seen(db: Session, who: Actor, *, now: datetime) -> Governance:
    """Return what is in force, of datasets those that ``who`` may discover."""
    shown = set(db.scalars(access.visible(db, who, Action.DISCOVER, now=now)))
    whole = current(db)
    return replace(whole, datasets=tuple(d for d in whole.datasets if d.ref.dataset in shown))


def plan(db: Session, desired: Governance) -> list[Step]:
    """Return what applying ``desired`` would do, one step per object.

    Raises:
        Problems: ``desired``, together with what is in force, does not fit together.
    """
    existing = current(db)
    together = _together(existing, desired)
    problems = governance.check(together)
    if not any(Action.GOVERN in rule.actions for rule in together.rules):
        problems.append("no rule has the action govern: nobody could change anything later")
    if problems:
        raise Problems(
            "governance cannot be applied", problems, hint="correct the files, then try again"
        )
    return governance.diff(existing, desired)


def apply(db: Session, by: Actor, desired: Governance, *, now: datetime) -> list[Step]:
    """Return the steps of the plan, taken. Anybody may take the first, on an empty catalog.

    Raises:
        Problems: ``desired``, together with what is in force, does not fit together.
        Denied: something would change and ``by`` may not govern.
    """
    steps = plan(db, desired)
    changed = [step for step in steps if step.change is not Change.KEEP]
    if not changed:
        return steps
    if current(db) != Governance():
        access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=now)
    for step in changed:
        _take(db, by, step, now=now)
    audit.append(
        db,
        at=now,
        actor=by.id,
        kind=EventKind.GOVERNANCE_APPLY,
        subject="governance",
        detail={
            "steps": [
                {"change": s.change, "kind": s.kind, "name": s.name, "becomes": digest(s.value)}
                for s in changed
            ]
        },
    )
    return steps


def _take(db: Session, by: Actor, step: Step, *, now: datetime) -> None:
    if step.kind != "dataset":
        db.merge(ROWS[step.kind](step.value))
        db.flush()
        return
    datasets.declare(db, step.value)
    audit.append(
        db,
        at=now,
        actor=by.id,
        kind=EventKind.DATASET_DECLARE,
        subject=step.name,
        detail={"change": step.change, "becomes": digest(step.value)},
    )


def _together(existing: Governance, desired: Governance) -> Governance:
    """What would be in force: nothing is removed, and ``desired`` wins."""
    return Governance(
        domains=_over(existing.domains, desired.domains, lambda domain: domain.name),
        teams=_over(existing.teams, desired.teams, str),
        people=_over(existing.people, desired.people, lambda person: person.id),
        tags=_over(existing.tags, desired.tags, lambda tag: tag.name),
        purposes=existing.purposes | desired.purposes,
        rules=_over(existing.rules, desired.rules, lambda rule: rule.id),
        datasets=_over(existing.datasets, desired.datasets, lambda dataset: dataset.ref),
    )


def _over(
    existing: tuple[T, ...], desired: tuple[T, ...], key: Callable[[T], object]
) -> tuple[T, ...]:
    written = {key(item) for item in desired}
    return (*(item for item in existing if key(item) not in written), *desired)
