"""Who may look after the catalog as a whole: check it, copy it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import RuleRow
from provender.core.people import Actor
from provender.core.policy import Action


def check_operates(db: Session, who: Actor, *, doing: str, now: datetime) -> None:
    """Return if ``who`` governs; while there are no rules, everybody may, as with the first ones.

    Raises:
        Denied: they do not.
    """
    if db.scalar(select(RuleRow.id).limit(1)) is not None:
        access.check(db, who, Action.GOVERN, [access.EVERYTHING], now=now, doing=doing)
