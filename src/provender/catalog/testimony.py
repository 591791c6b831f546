"""What an audit event tells of a decision beside its reasons: the verdict, and the tags as they were then."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import whence
from provender.catalog.rows import DatasetRow
from provender.core.audit import Outcome
from provender.core.policy import ColumnRef, Decision


def of(db: Session, decision: Decision, name: str) -> dict[str, object]:
    """Return what is told of the part of ``decision`` that is about the dataset called ``name``.

    Tags change; an event says which ones the columns had. Of what is not there it says none.
    """
    here = [reason for reason in decision.reasons if reason.column.dataset == name]
    verdict = Outcome.ALLOW if all(reason.allowed for reason in here) else Outcome.DENY
    said: dict[str, object] = {"verdict": verdict}
    if found := tags(db, [reason.column for reason in here]):
        said["tags"] = found
    return said


def tags(db: Session, columns: Sequence[ColumnRef]) -> dict[str, tuple[str, ...]]:
    """Return the tags that ``columns`` of one dataset have now, of those that have any."""
    name = columns[0].dataset if columns else ""
    value = db.scalar(select(DatasetRow.value).where(DatasetRow.name == name))
    if value is None:
        return {}
    carrying = whence.carrying({name: value}, whence.of_columns(db, columns))[name]
    return {
        column.column: tuple(sorted(found))
        for column in columns
        if (found := carrying.tags_of(column.column))
    }
