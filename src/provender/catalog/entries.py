"""A dataset as an entry of the catalog: with its URN, its revision and its former names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.core.datasets import Entry


def entry(db: Session, row: DatasetRow) -> Entry:
    """Return the entry that ``row`` is, as it is now."""
    former = select(DatasetNameRow.name).where(
        DatasetNameRow.dataset == row.id, DatasetNameRow.name != row.name
    )
    return Entry(
        dataset=row.value,
        urn=row.urn,
        revision=row.revision,
        former_names=tuple(
            db.scalars(former.order_by(DatasetNameRow.since_at, DatasetNameRow.name))
        ),
        latest=row.latest,
        changed_at=row.changed_at,
    )
