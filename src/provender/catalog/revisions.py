"""The revision of a dataset: it counts what was said of it, so that nobody overwrites unread words."""

from sqlalchemy.orm import Session

from provender.catalog import history, naming
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow
from provender.core.errors import PreconditionFailed, PreconditionRequired


def check(row: DatasetRow, expected: int | None) -> None:
    """Return if a dataset is as the caller had looked at it; None: nobody looked.

    Raises:
        PreconditionFailed: somebody changed it meanwhile.
    """
    _compare(row.name, row.revision, expected)


def check_object(db: Session, kind: str, name: str, expected: int | None) -> None:
    """`check`, of any object that history knows; 0 is that of what is not there."""
    if expected is None:
        return
    if kind == "dataset":
        row = naming.locate(db, name)
        there = row.revision if row is not None and row.withdrawn_at is None else 0
    else:
        there = history.revision(db, kind, name)
    _compare(f"{kind} {name}", there, expected)


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


def _compare(named: str, there: int, expected: int | None) -> None:
    if expected is None or expected == there:
        return
    stands = f"is at revision {there}" if there else "is not there"
    looked = f"not {expected}" if expected else "though nobody had seen one"
    raise PreconditionFailed(
        f"{named} {stands}, {looked}: somebody changed it meanwhile",
        hint="look at it again, then decide whether your change still is right",
    )


def further(row: DatasetRow, change: Change) -> None:
    """Count what ``change`` says of a dataset."""
    row.revision, row.changed_at = row.revision + 1, change.at
