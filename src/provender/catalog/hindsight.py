"""What the catalog said at an instant, for one actor.

One axis: when something was said, not when data happened. Rights are today's, for the tags of
then and of now: what is closed now tells nothing of the time when it was open, and what was
closed by a tag then is not opened by looking back. What was withdrawn since is for who governs.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from provender.catalog import access, changes, domains, history, naming, rulebook, visibility
from provender.catalog.listing import FILTERS, OF_A_VERSION, summary
from provender.catalog.rows import DatasetNameRow, DatasetRow, HistoryRow, PersonRow, VersionRow
from provender.core.datasets import Dataset, DatasetSummary, Entry
from provender.core.errors import InvalidInput, NotFound
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.lifecycle import READABLE, State
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor, Person
from provender.core.policy import Rule
from provender.core.tags import Tag
from provender.values import from_json

PORTION = 200
"""Datasets that are looked at at once."""
SAID = ("dataset", "retention")
WHOLE = "*"


def entry(db: Session, who: Actor, ref: DatasetRef, *, as_of: datetime, now: datetime) -> Entry:
    """Return a dataset as it was in the catalog at ``as_of``.

    It may be asked for by any name that it ever had.

    Raises:
        NotFound: it is not there for ``who``, or was not then.
        InvalidInput: ``as_of`` is in the future, or before history begins.
    """
    check_instant(db, as_of, now=now)
    row = discovered(db, who, ref.dataset, now=now)
    said = history.state(db, "dataset", row.urn, as_of)
    if said is None or said.value is None:
        raise _not_then(db, row, as_of)
    then = from_json(Dataset, said.value)
    if row.urn not in shown(db, who, {row.urn: then}, now=now):
        raise access.unknown_dataset(db, who, ref.dataset, now=now)
    (told,) = visibility.told(db, who, [then], now=now)
    names = select(DatasetNameRow.name).where(
        DatasetNameRow.dataset == row.id,
        DatasetNameRow.since_at <= as_of,
        DatasetNameRow.name != then.ref.dataset,
    )
    revised = _revised(db, row)
    return Entry(
        dataset=told,
        urn=row.urn,
        revision=row.revision - sum(at > as_of for at in revised),
        former_names=tuple(db.scalars(names.order_by(DatasetNameRow.since_at))),
        latest=_stands(db, row.urn, as_of)[0],
        changed_at=max(at for at in revised if at <= as_of),
    )


def summaries(
    db: Session,
    who: Actor,
    *,
    filters: Mapping[str, tuple[str, ...]],
    as_of: datetime,
    after: str,
    limit: int,
    now: datetime,
) -> list[DatasetSummary]:
    """Return the datasets of then that ``who`` may discover and that fit, by the names of then.

    Raises:
        NotFound: datasets cannot be filtered by that.
        InvalidInput: ``as_of`` is in the future, or before history begins.
    """
    check_instant(db, as_of, now=now)
    _check_filters(filters)
    found: list[tuple[str, Dataset]] = []
    last = after
    while len(found) < limit:
        named = _named_then(db, last, as_of, domains=filters.get("domain"))
        then = _datasets(db, as_of, [urn for _, urn in named])
        fitting = {urn: said for urn, said in then.items() if _fits(said, filters)}
        allowed = shown(db, who, fitting, now=now)
        found += [
            (urn, then[urn])
            for name, urn in named
            if urn in allowed and then[urn].ref.dataset == name
        ]
        if len(named) < PORTION:
            break
        last = named[-1][0]
    return [_summary(db, urn, said, as_of) for urn, said in found[:limit]]


def _named_then(
    db: Session, after: str, as_of: datetime, *, domains: Collection[str] | None
) -> list[tuple[str, str]]:
    """The next names that there were at ``as_of``, each with the URN of what had it then or before."""
    wanted = select(DatasetNameRow.name, DatasetRow.urn).join(
        DatasetRow, DatasetRow.id == DatasetNameRow.dataset
    )
    wanted = wanted.where(DatasetNameRow.name > after, DatasetNameRow.since_at <= as_of)
    if domains is not None:
        begins = [DatasetNameRow.name.startswith(f"{one}.", autoescape=True) for one in domains]
        wanted = wanted.where(or_(*begins))
    rows = db.execute(wanted.order_by(DatasetNameRow.name).limit(PORTION))
    return [(name, urn) for name, urn in rows]


def governance(
    db: Session, who: Actor, *, as_of: datetime, datasets: bool = True, now: datetime
) -> Governance:
    """Return what was in force at ``as_of``, of datasets those that ``who`` may discover, if wanted.

    Of people who were taken away since, only who governs is told, and so of domains.

    Raises:
        InvalidInput: ``as_of`` is in the future, or before history begins.
    """
    check_instant(db, as_of, now=now)

    def every(kind: str, type_: type[Any]) -> tuple[Any, ...]:
        said = history.texts(db, kind, as_of)
        return tuple(from_json(type_, text) for text in said.values())

    then = _datasets(db, as_of) if datasets else {}
    allowed = [then[urn] for urn in shown(db, who, then, now=now)]
    return Governance(
        domains=domains.shown(db, who, every("domain", Domain), now=now),
        teams=tuple(history.every(db, "team", as_of)),
        people=tuple(_still_there(db, who, every("person", Person), now=now)),
        tags=every("tag", Tag),
        terms=every("term", Term),
        purposes={one["name"]: one["description"] for one in every("purpose", dict)},
        rules=rulebook.shown(db, who, every("rule", Rule), now=now),
        datasets=tuple(sorted(allowed, key=lambda dataset: dataset.ref.dataset)),
    )


def _still_there(
    db: Session, who: Actor, people: Iterable[Person], *, now: datetime
) -> Iterator[Person]:
    there = None if access.governs(db, who, now=now) else set(db.scalars(select(PersonRow.id)))
    return (person for person in people if there is None or person.id in there)


def check_instant(db: Session, as_of: datetime, *, now: datetime) -> None:
    """Check that the catalog can say what it said at ``as_of``.

    Raises:
        InvalidInput: it has no time zone, is in the future, or before history begins.
    """
    changes.check_past(db, as_of, now=now)
    began = history.began(db)
    if began is None or as_of < began:
        begins = f"begins at {began.isoformat()}" if began else "has not begun yet"
        raise InvalidInput(
            f"the catalog cannot say what it said at {as_of.isoformat()}: its history {begins}",
            hint="ask for a later instant",
        )


def discovered(db: Session, who: Actor, name: str, *, now: datetime) -> DatasetRow:
    """Return the row of what is or was called ``name``; one that was withdrawn is for who governs.

    Raises:
        NotFound: there is none for ``who``; it is told of by no other name than ``name``.
    """
    row = naming.locate(db, name)
    if row is not None and row.withdrawn_at is not None and access.governs(db, who, now=now):
        return row
    return access.discovered(db, who, name, now=now)


def shown(db: Session, who: Actor, then: Mapping[str, Dataset], *, now: datetime) -> set[str]:
    """Return the URNs of those datasets of ``then`` that ``who`` may discover."""
    found: set[str] = set()
    everything = access.governs(db, who, now=now)
    every = sorted(then)
    for urns in (every[n : n + PORTION] for n in range(0, len(every), PORTION)):
        there = db.scalars(select(DatasetRow).where(DatasetRow.urn.in_(urns))).all()
        rows = [row for row in there if everything or row.withdrawn_at is None]
        asked = {row.name: _closed_by_both(row.value, then[row.urn]) for row in rows}
        allowed = access.discoverable(db, who, asked, now=now)
        found |= {row.urn for row in rows if row.name in allowed}
    return found


def withdrawn(db: Session, who: Actor, *, now: datetime) -> frozenset[int]:
    """Return the numbers of the datasets that are withdrawn and that ``who`` may look back at."""
    if not access.governs(db, who, now=now):
        return frozenset()
    rows = db.scalars(select(DatasetRow).where(DatasetRow.withdrawn_at.is_not(None))).all()
    allowed = access.discoverable(db, who, {row.name: row.value for row in rows}, now=now)
    return frozenset(row.id for row in rows if row.name in allowed)


def _closed_by_both(now: Dataset, then: Dataset) -> Dataset:
    """What is said now, with the tags that were on the whole dataset then as well."""
    of_whole = (*now.column_tags.get(WHOLE, ()), *then.tags, *then.column_tags.get(WHOLE, ()))
    return replace(now, column_tags={**now.column_tags, WHOLE: of_whole})


def _not_then(db: Session, row: DatasetRow, as_of: datetime) -> NotFound:
    first = db.scalars(
        select(HistoryRow.from_at)
        .where(HistoryRow.kind == "dataset", HistoryRow.key == row.urn)
        .order_by(HistoryRow.from_sequence)
        .limit(1)
    ).first()
    return NotFound(
        f"{row.name} was not in the catalog at {as_of.isoformat()}",
        hint=f"its history begins at {first.isoformat()}" if first else "it has no history",
        what="dataset",
    )


def _revised(db: Session, row: DatasetRow) -> list[datetime]:
    """The instants at which the revision of a dataset rose.

    By what was said of it and of how long it is kept, by steps of its versions, and by data
    that went.
    """
    said = select(HistoryRow.from_at).where(HistoryRow.kind.in_(SAID), HistoryRow.key == row.urn)
    versions = (HistoryRow.kind == "version", *_of(row.urn))
    first = (
        select(HistoryRow.key, func.min(HistoryRow.from_sequence).label("sequence"))
        .where(*versions)
        .group_by(HistoryRow.key)
        .subquery()
    )
    steps = (
        select(HistoryRow.from_at)
        .join(first, first.c.key == HistoryRow.key)
        .where(*versions, HistoryRow.from_sequence > first.c.sequence)
    )
    gone = select(VersionRow.data_gone_at).where(
        VersionRow.dataset == row.id, VersionRow.data_gone_at.is_not(None)
    )
    went = [at for at in db.scalars(gone.distinct()) if at is not None]
    return [*db.scalars(said), *db.scalars(steps), *went]


def _stands(db: Session, urn: str, as_of: datetime) -> tuple[int | None, str]:
    """The number of the version that readers got at ``as_of``, and its state.

    Without one, the state of the newest.
    """
    said = history.texts(db, "version", as_of, keys=_versions(urn))
    states = {
        int(key.rpartition("@")[2]): State(json.loads(text)["state"]) for key, text in said.items()
    }
    latest = max((n for n, state in states.items() if state in READABLE), default=None)
    shown = latest or max(states, default=None)
    return latest, states[shown].value if shown else ""


def _versions(urn: str) -> tuple[str, str]:
    """The keys of the versions of a dataset: from the first up to, without, the second."""
    return f"{urn}@", f"{urn}A"  # the letter that follows @


def _of(urn: str) -> tuple[Any, Any]:
    first, end = _versions(urn)
    return HistoryRow.key >= first, HistoryRow.key < end


def _datasets(
    db: Session, as_of: datetime, urns: Collection[str] | None = None
) -> dict[str, Dataset]:
    """What was said of every dataset, or of those with ``urns``."""
    said = history.texts(db, "dataset", as_of, among=urns)
    return {urn: from_json(Dataset, text) for urn, text in said.items()}


def _check_filters(filters: Iterable[str]) -> None:
    for name in filters:
        if name not in FILTERS:
            raise unknown("filter of datasets", name, FILTERS)


def _fits(dataset: Dataset, filters: Mapping[str, tuple[str, ...]]) -> bool:
    has = {
        "domain": {dataset.ref.domain},
        "owner": {owner.id for owner in dataset.owners},
        "tag": {put.tag for put in dataset.assignments},
        "term": set(dataset.terms),
    }
    return all(has[name] & set(values) for name, values in filters.items())


def _summary(db: Session, urn: str, then: Dataset, as_of: datetime) -> DatasetSummary:
    number, state = _stands(db, urn, as_of)
    wanted = select(*OF_A_VERSION).join(DatasetRow, DatasetRow.id == VersionRow.dataset)
    version = db.execute(wanted.where(DatasetRow.urn == urn, VersionRow.number == number)).first()
    return summary(then, state, *(version or (None,) * len(OF_A_VERSION)), now=as_of)
