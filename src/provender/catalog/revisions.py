"""The revision of a dataset: it counts what was said of it, so that nobody overwrites unread words."""

from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow
from provender.core.errors import PreconditionFailed, PreconditionRequired


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


def check_looked(row: DatasetRow, expected: int | None, *, reason: str) -> None:
    """`check`, of a caller who has looked at the dataset, or says why they have not.

    Raises:
        PreconditionRequired: they say neither what they looked at nor why.
    """
    if expected is None and not reason:
        raise PreconditionRequired(
            f"a change of {row.name} has to say which revision was looked at",
            hint=f"it is at revision {row.revision}; look at it, or give a reason",
        )
    check(row, expected)


def further(row: DatasetRow, change: Change) -> None:
    """Count what ``change`` says of a dataset."""
    row.revision, row.changed_at = row.revision + 1, change.at
