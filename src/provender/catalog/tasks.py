"""What waits for stewards, found where it is: nothing is written down until it is settled.

Each kind of task is looked for by a query of its own, in an order that a list can go on in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Boolean, ColumnElement, Select, and_, exists, literal_column, or_, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from provender.catalog import drift, epoch, facets, nodes
from provender.catalog.epoch import Visible
from provender.catalog.rows import (
    AssignmentRow,
    CheckRow,
    DatasetRow,
    OwnerRow,
    SearchDocumentRow,
    UnansweredRow,
    VersionRow,
)
from provender.catalog.scopes import within
from provender.core.contracts import Outcome
from provender.core.datasets import Dataset
from provender.core.digest import digest
from provender.core.finding import KINDS
from provender.core.lifecycle import Severity, State
from provender.core.people import Actor, Role
from provender.core.tasks import Task, task_id

MOST_TIMES = 10**10 - 1
PORTION = 100
"""How many datasets are read at a time: whoever looks may stop at any."""
FEW = 2_000
"""Datasets that are looked up and put in order; where there are more, the next one is near."""
NAMED = 3
"""How many failed checks a task names."""
DATASET = KINDS.index("dataset")
QUARANTINED = VersionRow.state == literal_column(f"'{State.QUARANTINED.value}'")
"""Written out, because SQLite has an index of just these."""
ACTORS = sql(
    "WITH RECURSIVE each(actor) AS (SELECT min(actor) FROM owners UNION ALL "
    "SELECT (SELECT min(actor) FROM owners WHERE actor > each.actor) FROM each "
    "WHERE actor IS NOT NULL) SELECT actor FROM each WHERE actor IS NOT NULL"
)
"""Everybody with an office, from one to the next: there are few beside their datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """Whose tasks are looked for: what ``who`` answers, of datasets ``shown`` those ``visible``.

    ``only`` is what a task is about if one is looked for, and ``governs`` whether they do.
    """

    who: Actor
    shown: ColumnElement[bool]
    visible: Visible
    governs: bool
    stewards: bool
    now: datetime
    only: str = ""


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
    held = exists().where(VersionRow.dataset == DatasetRow.id, QUARANTINED)
    some = select(DatasetRow.name).where(
        DatasetRow.id.in_(select(VersionRow.dataset).where(QUARANTINED).limit(FEW + 1))
    )
    name, _, number = after.partition("@")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        name, number = "", "0"
    begun = select(DatasetRow).where(DatasetRow.name == name, sees.shown)
    yield from _held(db, db.scalars(begun).all(), beyond=int(number))
    for portion in _portions(db, sees, name, held, _few(db, some)):
        yield from _held(db, portion, beyond=0)


def _held(db: Session, rows: Sequence[DatasetRow], *, beyond: int) -> Iterator[Waiting]:
    """The quarantined versions of datasets."""
    by_id = {row.id: row for row in rows}
    wanted = select(VersionRow).where(
        VersionRow.dataset.in_(by_id), VersionRow.number > beyond, QUARANTINED
    )
    found = db.scalars(wanted).all() if rows else ()
    for version in sorted(found, key=lambda one: (by_id[one.dataset].name, one.number)):
        row = by_id[version.dataset]
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
    nobody = sorted(set(db.scalars(ACTORS)) - epoch.answering(db))
    if not nobody:
        return
    accountable = OwnerRow.role == Role.ACCOUNTABLE.value
    some = select(DatasetRow.name).join(OwnerRow, OwnerRow.dataset == DatasetRow.id)
    few = _few(db, some.where(accountable, OwnerRow.actor.in_(nobody)))
    theirs = OwnerRow.actor.concat("").in_(nobody)  # not each of them looked up for each dataset
    fits = exists().where(OwnerRow.dataset == DatasetRow.id, accountable, theirs)
    for row in _datasets(db, sees, after, fits, few):
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
    document = SearchDocumentRow
    late = and_(document.kind == DATASET, document.fresh_until <= sees.now)
    few = None
    if not (sees.visible.datasets or sees.only):
        ended = facets.ended(db, sees.visible, now=sees.now)
        if not ended:
            return
        few = _late(db, sees) if ended <= FEW else None
    fits = exists().where(document.name == DatasetRow.name, late)
    for portion in _portions(db, sees, after, fits, few):
        latest = _latest(db, portion)
        for row in portion:
            version, within_ = latest.get(row.id), row.value.fresh_within
            if version is None or within_ is None:
                continue
            number, newest = version
            over = newest + within_
            if sees.now <= over:
                continue
            ref = row.value.ref.at(number)
            yield _waiting(
                "stale",
                row,
                about=str(number),
                says=f"the data of {ref} is {_for_people(sees.now - over)} older than the "
                f"{_for_people(within_)} that are promised",
                suggests=f"publish newer data of {row.name}, or promise less: fresh_within",
                since=over,
            )


