"""What there is to find of datasets and of definitions, from what the catalog knows of them now."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import definitions, nodes
from provender.catalog.rows import (
    CheckRow,
    ConsumptionRow,
    DatasetRow,
    PersonRow,
    RepoRow,
    TermRow,
    VersionRow,
)
from provender.core.contracts import Outcome
from provender.core.datasets import Dataset, DatasetVersion
from provender.core.documents import Document, Field
from provender.core.features import RepoSpec
from provender.core.glossary import Term
from provender.core.lineage import NodeKind
from provender.core.policy import EVERY
from provender.core.tags import Assignment

PORTION = 500
COUNTS = ConsumptionRow.consumer_kind != NodeKind.MODEL.value
"""Whom search counts: a model consumes by its training set, which counts already."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is looked up for documents: terms of the glossary and names of people."""

    terms: Mapping[str, Term] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What ranks a dataset and is not said about it."""

    state: str = ""
    fresh_until: datetime | None = None
    used: int = 0
    checked: int = 0


NOTHING = Standing()


def dataset_document(
    dataset: Dataset, columns: Iterable[str], *, known: Known, standing: Standing = NOTHING
) -> Document:
    """Return what is found of a dataset with these columns."""
    of_columns = (tag for _, tags in sorted(dataset.column_tags.items()) for tag in tags)
    tags = _tags((*dataset.tags, *of_columns))
    said = dataset.column_descriptions
    return Document(
        kind=NodeKind.DATASET.value,
        name=dataset.ref.dataset,
        node=nodes.dataset_node(dataset.ref),
        domain=dataset.ref.domain,
        owner=dataset.owner,
        format=dataset.format.value,
        state=standing.state,
        tags=tuple(dict.fromkeys(Assignment.parse(tag).tag for tag in tags)),
        fields=tuple(Field(column, said.get(column, "")) for column in columns),
        labels=(*tags, *_labels(dataset.terms, known)),
        description=dataset.description,
        documentation=dataset.documentation,
        owners=_owners((owner.id for owner in dataset.owners), known),
        fresh_until=standing.fresh_until,
        used=standing.used,
        checked=standing.checked,
    )


def of_datasets(db: Session, rows: Sequence[DatasetRow]) -> Iterator[Document]:
    """Return what is found of datasets now; of none that is withdrawn."""
    for start in range(0, len(rows), PORTION):
        portion = [row for row in rows[start : start + PORTION] if row.withdrawn_at is None]
        known = look_up(db, (row.value for row in portion))
        latest = _latest(db, portion)
        used = _used(db, [row.id for row in portion])
        failing = _checks(db, portion)
        states = _newest_states(db, [row.id for row in portion if row.latest is None])
        for row in portion:
            version = latest.get(row.id)
            state = version.state if version else states.get(row.id, "")
            yield dataset_document(
                row.value,
                columns_of(row.value, version.value if version else None),
                known=known,
                standing=Standing(
                    state=state,
                    fresh_until=fresh_until(row.value, version.value) if version else None,
                    used=used.get(row.id, 0),
                    checked=failing.get(row.id, 0),
                ),
            )


def of_repo(db: Session, repo: RepoSpec) -> list[Document]:
    """Return what is found of the definitions of a project now."""
    owners = {described.owner for described in definitions.described_of(repo)}
    return list(definitions.documents(repo, _people(db, owners)))


def every(db: Session) -> Iterator[Document]:
    """Return everything there is to find."""
    there = select(DatasetRow.id).where(DatasetRow.withdrawn_at.is_(None)).order_by(DatasetRow.id)
    numbers = db.scalars(there).all()
    for start in range(0, len(numbers), PORTION):
        portion = numbers[start : start + PORTION]
        wanted = select(DatasetRow).where(DatasetRow.id.in_(portion)).order_by(DatasetRow.id)
        rows = db.scalars(wanted).all()
        yield from of_datasets(db, rows)
        for row in rows:
            db.expunge(row)
    last = select(RepoRow.project, func.max(RepoRow.number)).group_by(RepoRow.project)
    for project, number in db.execute(last.order_by(RepoRow.project)).all():
        yield from of_repo(db, db.get_one(RepoRow, (project, number)).value)


def columns_of(dataset: Dataset, latest: DatasetVersion | None) -> list[str]:
    """Return the columns of the latest version; until there is one, those people speak of."""
    if latest is not None:
        return list(latest.manifest.schema.names)
    return sorted({*dataset.column_tags, *dataset.column_descriptions} - {EVERY})


def fresh_until(dataset: Dataset, version: DatasetVersion) -> datetime | None:
    """Return until when the data of a version is fresh; None where nobody said how fresh it has to be."""
    if dataset.fresh_within is None:
        return None
    newest = version.newest
    return newest + min(dataset.fresh_within, datetime.max.replace(tzinfo=UTC) - newest)


def checked(outcomes: Iterable[str]) -> int:
    """Return 1 if there are checks and all pass, -1 if one does not, else 0."""
    said = set(outcomes)
    return -1 if said & {Outcome.FAIL.value, Outcome.ERROR.value} else int(bool(said))


def look_up(db: Session, datasets: Iterable[Dataset]) -> Known:
    """Return the terms and the people that ``datasets`` name."""
    listed = list(datasets)
    terms = sorted({term for dataset in listed for term in dataset.terms})
    owners = {owner.id for dataset in listed for owner in dataset.owners}
    found: dict[str, Term] = {}
    for start in range(0, len(terms), PORTION):
        portion = terms[start : start + PORTION]
        rows = db.execute(select(TermRow.name, TermRow.value).where(TermRow.name.in_(portion)))
        found |= dict(rows.all())
    return Known(found, _people(db, owners))


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


def _labels(terms: Iterable[str], known: Known) -> Iterator[str]:
    for name in terms:
        yield name
        if name in known.terms:
            yield from known.terms[name].synonyms


def _owners(ids: Iterable[str], known: Known) -> tuple[str, ...]:
    """What owners go by: their id, and the name of the person."""
    listed = list(dict.fromkeys(ids))
    names = [known.people[who] for who in listed if known.people.get(who)]
    return (*listed, *names)


def _people(db: Session, ids: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), PORTION):
        rows = select(PersonRow.value).where(PersonRow.id.in_(wanted[start : start + PORTION]))
        found |= {person.id: person.name for person in db.scalars(rows)}
    return found


def _latest(db: Session, rows: Sequence[DatasetRow]) -> dict[int, VersionRow]:
    wanted = (
        select(VersionRow)
        .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
        .where(DatasetRow.id.in_([row.id for row in rows]), VersionRow.number == DatasetRow.latest)
    )
    return {row.dataset: row for row in db.scalars(wanted)}


def _newest_states(db: Session, datasets: Sequence[int]) -> dict[int, str]:
    """Where the newest version stands of datasets of which readers get none."""
    newest = (
        select(VersionRow.dataset, func.max(VersionRow.number).label("number"))
        .where(VersionRow.dataset.in_(datasets))
        .group_by(VersionRow.dataset)
        .subquery()
    )
    wanted = select(VersionRow.dataset, VersionRow.state).join(
        newest,
        (newest.c.dataset == VersionRow.dataset) & (newest.c.number == VersionRow.number),
    )
    return dict(db.execute(wanted).all()) if datasets else {}


def _used(db: Session, datasets: Sequence[int]) -> dict[int, int]:
    """How many consume each dataset, whichever versions."""
    who = (ConsumptionRow.dataset, ConsumptionRow.consumer_kind, ConsumptionRow.consumer)
    consuming = select(*who).where(ConsumptionRow.dataset.in_(datasets), COUNTS)
    different = consuming.distinct().subquery()
    counted = select(different.c.dataset, func.count()).group_by(different.c.dataset)
    return dict(db.execute(counted).all())


def _checks(db: Session, rows: Sequence[DatasetRow]) -> dict[int, int]:
    """1 for each dataset of whose latest version all checks pass, -1 where one does not."""
    wanted = (
        select(CheckRow.dataset, CheckRow.outcome)
        .join(DatasetRow, DatasetRow.id == CheckRow.dataset)
        .where(DatasetRow.id.in_([row.id for row in rows]), CheckRow.number == DatasetRow.latest)
    )
    outcomes: dict[int, list[str]] = defaultdict(list)
    for dataset, outcome in db.execute(wanted):
        outcomes[dataset].append(outcome)
    return {dataset: checked(said) for dataset, said in outcomes.items()}
