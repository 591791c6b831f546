"""What older versions have without protection when a tag moves to what a column is called now."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import standings
from provender.catalog.nodes import portions
from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.datasets import Dataset
from provender.core.editing import Bared, bared, taken
from provender.core.governance import Change, Governance, Step

Columns = frozenset[str]
AT_ONCE = 50
"""Versions that are read at once: each comes with the names of its files."""


def newest(db: Session, names: Iterable[str]) -> Mapping[str, Columns]:
    """Return the columns of the versions that readers get of the datasets called ``names``."""
    found: dict[str, Columns] = {}
    for portion in portions(list(names)):
        rows = db.execute(
            select(DatasetRow.id, DatasetRow.name).where(DatasetRow.name.in_(portion))
        )
        called = {row.id: row.name for row in rows}
        for row in standings.newest_of(db, called):
            found[called[row.dataset]] = frozenset(row.value.manifest.schema.names)
    return found


def of(db: Session, before: Dataset, after: Dataset, protected: Collection[str]) -> list[Bared]:
    """Return what of ``protected`` is taken from columns that only older versions with data have."""
    if not taken(before, after, protected):
        return []
    name = before.ref.dataset
    return _of(db, before, after, protected, newest(db, [name]).get(name))


def warnings(
    db: Session, existing: Governance, becomes: Governance, steps: Iterable[Step]
) -> dict[tuple[str, str], list[str]]:
    """Return in words what datasets that ``steps`` change lose in older versions, by step."""
    protected = becomes.taxonomy.protected & existing.taxonomy.protected
    said = {dataset.ref.dataset: dataset for dataset in existing.datasets}
    changed = {
        step.name: (said[step.name], step.value)
        for step in steps
        if step.kind == "dataset" and step.change is Change.CHANGE and step.name in said
    }
    losing = {name: two for name, two in changed.items() if taken(*two, protected)}
    read = newest(db, losing)
    return {
        ("dataset", name): [
            f"{name}: takes {bare}" for bare in _of(db, *two, protected, read.get(name))
        ]
        for name, two in losing.items()
    }


def _of(
    db: Session,
    before: Dataset,
    after: Dataset,
    protected: Collection[str],
    read: Columns | None,
) -> list[Bared]:
    if read is None or all(one.column in read for one in taken(before, after, protected)):
        return []
    schemas = _with_data(db, before.ref.dataset)
    return bared(before, after, protected, schemas, newest=read)


def _with_data(db: Session, name: str) -> Iterator[tuple[int, Columns]]:
    kept = (
        select(VersionRow.number, VersionRow.value)
        .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
        .where(DatasetRow.name == name, VersionRow.data_gone_at.is_(None))
        .order_by(VersionRow.number)
        .execution_options(yield_per=AT_ONCE)
    )
    for number, version in db.execute(kept):
        yield number, frozenset(version.manifest.schema.names)