def _late(db: Session, sees: Sees) -> list[str]:
    """The names of the datasets in sight that ceased to be fresh; sorted here, not walked to."""
    document = SearchDocumentRow
    inside = literal_column(f"({within(db, 'scope', sees.visible.scopes)})", Boolean)
    late = (document.kind == DATASET, document.fresh_until <= sees.now, inside)
    return sorted(db.scalars(select(document.name).where(*late)))


def _latest(db: Session, rows: Sequence[DatasetRow]) -> dict[int, tuple[int, datetime]]:
    """The number of the latest version of each dataset that has one, and how far its data goes."""
    wanted = (
        select(VersionRow.dataset, VersionRow.number, VersionRow.latest, VersionRow.published_at)
        .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
        .where(DatasetRow.id.in_([row.id for row in rows]), VersionRow.number == DatasetRow.latest)
    )
    return {
        dataset: (number, latest or published)
        for dataset, number, latest, published in db.execute(wanted)
    }


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
    """Words that were searched for, and nothing was found: those asked for most come first.

    Numbers and what holds some are for who governs only: somebody looked for a value, or for a person.
    """
    if not (sees.governs or sees.stewards):
        return
    again = or_(
        UnansweredRow.settled_at.is_(None), UnansweredRow.settled_at < UnansweredRow.last_at
    )
    wanted = select(UnansweredRow).where(again)
    if sees.only:
        wanted = wanted.where(UnansweredRow.words == sees.only)
    left, _, words = after.partition(" ")
    if left.isascii() and left.isdecimal() and len(left) == len(str(MOST_TIMES)):
        last = MOST_TIMES - int(left)
        beside = and_(UnansweredRow.times == last, UnansweredRow.words > words)
        wanted = wanted.where(or_(UnansweredRow.times < last, beside))
    for row in _one_by_one(db, wanted.order_by(UnansweredRow.times.desc(), UnansweredRow.words)):
        if not sees.governs and any(letter.isnumeric() for letter in row.words):
            continue
        place = f"{MOST_TIMES - row.times:010d} {row.words}"
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
        for found in drift.datasets(db, sees.shown, after=name):
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
        suggests="keep it: provender catalog export, then catalog apply; or put it back: "
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


def _one_by_one(db: Session, wanted: Select[UnansweredRow]) -> Iterator[UnansweredRow]:
    """Questions that were asked in vain, read a portion at a time."""
    at = 0
    while portion := db.scalars(wanted.offset(at).limit(PORTION)).all():
        yield from portion
        at += PORTION


def _few(db: Session, names: Select[str]) -> list[str] | None:
    """The names in their order; None where there are more than a few."""
    found = sorted(set(db.scalars(names.limit(FEW + 1))))
    return found if len(found) <= FEW else None


def _datasets(
    db: Session,
    sees: Sees,
    after: str,
    fits: ColumnElement[bool],
    few: Sequence[str] | None = None,
) -> Iterator[DatasetRow]:
    for portion in _portions(db, sees, after, fits, few):
        yield from portion


def _portions(
    db: Session,
    sees: Sees,
    after: str,
    fits: ColumnElement[bool],
    few: Sequence[str] | None = None,
) -> Iterator[Sequence[DatasetRow]]:
    """Datasets in sight that fit, by name from beyond ``after``; ``few``: their names, if known."""
    wanted = select(DatasetRow).where(sees.shown).order_by(DatasetRow.name)
    if few is not None:
        left = [name for name in few if name > after]
        for start in range(0, len(left), PORTION):
            yield db.scalars(wanted.where(DatasetRow.name.in_(left[start : start + PORTION]))).all()
        return
    while True:
        portion = db.scalars(wanted.where(fits, DatasetRow.name > after).limit(PORTION)).all()
        yield portion
        if len(portion) < PORTION:
            return
        after = portion[-1].name


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
