"""What is said about datasets, written down: rows, owners, tags, names, and what search finds."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog import indexing, naming, nodes, search
from provender.catalog.changes import Change
from provender.catalog.rows import (
    AssignmentRow,
    DatasetNameRow,
    DatasetRow,
    DatasetTermRow,
    GrantRow,
    OwnerRow,
    VersionRow,
)
from provender.core.datasets import Dataset, DatasetVersion


def declare(db: Session, dataset: Dataset, *, change: Change) -> None:
    """Write down what people say about a dataset, in place of what they said before; index it."""
    row = keep(db, dataset, change=change)
    nodes.rest_on(db, nodes.dataset_node(dataset.ref), [dataset.ref.dataset])
    last = db.get(VersionRow, (row.id, row.latest)) if row.latest else None
    index(db, change, dataset, last.value if last else None)


def keep(db: Session, dataset: Dataset, *, change: Change) -> DatasetRow:
    """Return the row of a dataset, written with its owners, tags and terms.

    Raises:
        Conflict: a dataset that has another name now was called so once.
    """
    row = row_of(db, dataset.ref.dataset)
    if row is None:
        row = _added(db, dataset, now=change.at)
    else:
        row.revision, row.changed_at, row.withdrawn_at = row.revision + 1, change.at, None
        row.domain, row.value = dataset.ref.domain, dataset
        naming.add_name(db, row.id, row.name, now=change.at)
    db.flush()
    _keep_owners(db, row.id, dataset)
    _keep_assignments(db, row.id, dataset, change=change)
    _keep_terms(db, row.id, dataset)
    return row


def row_of(db: Session, name: str) -> DatasetRow | None:
    """Return the row of the dataset that is called ``name``, be it withdrawn."""
    return db.scalars(select(DatasetRow).where(DatasetRow.name == name)).first()


def withdraw(db: Session, name: str, *, change: Change) -> None:
    """Take away a dataset without versions, with what was granted on it; its name stays taken."""
    row = row_of(db, name)
    if row is None:
        return
    node = nodes.dataset_node(row.value.ref)
    indexing.put(db, change, node, ())
    nodes.rest_on(db, node, ())
    for kind in (OwnerRow, AssignmentRow, DatasetTermRow, GrantRow):
        db.execute(delete(kind).where(kind.dataset == row.id))
    row.withdrawn_at = row.changed_at = change.at
    row.revision += 1
    db.get_one(DatasetNameRow, name).until_at = change.at
    db.flush()


def index(db: Session, change: Change, dataset: Dataset, latest: DatasetVersion | None) -> None:
    """Let search find a dataset and the columns of its latest version, or those it speaks of."""
    types = {c.name: c.type for c in latest.manifest.schema.columns} if latest else {}
    names = types or dict.fromkeys((*dataset.column_tags, *dataset.column_descriptions), "")
    indexing.put(db, change, nodes.dataset_node(dataset.ref), _documents(dataset, names))


def _added(db: Session, dataset: Dataset, *, now: datetime) -> DatasetRow:
    row = DatasetRow(
        id=naming.take(db, "dataset"),
        urn=naming.new_urn(now),
        name=dataset.ref.dataset,
        domain=dataset.ref.domain,
        revision=1,
        latest=None,
        scope=0,
        value=dataset,
        created_at=now,
        changed_at=now,
        withdrawn_at=None,
    )
    db.add(row)
    db.flush()
    naming.add_name(db, row.id, row.name, now=now)
    return row


def _keep_owners(db: Session, number: int, dataset: Dataset) -> None:
    db.execute(delete(OwnerRow).where(OwnerRow.dataset == number))
    offices = [
        {"dataset": number, "actor": owner.id, "role": owner.role.value} for owner in dataset.owners
    ]
    db.execute(insert(OwnerRow), offices)


def _keep_assignments(db: Session, number: int, dataset: Dataset, *, change: Change) -> None:
    """Write the tags; who put one there and when stays as it is while the tag does."""
    rows = db.scalars(select(AssignmentRow).where(AssignmentRow.dataset == number))
    there = {(row.column_name, row.tag, row.value): row for row in rows}
    wanted = {(put.column, put.tag, put.value): put for put in dataset.assignments}
    for key in there.keys() - wanted.keys():
        db.delete(there[key])
    db.add_all(
        AssignmentRow(
            dataset=number,
            column_name=put.column,
            tag=put.tag,
            value=put.value,
            by=change.actor,
            at=change.at,
        )
        for key, put in wanted.items()
        if key not in there
    )


def _keep_terms(db: Session, number: int, dataset: Dataset) -> None:
    db.execute(delete(DatasetTermRow).where(DatasetTermRow.dataset == number))
    db.add_all(
        DatasetTermRow(dataset=number, column_name="", term=term)
        for term in dict.fromkeys(dataset.terms)
    )


def _documents(dataset: Dataset, columns: dict[str, str]) -> Iterable[search.Document]:
    node = nodes.dataset_node(dataset.ref)
    name = dataset.ref.dataset
    said = dataset.column_descriptions
    yield search.Document(
        kind="dataset",
        name=name,
        node=node,
        title=name,
        body=" ".join((dataset.description, *dataset.tags, dataset.owner, dataset.format)),
        context=" ".join(f"{column} {said.get(column, '')}" for column in columns),
        description=dataset.description,
        owner=dataset.owner,
    )
    for column, kind in columns.items():
        text = said.get(column, "")
        yield search.Document(
            kind="column",
            name=f"{name}.{column}",
            node=node,
            title=column,
            body=" ".join((text, *sorted(dataset.column_tags.get(column, ())))),
            context=f"{name} {dataset.description}",
            description=text or f"{kind} of {name}".strip(),
            owner=dataset.owner,
        )
