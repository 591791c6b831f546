"""What older versions have without protection when a tag moves to what a column is called now."""

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.datasets import Dataset
from provender.core.editing import Bared, bared, taken
from provender.core.governance import Change, Governance, Step


def of(db: Session, before: Dataset, after: Dataset, protected: Collection[str]) -> list[Bared]:
    """Return the columns that lose a tag of ``protected`` though versions with data have them.

    Columns of the newest version are not among them: what is taken from them is seen.
    """
    if not taken(before, after, protected):
        return []
    kept = (
        select(VersionRow.value)
        .join(DatasetRow, DatasetRow.id == VersionRow.dataset)
        .where(DatasetRow.name == before.ref.dataset, VersionRow.data_gone_at.is_(None))
    )
    schemas = {one.number: frozenset(one.manifest.schema.names) for one in db.scalars(kept)}
    return bared(before, after, protected, schemas)


def warnings(
    db: Session, existing: Governance, becomes: Governance, steps: Iterable[Step]
) -> dict[tuple[str, str], list[str]]:
    """Return in words what versions of datasets that ``steps`` change would be open, by step."""
    before = {dataset.ref.dataset: dataset for dataset in existing.datasets}
    protected = becomes.taxonomy.protected & existing.taxonomy.protected
    found: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        if step.kind == "dataset" and step.change is Change.CHANGE and step.name in before:
            bare = of(db, before[step.name], step.value, protected)
            found[step.kind, step.name] = [
                f"{one} would be open to who may read what has no tag" for one in bare
            ]
    return found
