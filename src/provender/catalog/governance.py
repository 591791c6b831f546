"""Governance as code, applied: who, which tags and purposes, which rules, which datasets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from provender.catalog import (
    access,
    changes,
    declarations,
    epoch,
    grants,
    history,
    indexing,
    naming,
)
from provender.catalog.changes import Change as CatalogChange
from provender.catalog.rows import (
    DatasetRow,
    DomainRow,
    GovernedRow,
    PersonRow,
    PurposeRow,
    Row,
    RuleRow,
    TagRow,
    TeamRow,
    TermRow,
    VersionRow,
)
from provender.core import governance
from provender.core.audit import EventKind
from provender.core.digest import canonical, digest
from provender.core.errors import Problems
from provender.core.governance import Change, Governance, Step
from provender.core.people import Actor
from provender.core.policy import Action

ROWS: dict[str, Callable[[Any], Row]] = {
    "team": lambda value: TeamRow(id=value["id"]),
    "person": lambda value: PersonRow(id=value.id, value=value),
    "domain": lambda value: DomainRow(name=value.name, value=value),
    "tag": lambda value: TagRow(name=value.name, protected=value.protected, value=value),
    "term": lambda value: TermRow(name=value.name, value=value),
    "purpose": lambda value: PurposeRow(**value),
    "rule": lambda value: RuleRow(id=value.id, value=value),
}
"""The row of each kind of object but datasets, which have an index as well."""
KEYS: dict[str, InstrumentedAttribute[str]] = {
    "team": TeamRow.id,
    "person": PersonRow.id,
    "domain": DomainRow.name,
    "tag": TagRow.name,
    "term": TermRow.name,
    "purpose": PurposeRow.name,
    "rule": RuleRow.id,
}
"""What such a row is found by."""


def current(db: Session, *, datasets: bool = True) -> Governance:
    """Return everything that is in force, each kind sorted by name; datasets if they are wanted."""
    purposes = db.scalars(select(PurposeRow).order_by(PurposeRow.name))
    there = select(DatasetRow.value).where(DatasetRow.withdrawn_at.is_(None))
    return Governance(
        domains=tuple(db.scalars(select(DomainRow.value).order_by(DomainRow.name))),
        teams=tuple(db.scalars(select(TeamRow.id).order_by(TeamRow.id))),
        people=tuple(db.scalars(select(PersonRow.value).order_by(PersonRow.id))),
        tags=tuple(db.scalars(select(TagRow.value).order_by(TagRow.name))),
        terms=tuple(db.scalars(select(TermRow.value).order_by(TermRow.name))),
        purposes={row.name: row.description for row in purposes},
        rules=tuple(db.scalars(select(RuleRow.value).order_by(RuleRow.id))),
        datasets=tuple(db.scalars(there.order_by(DatasetRow.name))) if datasets else (),
    )


def seen(db: Session, who: Actor, *, datasets: bool = True, now: datetime) -> Governance:
    """Return what is in force, of datasets those that ``who`` may discover, if they are wanted."""
    if not datasets:
        return current(db, datasets=False)
    shown = set(db.scalars(access.visible(db, who, Action.DISCOVER, now=now)))
    whole = current(db)
    return replace(whole, datasets=tuple(d for d in whole.datasets if d.ref.dataset in shown))


def plan(db: Session, by: Actor, desired: Governance, *, now: datetime) -> list[Step]:
    """Return what applying ``desired`` would do, one step per object. Anybody may plan the first.

    Raises:
        Denied: ``by`` may not govern.
        Problems: ``desired`` does not fit together, or forgets a dataset that has versions.
    """
    existing = current(db)
    if existing != Governance():
        access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=now)
    problems = governance.check(desired)
    if not any(Action.GOVERN in rule.actions for rule in desired.rules):
        problems.append("no rule has the action govern: nobody could change anything later")
    problems += _renamed(db, desired)
    problems += _forgotten(db, existing, desired)
    if problems:
        raise Problems(
            "governance cannot be applied", problems, hint="correct the files, then try again"
        )
    return governance.diff(existing, desired)


def apply(db: Session, by: Actor, desired: Governance, *, change: CatalogChange) -> list[Step]:
    """Return the steps of the plan, taken. Anybody may take the first, on an empty catalog.

    Raises:
        Denied, Problems: as `plan`.
    """
    steps = plan(db, by, desired, now=change.at)
    changed = [step for step in steps if step.change is not Change.KEEP]
    if not changed:
        return steps
    epoch.bump(db)
    for step in changed:
        _take(db, step, change=change)
    _index(db, changed, change=change)
    changes.tell(
        db,
        change,
        EventKind.GOVERNANCE_APPLY,
        "governance",
        {
            "steps": [
                {"change": s.change, "kind": s.kind, "name": s.name, "becomes": _becomes(s)}
                for s in changed
            ]
        },
    )
    return steps


def _index(db: Session, changed: Sequence[Step], *, change: CatalogChange) -> None:
    """Let search know of rules and tags, which decide who sees what, and of people's names."""
    if any(step.kind in ("tag", "rule") for step in changed):
        indexing.settle_all(db)
    indexing.rename_people(db, change, [step.name for step in changed if step.kind == "person"])


