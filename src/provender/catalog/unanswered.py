"""What was searched for in vain: words, how often and when; not by whom."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from provender.catalog.door import Door
from provender.catalog.rows import UnansweredRow
from provender.core.credentials import redacted
from provender.core.errors import Unavailable
from provender.core.finding import Found, Question
from provender.core.policy import Action
from provender.core.words import legible, words

MOST_LETTERS = 100
MOST_KEPT = 5_000
"""Questions that are kept; of more, those asked least are forgotten."""


def is_one(question: Question, found: Found) -> bool:
    """Return whether somebody asked for something whole, of all there is now, and nothing fits."""
    asked_all = not (question.typing or question.filters or question.as_of)
    return asked_all and not found.total and bool(_key(question.text))


def note(door: Door, text: str) -> None:
    """Write down that ``text`` was searched for in vain. A catalog too busy for that forgets it.

    So does one that is asked by somebody who may look only.
    """
    if door.only_looks:
        return
    try:
        with door.writing(Action.DISCOVER) as (db, change):
            record(db, text, at=change.at)
    except Unavailable:
        return


def record(db: Session, text: str, *, at: datetime) -> None:
    """Count the words of ``text`` once more as searched for in vain."""
    key = _key(redacted(text))
    row = db.get(UnansweredRow, key)
    if row is not None:
        row.times, row.last_at, row.settled_at, row.settled_by = row.times + 1, at, None, ""
        return
    db.add(
        UnansweredRow(words=key, times=1, first_at=at, last_at=at, settled_at=None, settled_by="")
    )
    db.flush()
    _forget(db, key)


def _forget(db: Session, but: str) -> None:
    many = (db.scalar(select(func.count()).select_from(UnansweredRow)) or 0) - MOST_KEPT
    if many > 0:
        order = (UnansweredRow.settled_at.is_(None), UnansweredRow.times, UnansweredRow.last_at)
        least = select(UnansweredRow.words).where(UnansweredRow.words != but).order_by(*order)
        gone = db.scalars(least.limit(many)).all()
        db.execute(delete(UnansweredRow).where(UnansweredRow.words.in_(gone)))


def _key(text: str) -> str:
    return " ".join(words(legible(text)))[:MOST_LETTERS]
