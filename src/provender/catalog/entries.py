"""A dataset as an entry of the catalog: with its URN, its revision and its former names."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import visibility
from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.core.datasets import Entry
from provender.core.people import Actor


def entry(db: Session, who: Actor, row: DatasetRow, *, now: datetime) -> Entry:
    """Return the entry that ``row`` is now, as far as ``who`` may know it."""
    (told,) = visibility.told(db, who, [row.value], now=now)
    former = select(DatasetNameRow.name).where(
        DatasetNameRow.dataset == row.id, DatasetNameRow.name != row.name
    )
    return Entry(
        dataset=told,
        urn=row.urn,
        revision=row.revision,
        former_names=tuple(
            db.scalars(former.order_by(DatasetNameRow.since_at, DatasetNameRow.name))
        ),
        latest=row.latest,
        changed_at=row.changed_at,
    )
