"""Which datasets of a few an actor may discover, by any name that they have or had."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import DatasetNameRow
from provender.core.people import Actor
from provender.core.policy import Action


def shown(db: Session, who: Actor, names: Iterable[str], *, now: datetime) -> frozenset[str]:
    """Return those of ``names``, of now or once, whose datasets ``who`` may discover."""
    discovered = access.visible_numbers(db, who, Action.DISCOVER, now=now)
    wanted = select(DatasetNameRow.name).where(
        DatasetNameRow.name.in_(sorted(set(names))), DatasetNameRow.dataset.in_(discovered)
    )
    return frozenset(db.scalars(wanted))
