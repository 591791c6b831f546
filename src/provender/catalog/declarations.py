"""What is said about datasets, written down: rows, owners, tags, names, and what search finds."""

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog import findable, indexing, naming, nodes
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
from provender.core.datasets import Dataset, DatasetVersion, Evidence


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
    indexing.settle(db, [row])
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
    indexing.settle(db, [row])


def published(
    db: Session,
    change: Change,
    row: DatasetRow,
    version: DatasetVersion,
    evidence: Evidence,
    *,
    first: bool,
) -> None:
    """Let search know of a version; ``first`` of its schema or state, of all, or that nobody gets."""
    if first:
        index(db, change, row.value, version)
        return
    indexing.touch(
        db,
        nodes.dataset_node(row.value.ref),
        fresh_until=findable.fresh_until(row.value, version),
        checked=findable.checked(check.outcome for check in evidence.checks),
    )


def index(db: Session, change: Change, dataset: Dataset, latest: DatasetVersion | None) -> None:
    """Let search find a dataset by what is said of it and the columns of its latest version."""
    row = row_of(db, dataset.ref.dataset)
    found = findable.of_datasets(db, [row] if row else [])
    indexing.put(db, change, nodes.dataset_node(dataset.ref), found)


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
