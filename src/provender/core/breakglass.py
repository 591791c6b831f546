"""Breaking the glass: access taken at once for a few hours, by whom a rule allows it, and reviewed after.

Whether a rule allows it is policy's question. Ours is for how long, that somebody else reviews
it, and that who was not reviewed in time breaks no further glass. Pure: no clock, no database.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from provender.core.errors import Conflict, Denied, InvalidInput
from provender.core.people import NO_PERSON, SAME_PERSON, Actor
from provender.core.policy import Action

LONGEST = timedelta(hours=8)
"""For how long access is taken at most."""
REVIEWED_WITHIN = timedelta(days=3)
"""How long a review may take before no further glass is broken."""
TAKEN = (Action.READ, Action.SERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """That somebody took access, by which grant, and what became of the review."""

    id: str
    actor: str
    dataset: str
    columns: tuple[str, ...]
    action: Action
    purpose: str
    reason: str
    grant: str
    opened_at: datetime
    until: datetime
    review_by: datetime
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    justified: bool | None = None
    note: str = ""

    def is_overdue(self, now: datetime) -> bool:
        """Return whether nobody reviewed it in time."""
        return self.reviewed_at is None and now >= self.review_by


def check_taken(
    action: Action, hours: float, reason: str, before: Iterable[BreakGlass], *, now: datetime
) -> None:
    """Check that access may be taken for ``hours``, by who broke the glasses of ``before``.

    Raises:
        InvalidInput: not that, not for so long, or not without a reason.
        Denied: a review of theirs is overdue.
    """
    if action not in TAKEN:
        raise InvalidInput(f"to {action} is not taken by breaking the glass", hint="request it")
    if not 0 < hours <= LONGEST / timedelta(hours=1):
        raise InvalidInput(
            f"{hours:g} hours are not what the glass is broken for",
            hint=f"take up to {LONGEST / timedelta(hours=1):g} hours; request what is needed longer",
        )
    if not reason.strip():
        raise InvalidInput("breaking the glass needs a reason", hint="whoever reviews it reads it")
    overdue = [one for one in before if one.is_overdue(now)]
    if overdue:
        names = ", ".join(one.id for one in overdue)
        raise Denied(
            f"{overdue[0].actor} breaks no further glass: {names} should be reviewed by now",
            hint="ask a steward of the dataset to review it: provender access review",
        )


def review(
    glass: BreakGlass,
    *,
    by: Actor,
    decides: bool,
    is_alike: bool = False,
    justified: bool,
    note: str,
    now: datetime,
) -> BreakGlass:
    """Return ``glass`` as ``by``, who ``decides`` about its dataset or does not, reviewed it.

    Who took it may be the same person as ``by`` where that ``is_alike``.

    Raises:
        Denied: it is their own, or may be, or they do not decide about the dataset.
        Conflict: it was reviewed.
        InvalidInput: the review says nothing.
    """
    if by.id == glass.actor:
        raise Denied(f"{by} cannot review {glass.id}, which is theirs", hint="somebody else does")
    if by.is_service:
        raise Denied(f"{by} cannot review {glass.id}: {NO_PERSON}", hint="a person does")
    if is_alike:
        raise Denied(
            f"{by} cannot review {glass.id} of {glass.actor}: {SAME_PERSON}",
            hint="somebody else does",
        )
    if not decides:
        raise Denied(
            f"{by} does not decide about {glass.dataset}",
            hint="owners and stewards of a dataset review who broke its glass",
        )
    if glass.reviewed_at is not None:
        raise Conflict(
            f"{glass.id} was reviewed by {glass.reviewed_by} already", hint="there is nothing to do"
        )
    if not note.strip():
        raise InvalidInput("a review needs a note", hint="say what was looked at: --note …")
    return replace(
        glass, reviewed_by=by.id, reviewed_at=now, justified=justified, note=note.strip()
    )
