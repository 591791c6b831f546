"""Who may read the audit trail: it is a governed dataset, called ``catalog.audit``.

All of it is for who governs, and for whom a rule lets read that names the dataset: no pattern that
happens to fit opens it. Others read what they did, and what befell the datasets they decide about.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, true
from sqlalchemy.orm import Session

from provender.catalog import access, epoch
from provender.catalog.rows import AuditRow
from provender.core.audit import TRAIL, EventKind
from provender.core.datasets import Dataset, Format
from provender.core.errors import Denied
from provender.core.limits import NO_LIMITS
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, decide

OF_TOKENS = (EventKind.TOKEN_CREATE, EventKind.TOKEN_REVOKE, EventKind.TOKEN_ROTATE)
DATASET = Dataset(
    ref=DatasetRef.parse(TRAIL), description="What happened.", owner="", format=Format.PARQUET
)


def reads_all(db: Session, who: Actor, *, now: datetime) -> bool:
    """Return whether ``who`` may read every event."""
    policy = epoch.policy(db)
    decision = decide(
        who,
        Action.READ,
        [ColumnRef(TRAIL)],
        purpose="",
        datasets={TRAIL: DATASET},
        protected=policy.protected,
        rules=[rule for rule in policy.rules if TRAIL in rule.datasets],
        grants=(),
        now=now,
    )
    return decision.is_whole or access.governs(db, who, now=now)


def readable(db: Session, who: Actor, *, now: datetime) -> ColumnElement[bool]:
    """Return the condition on audit events that ``who`` may read.

    A limited token reads nothing of tokens, but for who reads all: others reach further.
    """
    if reads_all(db, who, now=now):
        return true()
    theirs = access.readable_events(db, who, now=now)
    limited = who.limits != NO_LIMITS
    return and_(theirs, AuditRow.kind.not_in(OF_TOKENS)) if limited else theirs


def check(db: Session, who: Actor, *, now: datetime) -> None:
    """Return if ``who`` may read every event.

    Raises:
        Denied: they may not.
    """
    if not reads_all(db, who, now=now):
        raise Denied(
            f"{who} may not read the whole audit trail",
            hint=f"who governs can let you: a rule in catalog/policies/ that names {TRAIL}",
        )
