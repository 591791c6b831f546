"""What is said about datasets, written down: rows, owners, tags, names, and what search finds."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog import carried, findable, indexing, lineage, naming, nodes
from provender.catalog.changes import Change
from provender.catalog.rows import (
    AssignmentRow,
    DatasetNameRow,
    DatasetRow,
    DatasetTermRow,
    GrantRow,
    OwnerRow,
)
from provender.core.datasets import Dataset, DatasetVersion, Evidence


def declare(db: Session, datasets: Sequence[Dataset], *, change: Change) -> list[DatasetRow]:
    """Return the rows of some hundred datasets, with what people say now in place of before.

    Raises:
        Conflict: a dataset that has another name now was called as one of them once.
    """
    rows = keep(db, datasets, change=change)
    nodes.rest_on_themselves(db, rows)
    indexing.put_all(db, findable.of_datasets(db, rows), at=change.at)
    return rows


def keep(db: Session, datasets: Sequence[Dataset], *, change: Change) -> list[DatasetRow]:
    """Return the rows of datasets, written with their owners, tags and terms.

    Raises:
        Conflict: a dataset that has another name now was called as one of them once.
    """
    named = select(DatasetRow).where(DatasetRow.name.in_([d.ref.dataset for d in datasets]))
    there = {row.name: row for row in db.scalars(named)}
    new = [dataset for dataset in datasets if dataset.ref.dataset not in there]
    first = naming.take(db, "dataset", len(new)) if new else 0
    added = [_added(number, dataset, now=change.at) for number, dataset in enumerate(new, first)]
    for dataset in datasets:
        row = there.get(dataset.ref.dataset)
        if row is not None:
            row.revision, row.changed_at, row.withdrawn_at = row.revision + 1, change.at, None
            row.domain, row.value = dataset.ref.domain, dataset
    db.add_all(added)
    db.flush()
    there |= {row.name: row for row in added}
    rows = [there[dataset.ref.dataset] for dataset in datasets]
    naming.add_names(db, {row.name: row.id for row in rows}, now=change.at)
    _keep_owners(db, rows)
    _keep_assignments(db, rows, change=change)
    _keep_terms(db, rows)
    carried.of_datasets(db, [row.id for row in rows])
    indexing.settle(db, rows)
    return rows


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
    lineage.forget_declared(db, row)
    carried.of_datasets(db, [row.id])
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


def _added(number: int, dataset: Dataset, *, now: datetime) -> DatasetRow:
    return DatasetRow(
        id=number,
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


def _keep_owners(db: Session, rows: Sequence[DatasetRow]) -> None:
    db.execute(delete(OwnerRow).where(OwnerRow.dataset.in_([row.id for row in rows])))
    offices = [
        {"dataset": row.id, "actor": owner.id, "role": owner.role.value}
        for row in rows
        for owner in row.value.owners
    ]
    db.execute(insert(OwnerRow), offices)


def _keep_assignments(db: Session, rows: Sequence[DatasetRow], *, change: Change) -> None:
    """Write the tags; who put one there and when stays as it is while the tag does."""
    of_rows = AssignmentRow.dataset.in_([row.id for row in rows])
    there = {
        (one.dataset, one.column_name, one.tag, one.value): one
        for one in db.scalars(select(AssignmentRow).where(of_rows))
    }
    wanted = dict.fromkeys(
        (row.id, put.column, put.tag, put.value) for row in rows for put in row.value.assignments
    )
    for key in there.keys() - wanted.keys():
        db.delete(there[key])
    db.add_all(
        AssignmentRow(
            dataset=dataset, column_name=column, tag=tag, value=value, by=change.actor, at=change.at
        )
        for dataset, column, tag, value in wanted
        if (dataset, column, tag, value) not in there
    )


def _keep_terms(db: Session, rows: Sequence[DatasetRow]) -> None:
    db.execute(delete(DatasetTermRow).where(DatasetTermRow.dataset.in_([row.id for row in rows])))
    db.add_all(
        DatasetTermRow(dataset=row.id, column_name="", term=term)
        for row in rows
        for term in dict.fromkeys(row.value.terms)
    )
