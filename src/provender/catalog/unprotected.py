"""What older versions have without protection when a tag moves to what a column is called now."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import standings
from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.datasets import Dataset
from provender.core.editing import Bared, bared, taken
from provender.core.governance import Change, Governance, Step

AT_ONCE = 50
"""Versions that are read at once: each comes with the names of its files."""


def of(db: Session, before: Dataset, after: Dataset, protected: Collection[str]) -> list[Bared]:
    """Return what of ``protected`` is taken from columns that only older versions with data have."""
    found = _bared(db, {before.ref.dataset: (before, after)}, protected)
    return found.get(before.ref.dataset, [])


def warnings(
    db: Session, existing: Governance, becomes: Governance, steps: Iterable[Step]
) -> dict[tuple[str, str], list[str]]:
    """Return in words what datasets that ``steps`` change lose in older versions, by step."""
    said = {dataset.ref.dataset: dataset for dataset in existing.datasets}
    changed = {
        step.name: (said[step.name], step.value)
        for step in steps
        if step.kind == "dataset" and step.change is Change.CHANGE and step.name in said
    }
    found = _bared(db, changed, becomes.taxonomy.protected & existing.taxonomy.protected)
    return {
        ("dataset", name): [f"{name}: takes {bare}" for bare in bares]
        for name, bares in found.items()
    }


def _bared(
    db: Session, changed: Mapping[str, tuple[Dataset, Dataset]], protected: Collection[str]
) -> dict[str, list[Bared]]:
    """What is bared of each dataset; older versions are read of those that may have what is not read now."""
    losing = {name: lost for name, two in changed.items() if (lost := taken(*two, protected))}
    read = standings.schemas(db, losing)
    return {
        name: bared(*changed[name], protected, _with_data(db, name), newest=schema.names)
        for name, schema in read.items()
        if any(one.column not in schema for one in losing[name])
    }


def _with_data(db: Session, name: str) -> Iterator[tuple[int, Collection[str]]]:
    kept = (
        select(VersionRow.number, VersionRow.value)
        .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
        .where(DatasetRow.name == name, VersionRow.data_gone_at.is_(None))
        .order_by(VersionRow.number)
        .execution_options(yield_per=AT_ONCE)
    )
    for number, version in db.execute(kept):
        yield number, version.manifest.schema.names
