"""What waits for stewards, found where it is: nothing is written down until it is settled.

Each kind of task is looked for by a query of its own, in an order that a list can go on in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Text, and_, exists, or_, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import drift, nodes
from provender.catalog.rows import (
    AssignmentRow,
    CheckRow,
    DatasetRow,
    OwnerRow,
    PersonRow,
    UnansweredRow,
    VersionRow,
)
from provender.core.contracts import Outcome
from provender.core.datasets import Dataset
from provender.core.digest import digest
from provender.core.lifecycle import Severity, State
from provender.core.people import Role
from provender.core.tasks import Task, task_id

MOST_TIMES = 10**10 - 1
PORTION = 100
"""How many datasets are read at a time: whoever looks may stop at any."""
NAMED = 3
"""How many failed checks a task names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """Whose tasks are looked for: ``datasets`` they look after, and whether they govern."""

    datasets: Select[int]
    governs: bool
    stewards: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task, where it stands in the list of its kind, and what it is about.

    Who settles it settles ``about``: about something else it is a task again.
    """

    place: str
    task: Task
    about: str


def quarantined(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Versions that failed a check which refuses: readers keep the last good one."""
    wanted = (
        select(DatasetRow, VersionRow)
        .join(VersionRow, VersionRow.dataset == DatasetRow.id)
        .where(VersionRow.state == State.QUARANTINED.value, _looked_after(sees))
        .order_by(DatasetRow.name, VersionRow.number)
    )
    name, _, number = after.partition("@")
    if number.isascii() and number.isdecimal() and len(number) < 10:
        beyond = and_(DatasetRow.name == name, VersionRow.number > int(number))
        wanted = wanted.where(or_(DatasetRow.name > name, beyond))
    for row, version in db.execute(wanted):
        ref = row.value.ref.at(version.number)
        yield _waiting(
            "quarantined",
            row,
            key=f"{row.urn}@{version.number}",
            place=f"{row.name}@{version.number:09d}",
            says=f"{ref} is quarantined: {_failed(db, version)}; readers keep the last good version",
            suggests=f"publish rows that pass; then recall {ref}, or release it if the check is wrong",
            since=version.state_at or version.published_at,
            at=version.number,
        )


