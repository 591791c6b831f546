"""How far callers get beyond what policy says: what their token is for, and whose rights they know."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.access import EVERYTHING, Refused
from provender.core.effects import Effect
from provender.core.errors import Denied
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Reason


def outside(who: Actor, actions: Sequence[str], *, now: datetime) -> Refused:
    """Return the refusal of a change by who asks with a token that is for none of ``actions``."""
    every = EVERY in actions
    reason = Reason(
        column=EVERYTHING, allowed=False, because=who.limits.told, effect=Effect.DENY, tags=()
    )
    decision = Decision(
        actor=who.id,
        action=Action.GOVERN if every else Action(actions[0]),
        purpose="",
        reasons=(reason,),
        who_decides=(),
        decided_at=now,
    )
    needed = "every action" if every else " or ".join(actions)
    return Refused(
        decision,
        f"{who} may not change that: {who.limits.told}",
        hint=f"ask with a token for {needed}",
    )


def check_may_know(
    db: Session, who: Actor, actor: str, columns: Iterable[ColumnRef], *, now: datetime
) -> None:
    """Return if ``who`` may know what ``actor`` may do to ``columns``, as `may_know`.

    Raises:
        Denied: they may not, whether the datasets are there or not.
    """
    if not may_know(db, who, actor, columns, now=now):
        raise Denied(
            f"{who} may not know what {actor} may",
            hint=f"ask {actor}, a steward of the datasets, or who governs",
        )


def may_know(
    db: Session, who: Actor, actor: str, columns: Iterable[ColumnRef], *, now: datetime
) -> bool:
    """Return whether ``who`` may know what ``actor`` may do to ``columns``.

    That is their own, their teams' and their projects', and everybody's for who decides about
    all the datasets, or governs.
    """
    if actor in who.names or access.governs(db, who, now=now):
        return True
    asked = [ColumnRef(column.dataset) for column in columns]
    return access.explain(db, who, Action.STEWARD, asked, purpose="", now=now).allowed
