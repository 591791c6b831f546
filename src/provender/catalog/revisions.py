"""The revision of a dataset: it counts what was said of it, so that nobody overwrites unread words."""

from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow
from provender.core.errors import PreconditionFailed


def check(row: DatasetRow, expected: int | None) -> None:
    """Return if a dataset is as the caller had looked at it; None: nobody looked.

    Raises:
        PreconditionFailed: somebody changed it meanwhile.
    """
    if expected is not None and expected != row.revision:
        raise PreconditionFailed(
            f"{row.name} is at revision {row.revision}, not {expected}: somebody changed it meanwhile",
            hint="look at it again, then decide whether your change still is right",
        )


def further(row: DatasetRow, change: Change) -> None:
    """Count what ``change`` says of a dataset."""
    row.revision, row.changed_at = row.revision + 1, change.at
