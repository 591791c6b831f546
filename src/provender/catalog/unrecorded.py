"""What may be read though it cannot be written down: public columns, where the operator lets it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import access, datasets, epoch, naming, whence
from provender.catalog.rows import DatasetRow
from provender.core.errors import Unavailable
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Permit


def permit(
    db: Session,
    who: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    versions: Iterable[DatasetRef] = (),
    *,
    purpose: str,
    unavailable: Unavailable,
    now: datetime,
) -> Permit:
    """Return a permit for public columns, of which nothing is written down.

    Raises:
        Unavailable: ``unavailable``: a column is closed by a protected tag, or to ``who``.
    """
    asked = list(columns)
    decision = access.explain(db, who, action, asked, purpose=purpose, now=now)
    if not decision.allowed or any(_is_restricted(db, column) for column in asked):
        raise unavailable
    datasets.check_read(db, who, versions, now=now)
    return decision.require()


def _is_restricted(db: Session, column: ColumnRef) -> bool:
    """Whether a protected tag closes the column, or its dataset."""
    row: DatasetRow | None = naming.locate(db, column.dataset)
    if row is None:
        return True
    carried = whence.of_columns(db, [ColumnRef(row.name, column.column)])
    carrying = whence.carrying({row.name: row.value}, carried)[row.name]
    return bool(carrying.tags_of(column.column) & epoch.policy(db).protected)