def _take(db: Session, step: Step, *, change: CatalogChange) -> None:
    match step.change, step.kind:
        case Change.REMOVE, "dataset":
            grants.revoke_all(db, step.name, change=change)
            declarations.withdraw(db, step.name, change=change)
        case Change.REMOVE, kind:
            if kind in ("person", "team"):
                grants.revoke_all(db, step.name, change=change)
            db.execute(delete(KEYS[kind].class_).where(KEYS[kind] == step.name))
        case _, "dataset":
            declarations.declare(db, step.value, change=change)
        case _, kind:
            db.merge(ROWS[kind](step.value))
    db.flush()
    _remember(db, step, change=change)
    if step.kind == "dataset":
        changes.tell(
            db,
            change,
            EventKind.DATASET_DECLARE,
            step.name,
            {"change": step.change, "becomes": _becomes(step)},
        )


def _remember(db: Session, step: Step, *, change: CatalogChange) -> None:
    """Keep what was said, in history, and what catalog/ said last."""
    gone = step.change is Change.REMOVE
    row = declarations.row_of(db, step.name) if step.kind == "dataset" else None
    key = row.urn if row else step.name
    history.keep(db, change, step.kind, key, None if gone else step.value)
    if gone:
        of_object = (GovernedRow.kind == step.kind, GovernedRow.name == step.name)
        db.execute(delete(GovernedRow).where(*of_object))
        return
    db.merge(
        GovernedRow(
            kind=step.kind,
            name=step.name,
            digest=digest(step.value),
            value=canonical(step.value),
            applied_at=change.at,
            applied_by=change.actor,
        )
    )


def _becomes(step: Step) -> str:
    return "" if step.change is Change.REMOVE else digest(step.value)


def _renamed(db: Session, desired: Governance) -> Iterator[str]:
    """Say which datasets are declared by a name that they do not have any more."""
    current_names = naming.current(db, [dataset.ref.dataset for dataset in desired.datasets])
    for name, current_name in current_names.items():
        if name != current_name:
            yield f"dataset {name} is called {current_name} now: write that in its file"


def _forgotten(db: Session, existing: Governance, desired: Governance) -> Iterator[str]:
    """Say which datasets are no longer declared though they have versions."""
    declared = {dataset.ref for dataset in desired.datasets}
    gone = [d.ref.dataset for d in existing.datasets if d.ref not in declared]
    counted = (
        select(DatasetRow.name, func.count())
        .join(VersionRow, VersionRow.dataset == DatasetRow.id)
        .where(DatasetRow.name.in_(gone))
        .group_by(DatasetRow.name)
        .order_by(DatasetRow.name)
    )
    for name, versions in db.execute(counted):
        yield (
            f"dataset {name} is no longer declared, but has {versions} "
            f"version{'s' if versions > 1 else ''}: keep its declaration"
        )