def ownerless(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Datasets that nobody answers for: their owner is not declared, or a team nobody is in."""
    accountable = OwnerRow.role == Role.ACCOUNTABLE.value
    people = db.scalars(select(PersonRow.value)).all()
    there = {person.id for person in people} | {team for p in people for team in p.teams}
    named = db.scalars(select(OwnerRow.actor).where(accountable).distinct())
    nobody = sorted(set(named) - there)
    if not nobody:
        return
    theirs = select(OwnerRow.dataset).where(accountable, OwnerRow.actor.in_(nobody))
    for row in _datasets(db, sees, after, DatasetRow.id.in_(theirs)):
        owner = row.value.owner
        why = "nobody is in it" if owner.startswith("team:") else "is not declared"
        yield _waiting(
            "ownerless",
            row,
            about=owner,
            says=f"nobody answers for {row.name}: its owner is {owner or 'not named'}, and {why}",
            suggests=f"provender dataset edit {row.name} --owner person:NAME",
            since=row.changed_at,
        )


def stale(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Datasets whose data is older than what is promised."""
    promised = type_coerce(DatasetRow.value, Text)
    fits = and_(
        promised.contains('"fresh_within":', autoescape=True),
        ~promised.contains('"fresh_within":null', autoescape=True),
    )
    for row in _datasets(db, sees, after, fits):
        version = db.get(VersionRow, (row.id, row.latest)) if row.latest else None
        within = row.value.fresh_within
        if version is None or within is None:
            continue
        over = (version.latest or version.published_at) + within
        if sees.now <= over:
            continue
        ref = row.value.ref.at(version.number)
        yield _waiting(
            "stale",
            row,
            about=str(version.number),
            says=f"the data of {ref} is {_for_people(sees.now - over)} older than the "
            f"{_for_people(within)} that are promised",
            suggests=f"publish newer data of {row.name}, or promise less: fresh_within",
            since=over,
        )


def untagged(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Datasets without a tag, on themselves or on a column."""
    tagged = exists().where(AssignmentRow.dataset == DatasetRow.id)
    for row in _datasets(db, sees, after, ~tagged):
        yield _waiting(
            "untagged",
            row,
            says=f"{row.name} has no tag, and none of its columns has",
            suggests=f"provender dataset edit {row.name} --tag GROUP.NAME "
            "--column-tag COLUMN:GROUP.NAME",
            since=row.changed_at,
        )


def zero_result(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Words that were searched for, and nothing was found: those asked for most come first."""
    if not (sees.governs or sees.stewards):
        return
    again = or_(
        UnansweredRow.settled_at.is_(None), UnansweredRow.settled_at < UnansweredRow.last_at
    )
    wanted = select(UnansweredRow).where(again)
    for row in db.scalars(wanted.order_by(UnansweredRow.times.desc(), UnansweredRow.words)):
        place = f"{MOST_TIMES - row.times:010d} {row.words}"
        if place <= after:
            continue
        times = "once" if row.times == 1 else f"{row.times} times"
        task = Task(
            id=task_id("zero-result", row.words),
            kind="zero-result",
            node=None,
            says=f"“{row.words}” was searched for {times}, and nothing was found",
            suggests="say it in a description, or as a synonym of a term in catalog/glossary.yml",
            since=row.first_at,
            revision=row.times,
        )
        yield Waiting(place=place, task=task, about="")


def drifted(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """What is not in force as catalog/ declared it."""
    kind, _, name = after.partition(" ")
    if kind <= "dataset":
        for found in drift.datasets(db, sees.datasets, after=name):
            yield _drifted(found)
    if sees.governs:
        for found in drift.others(db, after=("", "") if kind == "dataset" else (kind, name)):
            yield _drifted(found)


def _drifted(found: drift.Drifted) -> Waiting:
    parts = ", ".join(found.parts) or "it is gone"
    row = found.dataset
    task = Task(
        id=task_id("drift", f"{found.kind} {row.urn if row else found.name}"),
        kind="drift",
        node=nodes.dataset_node(row.value.ref) if row else None,
        says=f"{found.kind} {found.name} is not as catalog/ declares it: {parts}",
        suggests="keep it: provender catalog export; or put it back: "
        "provender catalog apply --overwrite",
        since=found.since,
        revision=row.revision if row else 0,
    )
    return Waiting(place=f"{found.kind} {found.name}", task=task, about=digest(found.value))


FINDERS: dict[str, Callable[[Session, Sees, str], Iterator[Waiting]]] = {
    "quarantined": quarantined,
    "ownerless": ownerless,
    "stale": stale,
    "drift": drifted,
    "untagged": untagged,
    "zero-result": zero_result,
}
"""Kinds of tasks, the most urgent first, and how each is looked for."""


def _datasets(db: Session, sees: Sees, after: str, fits: Any) -> Iterator[DatasetRow]:
    wanted = select(DatasetRow).where(fits, _looked_after(sees)).order_by(DatasetRow.name)
    while True:
        portion = db.scalars(wanted.where(DatasetRow.name > after).limit(PORTION)).all()
        yield from portion
        if len(portion) < PORTION:
            return
        after = portion[-1].name


def _looked_after(sees: Sees) -> Any:
    return and_(DatasetRow.id.in_(sees.datasets), DatasetRow.withdrawn_at.is_(None))


def _waiting(
    kind: str,
    row: DatasetRow,
    *,
    says: str,
    suggests: str,
    since: datetime,
    key: str = "",
    place: str = "",
    about: str = "",
    at: int | None = None,
) -> Waiting:
    said: Dataset = row.value
    task = Task(
        id=task_id(kind, key or row.urn),
        kind=kind,
        node=nodes.dataset_node(said.ref.at(at)),
        says=says,
        suggests=suggests,
        since=since,
        revision=row.revision,
    )
    return Waiting(place=place or row.name, task=task, about=about)


def _failed(db: Session, version: VersionRow) -> str:
    """The names of the checks that kept a version back."""
    wanted = select(CheckRow.name).where(
        CheckRow.dataset == version.dataset,
        CheckRow.number == version.number,
        CheckRow.severity == Severity.REFUSE.value,
        CheckRow.outcome.in_((Outcome.FAIL.value, Outcome.ERROR.value)),
    )
    names = db.scalars(wanted.order_by(CheckRow.position)).all()
    more = f" and {len(names) - NAMED} more" if names[NAMED:] else ""
    return f"failed {', '.join(names[:NAMED])}{more}" if names else "it was kept back"


def _for_people(span: timedelta) -> str:
    """A duration in the largest unit that fits."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return "less than a second"
