"""Requests for access: who asks for what, who approves it, and when it is over.

    open ── approve, until enough people did ──▶ approved     (grants are given then)
     ├───── reject ────────────────────────────▶ rejected
     ├───── withdraw, by who asked ────────────▶ withdrawn
     └───── expire, by time alone ─────────────▶ expired

Whether somebody decides about a dataset is policy's question, and is handed in; that nobody
decides what they asked for, or what is for themselves, is ours. Pure: no clock, no database.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from provender.core.errors import Conflict, Denied, InvalidInput
from provender.core.lineage import Node, NodeKind
from provender.core.people import NO_PERSON, SAME_PERSON, Actor, is_service
from provender.core.policy import EVERY, Action
from provender.core.remedies import BLANK
from provender.core.rules import REQUESTED, ROWS

LAPSES = timedelta(days=30)
"""How long a request waits for an answer."""
ALONE = 1
TOGETHER = 2
"""How many people approve columns whose tags ask for four eyes."""


class RequestState(StrEnum):
    """Where a request stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class RequestStep(StrEnum):
    """What happens to a request."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


TRANSITIONS: dict[tuple[RequestState, RequestStep], RequestState] = {
    (RequestState.OPEN, RequestStep.APPROVE): RequestState.APPROVED,
    (RequestState.OPEN, RequestStep.REJECT): RequestState.REJECTED,
    (RequestState.OPEN, RequestStep.WITHDRAW): RequestState.WITHDRAWN,
    (RequestState.OPEN, RequestStep.EXPIRE): RequestState.EXPIRED,
}
TAKEN = (RequestStep.APPROVE, RequestStep.REJECT, RequestStep.WITHDRAW)
"""Steps that somebody takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for. ``grantee`` of "" is themselves, ``columns`` are a dataset's own.

    ``about`` is a dataset, a feature view or a feature service; without ``columns`` those of a
    dataset that no protected tag closes, and all that a view or service uses.
    """

    about: Node
    grantee: str = ""
    columns: tuple[str, ...] = ()
    action: Action = Action.READ
    purpose: str = ""
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPart:
    """What a request asks for of one dataset, and how many people have to approve that."""

    dataset: str
    columns: tuple[str, ...] = ()
    approvals: int = ALONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """That somebody approves what is asked for of ``datasets``."""

    by: str
    at: datetime
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A request, from the day it was made to the day it was decided. ``grants`` came of it."""

    id: str
    requester: str
    grantee: str
    about: Node
    action: Action
    purpose: str
    parts: tuple[RequestPart, ...]
    until: datetime | None
    reason: str
    asked_at: datetime
    lapses_at: datetime
    state: RequestState = RequestState.OPEN
    approvals: tuple[Approval, ...] = ()
    decided_by: str = ""
    decided_at: datetime | None = None
    answer: str = ""
    grants: tuple[str, ...] = ()
    revision: int = 1

    def seen_at(self, now: datetime) -> "AccessRequest":
        """Return the request as it stands at ``now``: one that nobody answered expires."""
        if self.state is not RequestState.OPEN or now < self.lapses_at:
            return self
        over = TRANSITIONS[RequestState.OPEN, RequestStep.EXPIRE]
        return replace(self, state=over, decided_at=self.lapses_at)

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(part.dataset for part in self.parts)

    def renamed(self, old: str, new: str) -> "AccessRequest":
        """Return the request as it reads since the dataset ``old`` is called ``new``."""
        about = self.about
        if about == Node(NodeKind.DATASET, old):
            about = Node(NodeKind.DATASET, new)

        def called(name: str) -> str:
            return new if name == old else name

        return replace(
            self,
            about=about,
            parts=tuple(replace(part, dataset=called(part.dataset)) for part in self.parts),
            approvals=tuple(
                replace(one, datasets=tuple(map(called, one.datasets))) for one in self.approvals
            ),
        )

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes of the grants that come of it."""
        return (self.purpose or EVERY,)

    def approved_by(self, *names: str) -> frozenset[str]:
        """Return the datasets that one of ``names`` has approved."""
        theirs = (one.datasets for one in self.approvals if one.by in names)
        return frozenset[str]().union(*theirs)

    def lacking(self, part: RequestPart) -> int:
        """Return how many more people have to approve ``part``."""
        by = {one.by for one in self.approvals if part.dataset in one.datasets}
        if part.approvals > ALONE:
            by = {name for name in by if not is_service(name)}
        return max(0, part.approvals - len(by))

    @property
    def is_approved(self) -> bool:
        """Whether enough people have approved every part."""
        return not any(map(self.lacking, self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenColumn:
    """A column that a request asks for, and whether it is open before and after.

    ``because`` says what opens or closes it after. Who may not know what others may (``known`` is
    false) is told what the request opens by itself. Nothing here is a value of the column.
    """

    dataset: str
    column: str
    type: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    before: bool = False
    after: bool = False
    because: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a request would show to whom it is for; ``who_decides`` by dataset."""

    request: AccessRequest
    columns: tuple[ForeseenColumn, ...]
    who_decides: dict[str, tuple[str, ...]]


def lapses_at(until: datetime | None, *, now: datetime) -> datetime:
    """Return when a request made at ``now`` expires: with what is asked for, if that is sooner."""
    return now + LAPSES if until is None else min(until, now + LAPSES)


