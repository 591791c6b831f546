"""The policy's epoch: a number that rises with everything that may change a decision.

What was computed from rules, tags, people, owners, names and grants holds as long as the epoch
is the same, if both are read in one transaction. Time changes decisions without it: what ends
at an instant has to be asked for that instant.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import naming
from provender.catalog.rows import CounterRow

COUNTER = "policy_epoch"


def now(db: Session) -> int:
    """Return the epoch that ``db`` sees."""
    return db.scalars(select(CounterRow.value).where(CounterRow.name == COUNTER)).one()


def bump(db: Session) -> None:
    """Let what was computed before this transaction hold no more."""
    naming.take(db, COUNTER)
