"""Which datasets of a few an actor may discover, by any name that they have or had."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.core.people import Actor
from provender.core.policy import Action


def shown(db: Session, who: Actor, names: Iterable[str], *, now: datetime) -> frozenset[str]:
    """Return those of ``names``, of now or once, whose datasets ``who`` may discover."""
    wanted = (
        select(DatasetNameRow.name)
        .join(DatasetRow, DatasetRow.id == DatasetNameRow.dataset)
        .where(DatasetNameRow.name.in_(sorted(set(names))))
        .where(access.is_visible(db, who, Action.DISCOVER, now=now))
    )
    return frozenset(db.scalars(wanted))