def check_wanted(wanted: Wanted) -> None:
    """Check that ``wanted`` can be asked for at all.

    Raises:
        InvalidInput: it cannot, without a reason or a purpose, or with one that means nothing.
    """
    if wanted.action not in REQUESTED:
        raise InvalidInput(
            f"{wanted.action} cannot be requested",
            hint=f"request {', '.join(REQUESTED[:-1])} or {REQUESTED[-1]}",
        )
    if wanted.action in ROWS and wanted.purpose in ("", EVERY):
        raise InvalidInput(
            f"a request to {wanted.action} has to name one purpose",
            hint="purposes are declared in catalog/purposes.yml",
        )
    if wanted.action not in ROWS and wanted.purpose:
        raise InvalidInput(
            f"to {wanted.action} is for no purpose", hint="leave the purpose out, or ask to read"
        )
    if wanted.action not in ROWS and wanted.columns:
        raise InvalidInput(
            f"to {wanted.action} is asked for a dataset as a whole", hint="leave the columns out"
        )
    if not wanted.reason.strip().strip(BLANK):
        raise InvalidInput(
            "a request needs a reason", hint="say what for, to whoever decides: --reason …"
        )


def advance(
    request: AccessRequest,
    step: RequestStep,
    *,
    by: Actor,
    decides: Collection[str] = (),
    alike: Collection[str] = (),
    answer: str = "",
    now: datetime,
) -> AccessRequest:
    """Return ``request`` after ``by``, who ``decides`` about datasets, takes ``step`` at ``now``.

    An approval may be one of several: then it is still open. Those ``alike`` may be the same person.

    Raises:
        Denied: they decide about none of it, asked for it, or would give it to themselves; or
            withdraw what somebody else asked for.
        Conflict: it is decided, or over; or they approved already all that is theirs to approve.
        InvalidInput: a rejection without a reason.
    """
    request = request.seen_at(now)
    theirs = tuple(name for name in request.datasets if name in decides)
    if step is RequestStep.APPROVE and by.is_service:
        theirs = _for_services(request, by, theirs)
    _check_may(request, step, by, theirs, alike)
    if (request.state, step) not in TRANSITIONS:
        raise Conflict(
            f"cannot {step} request {request.id}: it is already {request.state}",
            hint="whoever still needs it makes a new request",
        )
    if step is RequestStep.APPROVE:
        return _approved(request, by, theirs, alike, answer=answer, now=now)
    if step is RequestStep.REJECT and not answer.strip():
        raise InvalidInput("a rejection needs a reason", hint="say why, and what to do instead")
    return _decided(request, step, by, answer, now)


def _for_services(request: AccessRequest, by: Actor, theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``theirs`` for which one approval is enough: a service is no second person."""
    alone = {part.dataset for part in request.parts if part.approvals <= ALONE}
    if theirs and alone.isdisjoint(theirs):
        raise Denied(
            f"{by} cannot approve request {request.id}, which takes two people: {NO_PERSON}",
            hint="ask another steward of the dataset",
        )
    return tuple(name for name in theirs if name in alone)


def _check_may(
    request: AccessRequest,
    step: RequestStep,
    by: Actor,
    theirs: Collection[str],
    alike: Collection[str],
) -> None:
    if step not in TAKEN:
        raise Denied(f"nobody lets a request {step}", hint="time does; withdraw it, or reject it")
    if step is RequestStep.WITHDRAW:
        if by.id != request.requester:
            raise Denied(
                f"{by} cannot withdraw request {request.id} of {request.requester}",
                hint="who decides about it can reject it",
            )
        return
    if by.id == request.requester:
        raise Denied(
            f"{by} cannot {step} their own request {request.id}",
            hint="ask another steward of the dataset; withdraw it if it is not needed",
        )
    if request.grantee in by.names:
        raise Denied(
            f"{by} cannot {step} request {request.id}: it is for themselves, or a team of theirs",
            hint="ask another steward of the dataset",
        )
    for party in (request.requester, request.grantee):
        if party in alike:
            raise Denied(
                f"{by} cannot {step} request {request.id} of or for {party}: {SAME_PERSON}",
                hint="ask another steward of the dataset",
            )
    if not theirs:
        raise Denied(
            f"{by} does not decide about {', '.join(request.datasets)}",
            hint="owners and stewards of a dataset do",
        )


def _approved(
    request: AccessRequest,
    by: Actor,
    theirs: Collection[str],
    alike: Collection[str],
    *,
    answer: str,
    now: datetime,
) -> AccessRequest:
    before = request.approved_by(by.id, *alike)
    new = tuple(name for name in theirs if name not in before)
    if not new:
        raise Conflict(
            f"{by}, or a service of the same person, approved request {request.id} already"
            if alike
            else f"{by} approved request {request.id} already",
            hint="it waits for another person: " + _still_lacking(request),
        )
    approval = Approval(by=by.id, at=now, datasets=new)
    approved = replace(
        request, approvals=(*request.approvals, approval), revision=request.revision + 1
    )
    if not approved.is_approved:
        return approved
    return _decided(
        replace(approved, revision=request.revision), RequestStep.APPROVE, by, answer, now
    )


def _decided(
    request: AccessRequest, step: RequestStep, by: Actor, answer: str, now: datetime
) -> AccessRequest:
    return replace(
        request,
        state=TRANSITIONS[request.state, step],
        decided_by=by.id,
        decided_at=now,
        answer=answer.strip(),
        revision=request.revision + 1,
    )


def _still_lacking(request: AccessRequest) -> str:
    return ", ".join(
        f"{lacking} more for {part.dataset}"
        for part in request.parts
        if (lacking := request.lacking(part))
    )
