"""What an audit event tells of a decision beside its reasons: the verdict, and the tags as they were then."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import whence
from provender.catalog.rows import DatasetRow
from provender.core.audit import Outcome
from provender.core.policy import Decision


def of(db: Session, decision: Decision, name: str) -> dict[str, object]:
    """Return what is told of the part of ``decision`` that is about the dataset called ``name``.

    Tags change; an event says which ones the columns had. Of what is not there it says none.
    """
    here = [reason for reason in decision.reasons if reason.column.dataset == name]
    verdict = Outcome.ALLOW if all(reason.allowed for reason in here) else Outcome.DENY
    said: dict[str, object] = {"verdict": verdict}
    value = db.scalar(select(DatasetRow.value).where(DatasetRow.name == name))
    if value is not None:
        columns = [reason.column for reason in here]
        carrying = whence.carrying({name: value}, whence.of_columns(db, columns))[name]
        tags = {
            column.column: sorted(found)
            for column in columns
            if (found := carrying.tags_of(column.column))
        }
        if tags:
            said["tags"] = tags
    return said
