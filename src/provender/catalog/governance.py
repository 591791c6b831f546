"""Governance as code, applied: who, which tags and purposes, which rules, which datasets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from provender.catalog import (
    access,
    applied,
    carried,
    changes,
    declarations,
    domains,
    epoch,
    grants,
    history,
    indexing,
    lineage,
    nodes,
    revisions,
    rulebook,
    rulefit,
    sessions,
    tokens,
    unprotected,
    visibility,
)
from provender.catalog.changes import Change as CatalogChange
from provender.catalog.rows import (
    DatasetRow,
    DomainRow,
    PersonRow,
    PurposeRow,
    Row,
    RuleRow,
    TagRow,
    TeamRow,
    TermRow,
    VersionRow,
)
from provender.core import derivation, form, governance
from provender.core.audit import TRAIL, EventKind
from provender.core.datasets import Dataset
from provender.core.digest import digest
from provender.core.errors import Conflict, InvalidInput, PreconditionFailed, Problems
from provender.core.governance import Change, Declared, Governance, Step
from provender.core.lineage import ColumnEdge
from provender.core.names import suggest, unknown
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
    """Return what is in force, of datasets those that ``who`` may discover, if they are wanted.

    Rules are as `rulebook` shows them, domains as `domains`.
    """
    whole = current(db, datasets=datasets)
    rules = rulebook.shown(db, who, whole.rules, now=now)
    known = replace(whole, rules=rules, domains=domains.shown(db, who, whole.domains, now=now))
    if not datasets:
        return known
    shown = set(db.scalars(access.visible(db, who, Action.DISCOVER, now=now)))
    datasets_shown = [dataset for dataset in whole.datasets if dataset.ref.dataset in shown]
    return replace(known, datasets=visibility.told(db, who, datasets_shown, now=now))


def plan(db: Session, by: Actor, desired: Governance, *, now: datetime) -> list[Step]:
    """Return what applying ``desired`` would do, one step per object. Anybody may plan the first.

    Raises:
        Denied: ``by`` may not govern.
        Problems: ``desired`` does not fit together, or forgets a dataset that has versions.
    """
    return _planned(db, by, form.settled(desired), doing="plan governance", now=now)


def _planned(
    db: Session, by: Actor, desired: Governance, *, doing: str, now: datetime
) -> list[Step]:
    existing = current(db)
    if existing != Governance():
        access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=now, doing=doing)
    steps = governance.diff(existing, desired, applied.said(db))
    becomes = governance.together(desired, steps)
    _check(db, becomes, steps)
    bared = unprotected.warnings(db, existing, becomes, steps)
    return governance.warned(steps, becomes, rulefit.warnings(db, becomes, steps) | bared)


def apply(
    db: Session,
    by: Actor,
    desired: Governance,
    *,
    overwrite: bool = False,
    expected: str | None = None,
    change: CatalogChange,
) -> list[Step]:
    """Return the steps of the plan, taken. Anybody may take the first, on an empty catalog.

    Raises:
        Denied, Problems: as `plan`.
        PreconditionFailed: the plan is not any more the one with the digest that was ``expected``.
        Conflict: a step undoes what somebody did since, and is not to ``overwrite`` it.
    """
    desired = form.settled(desired)
    steps = _planned(db, by, desired, doing="change governance", now=change.at)
    if expected not in (None, governance.plan_digest(steps)):
        raise PreconditionFailed(
            "this is not any more the plan that was looked at: the catalog or the files changed",
            hint="look at it again: provender catalog plan",
        )
    drifted = [step for step in steps if step.overwrites]
    if drifted and not overwrite:
        raise _overwriting(drifted)
    changed = [step for step in steps if step.change is not Change.KEEP]
    said_anew = applied.remember(db, desired, change=change)
    if changed or said_anew:
        _make(db, changed, change=change)
    return steps


def declare(
    db: Session,
    by: Actor,
    value: Declared,
    *,
    expected: int | None = None,
    reason: str = "",
    change: CatalogChange,
) -> Step:
    """Return the step that declares one object, or says it anew, beside what catalog/ declares.

    Raises:
        Denied: ``by`` may not govern.
        PreconditionFailed: it is not any more at the revision that was ``expected``.
        Problems: it does not fit to what is there.
    """
    access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=change.at)
    existing = current(db)
    alone = form.settled(governance.only(value))
    ((kind, name),) = governance.objects(alone)
    revisions.check_object(db, kind, name, expected)
    steps = governance.diff(existing, alone, Governance())
    _check(db, governance.together(alone, steps), steps)
    (step,) = (step for step in steps if (step.kind, step.name) == (kind, name))
    if step.change is not Change.KEEP:
        _make(db, [step], reason=reason, change=change)
    return step


def withdraw(
    db: Session,
    by: Actor,
    kind: str,
    name: str,
    *,
    expected: int | None = None,
    reason: str = "",
    change: CatalogChange,
) -> Step:
    """Return the step that takes one object away; catalog/ brings it back, if it declares it.

    Raises:
        Denied: ``by`` may not govern.
        NotFound: there is no such object.
        PreconditionFailed: it is not any more at the revision that was ``expected``.
        Problems: something rests on it.
    """
    access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=change.at)
    whole = current(db)
    existing = governance.objects(whole)
    if (kind, name) not in existing:
        raise unknown(kind, name, (other for of, other in existing if of == kind))
    revisions.check_object(db, kind, name, expected)
    rest = governance.without(whole, kind, name)
    (step,) = (s for s in governance.diff(whole, rest) if s.change is Change.REMOVE)
    _check(db, rest, [step])
    _make(db, [step], reason=reason, change=change)
    return step


def _check(db: Session, becomes: Governance, steps: Sequence[Step]) -> None:
    written = [s for s in steps if s.change in (Change.ADD, Change.CHANGE)]
    problems = [fault for s in written for fault in form.problems(s.kind, s.name, s.value)]
    problems += governance.check(becomes)
    if not any(Action.GOVERN in rule.actions for rule in becomes.rules):
        problems.append("no rule has the action govern: nobody could change anything later")
    problems += _renamed(db, becomes)
    problems += _misnamed(db, becomes, written)
    problems += _made_of_nothing(db, becomes)
    problems += rulefit.problems(db, becomes, steps)
    problems += _forgotten(db, steps)
    if problems:
        raise Problems(
            "governance cannot be applied", problems, hint="correct the files, then try again"
        )


def _overwriting(drifted: Sequence[Step]) -> Conflict:
    told = "\n".join(f"  - {_undone(step)}" for step in drifted)
    count = "1 change" if len(drifted) == 1 else f"{len(drifted)} changes"
    return Conflict(
        f"applying would undo {count} made since catalog/ was applied last:\n{told}",
        hint="keep them: provender catalog export, then plan again; "
        "or undo them: provender catalog apply --overwrite",
    )


def _undone(step: Step) -> str:
    parts = f": {', '.join(step.drift.parts)}" if step.drift and step.drift.parts else ""
    return f"{step.change} {step.kind} {step.name}{parts}"


def _make(db: Session, steps: Sequence[Step], *, reason: str = "", change: CatalogChange) -> None:
    """Take ``steps`` and write down that they were; none: catalog/ says now what is in force."""
    if steps:
        epoch.bump(db)
    for in_datasets, together in groupby(steps, _says_dataset):
        if in_datasets:
            _declare(db, list(together), reason=reason, change=change)
        else:
            for step in together:
                _take(db, step, reason=reason, change=change)
    _index(db, steps, change=change)
    taken = [
        {"change": s.change, "kind": s.kind, "name": s.name, "becomes": _becomes(s)} for s in steps
    ]
    detail = {"steps": taken, **({"reason": reason} if reason else {})}
    changes.tell(db, change, EventKind.GOVERNANCE_APPLY, "governance", detail)


def _index(db: Session, steps: Sequence[Step], *, change: CatalogChange) -> None:
    """Let search know of rules and tags, which decide who sees what, of names and of synonyms."""
    if any(step.kind in ("tag", "rule") for step in steps):
        indexing.settle_all(db)
    if any(step.kind == "tag" for step in steps):
        carried.of_taxonomy(db)
    named = {kind: [s.name for s in steps if s.kind == kind] for kind in ("person", "term")}
    if named["person"]:
        indexing.rename_people(db, change, named["person"])
    if named["term"]:
        indexing.learn_terms(db, change, named["term"])


def _says_dataset(step: Step) -> bool:
    return step.kind == "dataset" and step.change is not Change.REMOVE


def _declare(db: Session, steps: Sequence[Step], *, reason: str, change: CatalogChange) -> None:
    """Say datasets, of which there may be thousands: many at a time."""
    declared: list[DatasetRow] = []
    for portion in nodes.portions(steps):
        rows = declarations.declare(db, [step.value for step in portion], change=change)
        said = {row.urn: row.value for row in rows}
        history.keep_all(db, change, "dataset", said, reason=reason)
        declared += rows
    lineage.record_declared(db, declared)
    for step in steps:
        _tell(db, step, change=change)


def _take(db: Session, step: Step, *, reason: str, change: CatalogChange) -> None:
    """Take a step that does not say a dataset."""
    key, kind = step.name, step.kind
    if step.change is not Change.REMOVE:
        db.merge(ROWS[kind](step.value))
    elif kind == "dataset":
        row = declarations.row_of(db, step.name)
        key = row.urn if row else key
        grants.revoke_all(db, step.name, change=change)
        declarations.withdraw(db, step.name, change=change)
    else:
        if kind in ("person", "team"):
            grants.revoke_all(db, step.name, change=change)
            tokens.revoke_all(db, change, step.name)
            sessions.end_all(db, change, step.name)
        db.execute(delete(KEYS[kind].class_).where(KEYS[kind] == step.name))
    db.flush()
    said = None if step.change is Change.REMOVE else step.value
    history.keep(db, change, kind, key, said, reason=reason)
    if kind == "dataset":
        _tell(db, step, change=change)


def _tell(db: Session, step: Step, *, change: CatalogChange) -> None:
    """Tell in the audit trail what a step did to a dataset."""
    detail = {"change": step.change, "becomes": _becomes(step)}
    changes.tell(db, change, EventKind.DATASET_DECLARE, step.name, detail)


def _becomes(step: Step) -> str:
    return "" if step.change is Change.REMOVE else digest(step.value)


def _renamed(db: Session, becomes: Governance) -> Iterator[str]:
    """Say which datasets are declared by a name that they do not have any more."""
    names = applied.renamed(db)
    for name in (dataset.ref.dataset for dataset in becomes.datasets):
        if name in names:
            yield f"dataset {name} is called {names[name]} now: write that in its file"


def _misnamed(db: Session, becomes: Governance, written: Iterable[Step]) -> Iterator[str]:
    """Say which rules that are new or change name a dataset that there is not: they would open nothing.

    Patterns may be of datasets to come.
    """
    there = {dataset.ref.dataset for dataset in becomes.datasets} | {TRAIL}
    names = applied.renamed(db)
    for rule in (step.value for step in written if step.kind == "rule"):
        for name in rulebook.literal(rule.datasets):
            if name in names:
                yield f"rule {rule.id}: dataset {name} is called {names[name]} now: write that"
            elif name not in there:
                hint = suggest(name, there)
                yield f"rule {rule.id}: dataset {name!r} is not declared ({hint})"


def _made_of_nothing(db: Session, becomes: Governance) -> Iterator[str]:
    """Say which columns are declared to be made from datasets that there are not."""
    there = {dataset.ref.dataset for dataset in becomes.datasets}
    for dataset in becomes.datasets:
        named = {edge.upstream.name: edge.to for edge in _declared(dataset)}
        unknown_ones = sorted(named.keys() - there)
        for name in set(unknown_ones) - applied.renamed(db).keys() if unknown_ones else ():
            yield (
                f"dataset {dataset.ref}: column {named[name]!r} is made from {name!r}, which is "
                f"not declared ({suggest(name, there)})"
            )


def _declared(dataset: Dataset) -> list[ColumnEdge]:
    """What columns are made from; nothing where that is said wrongly, which is told elsewhere."""
    try:
        return derivation.declared(dataset)
    except InvalidInput:
        return []


def _forgotten(db: Session, steps: Iterable[Step]) -> Iterator[str]:
    """Say which datasets are no longer declared though they have versions."""
    gone = [s.name for s in steps if s.kind == "dataset" and s.change is Change.REMOVE]
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
