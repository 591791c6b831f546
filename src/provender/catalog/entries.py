"""A dataset as an entry of the catalog: with its URN, its revision and its former names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import revisions
from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.core.datasets import Entry
from provender.core.errors import PreconditionRequired


def entry(db: Session, row: DatasetRow) -> Entry:
    """Return the entry that ``row`` is, as it is now."""
    former = select(DatasetNameRow.name).where(
        DatasetNameRow.dataset == row.id, DatasetNameRow.name != row.name
    )
    return Entry(
        dataset=row.value,
        urn=row.urn,
        revision=row.revision,
        former_names=tuple(db.scalars(former.order_by(DatasetNameRow.since_at))),
        latest=row.latest,
        changed_at=row.changed_at,
    )


def check_expected(row: DatasetRow, expected: int | None, *, reason: str = "") -> None:
    """Check that a dataset still is what a caller looked at; without looking, a reason will do.

    Raises:
        PreconditionFailed: somebody changed it since.
        PreconditionRequired: the caller says neither what they looked at nor why.
    """
    if expected is None and not reason:
        raise PreconditionRequired(
            f"a change of {row.name} has to say which revision was looked at",
            hint=f"it is at revision {row.revision}; look at it, or give a reason",
        )
    revisions.check(row, expected)
