"""Requests for access: made, listed, and decided in one transaction with the grants they become.

Who steward a dataset see the requests for it, beside who asked and whom it is for. Of a request
each sees what they may know, as `mentions` has it. What was approved is written down with the
grants, and effective at the next call.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    changes,
    foresight,
    grants,
    history,
    mentions,
    naming,
    tokens,
)
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow, RequestedRow, RequestRow
from provender.core import requests
from provender.core.audit import EventKind
from provender.core.bounds import OPEN
from provender.core.datasets import Listed
from provender.core.errors import Conflict, InvalidInput, PreconditionFailed
from provender.core.names import unknown
from provender.core.people import Actor, check_actor_id
from provender.core.policy import Action
from provender.core.requests import AccessRequest, Foreseen, RequestState, RequestStep, Wanted

COUNTER = "request"
SUGGESTED = 50
"""How many ids a hint is chosen from."""
EVENTS = {
    RequestStep.APPROVE: EventKind.ACCESS_APPROVE,
    RequestStep.REJECT: EventKind.ACCESS_REJECT,
    RequestStep.WITHDRAW: EventKind.ACCESS_WITHDRAW,
}


def foresee(db: Session, by: Actor, wanted: Wanted, *, now: datetime) -> Foreseen:
    """Return what the request that ``by`` would make would show; nothing is written.

    Raises:
        NotFound, InvalidInput: it cannot be asked for; but a reason may still be missing.
    """
    said = replace(wanted, reason=wanted.reason or "–")
    return foresight.foreseen(db, by, _drawn_up(db, by, said, now=now), now=now)


def ask(db: Session, by: Actor, wanted: Wanted, *, change: Change) -> AccessRequest:
    """Return the request of ``by`` for ``wanted``; an equal one that is open as it is.

    Raises:
        NotFound: what it is about, the grantee or the purpose is not there for ``by``.
        InvalidInput: it cannot be asked for, or not without a reason.
        Conflict: all of it is open already, as far as ``by`` may know; or too many of theirs wait.
    """
    asked = _drawn_up(db, by, wanted, now=change.at)
    if (open_already := _same(db, asked, now=change.at)) is not None:
        return open_already
    _check_few(db, by, now=change.at)
    seen = foresight.foreseen(db, by, asked, now=change.at)
    if seen.columns and all(column.before for column in seen.columns):
        purpose = f" for {asked.purpose}" if asked.purpose else ""
        raise Conflict(
            f"{asked.grantee} may {asked.action} that already{purpose}",
            hint="there is nothing to ask for; provender access explain says why",
        )
    number = naming.take(db, COUNTER)
    asked = replace(asked, id=f"r{number}")
    db.add(_row(number, asked))
    db.flush()
    of = naming.numbers(db, asked.datasets)
    db.add_all(RequestedRow(request=number, dataset=of[name]) for name in asked.datasets)
    history.keep(db, change, "request", asked.id, asked)
    _tell(db, change, EventKind.ACCESS_REQUEST, asked)
    return asked


def _check_few(db: Session, by: Actor, *, now: datetime) -> None:
    wait = _stands(RequestState.OPEN, now=now)
    mine = select(func.count()).where(RequestRow.requester == by.id, wait)
    if db.scalars(mine).one() >= OPEN:
        raise Conflict(
            f"{by} has {OPEN} open requests already",
            hint="withdraw what is not needed, or wait until some are answered",
        )


def decide(
    db: Session,
    by: Actor,
    identity: str,
    step: RequestStep,
    *,
    answer: str = "",
    expected: int | None = None,
    change: Change,
) -> AccessRequest:
    """Return the request called ``identity`` after ``step``; approved, with its grants given.

    How many have to approve is asked anew: columns may be tagged since it was made.

    Raises:
        NotFound: there is no such request that ``by`` may see, or what it asks for is gone.
        Denied, Conflict: the step is not theirs, or not possible, as `core.requests.advance`.
        PreconditionFailed: it is not any more at the revision that was ``expected``.
    """
    row = _seen(db, by, identity, now=change.at)
    if expected is not None and expected != row.value.revision:
        raise PreconditionFailed(
            f"request {identity} is at revision {row.value.revision}, not {expected}: "
            "somebody answered it meanwhile",
            hint="look at it again, then decide",
        )
    parts = (replace(p, approvals=foresight.approvals(db, p)) for p in row.value.parts)
    asked = replace(row.value, parts=tuple(parts))
    after = requests.advance(
        asked,
        step,
        by=by,
        decides=_decided_by(db, by, asked.datasets, now=change.at),
        alike=_alike(db, by, [asked]),
        answer=answer,
        now=change.at,
    )
    if after.state is RequestState.APPROVED:
        after = replace(after, grants=_give(db, after, change=change))
    row.state, row.value = after.state.value, after
    history.keep(db, change, "request", after.id, after, reason=after.answer)
    _tell(db, change, EVENTS[step], after)
    return _shown(db, by, [row], now=change.at)[0]


def requested(db: Session, by: Actor, identity: str, *, now: datetime) -> Foreseen:
    """Return a request that ``by`` may see, and what it would show as things are now.

    Raises:
        NotFound: there is none of that id.
    """
    (asked,) = _shown(db, by, [_seen(db, by, identity, now=now)], now=now)
    return foresight.foreseen(db, by, asked, now=now)


def listed(
    db: Session, by: Actor, *, state: RequestState | None, limit: int, after: str, now: datetime
) -> Listed[AccessRequest]:
    """Return the requests that ``by`` may see, newest first; of one ``state`` only, if given.

    Raises:
        InvalidInput: ``after`` is not where a list goes on.
    """
    wanted = select(RequestRow).where(_visible(db, by, now=now))
    if state is not None:
        wanted = wanted.where(_stands(state, now=now))
    if after:
        wanted = wanted.where(RequestRow.number < _number(after))
    rows = db.scalars(wanted.order_by(RequestRow.number.desc()).limit(limit + 1)).all()
    shown = _shown(db, by, rows[:limit], now=now)
    return Listed(tuple(shown), shown[-1].id if len(rows) > limit else None)


def waiting(db: Session, by: Actor, *, only: str = "", now: datetime) -> list[AccessRequest]:
    """Return the open requests that ``by`` can approve, oldest first; ``only`` the one called so."""
    stewards = access.is_visible(db, by, Action.STEWARD, now=now)
    wanted = select(RequestRow).where(
        RequestRow.number.in_(_asking_for(stewards)),
        _stands(RequestState.OPEN, now=now),
        RequestRow.requester != by.id,
        RequestRow.grantee.not_in(by.names),
    )
    if only:
        wanted = wanted.where(RequestRow.number == _number(only))
    rows = db.scalars(wanted.order_by(RequestRow.number)).all()
    alike = _alike(db, by, [row.value for row in rows])
    theirs = [row for row in rows if alike.isdisjoint((row.requester, row.grantee))]
    return [
        one
        for one in _shown(db, by, theirs, now=now)
        if not _is_approved(db, by, one, alike, now=now)
    ]


def _alike(db: Session, by: Actor, every: Collection[AccessRequest]) -> frozenset[str]:
    """Who of those that asked, are asked for or approved may be the same person as ``by``."""
    named = {
        name
        for asked in every
        for name in (asked.requester, asked.grantee, *(one.by for one in asked.approvals))
    }
    return tokens.alike(db, by.id, named)


def _is_approved(
    db: Session, by: Actor, asked: AccessRequest, alike: Collection[str], *, now: datetime
) -> bool:
    """Whether all of a request that is for ``by`` to approve is approved by them, or those ``alike``."""
    done = asked.approved_by(by.id, *alike)
    return bool(done) and not _decided_by(db, by, asked.datasets, now=now) - done


def _drawn_up(db: Session, by: Actor, wanted: Wanted, *, now: datetime) -> AccessRequest:
    """The request for ``wanted``, still without an id."""
    requests.check_wanted(wanted)
    grantee = check_actor_id(wanted.grantee or by.id)
    asked = AccessRequest(
        id="",
        requester=by.id,
        grantee=grantee,
        about=wanted.about.whole,
        action=wanted.action,
        purpose=wanted.purpose,
        parts=foresight.parts(db, by, wanted, now=now),
        until=wanted.until,
        reason=wanted.reason.strip(),
        asked_at=now,
        lapses_at=requests.lapses_at(wanted.until, now=now),
    )
    grants.check_grantee(db, grantee)
    grants.check_terms(db, asked.action, asked.purposes, asked.until, now=now)
    parts = (replace(part, approvals=foresight.approvals(db, part)) for part in asked.parts)
    return replace(asked, parts=tuple(parts))


def _same(db: Session, asked: AccessRequest, *, now: datetime) -> AccessRequest | None:
    wanted = select(RequestRow.value).where(
        RequestRow.requester == asked.requester,
        RequestRow.grantee == asked.grantee,
        _stands(RequestState.OPEN, now=now),
    )
    for there in db.scalars(wanted.order_by(RequestRow.number)):
        as_asked = replace(
            asked,
            id=there.id,
            asked_at=there.asked_at,
            lapses_at=there.lapses_at,
            approvals=there.approvals,
            revision=there.revision,
        )
        if there == as_asked:
            return there
    return None


def _give(db: Session, asked: AccessRequest, *, change: Change) -> tuple[str, ...]:
    """Give what is approved; each part by who approved it last."""
    given = []
    for part in asked.parts:
        by = [one.by for one in asked.approvals if part.dataset in one.datasets][-1]
        grant = foresight.granted(part, asked, by=by, now=change.at)
        given.append(grants.give(db, grant, change=change).id)
    return tuple(given)


def _row(number: int, asked: AccessRequest) -> RequestRow:
    return RequestRow(
        number=number,
        requester=asked.requester,
        grantee=asked.grantee,
        state=asked.state.value,
        lapses_at=asked.lapses_at,
        value=asked,
    )


def _seen(db: Session, by: Actor, identity: str, *, now: datetime) -> RequestRow:
    there = select(RequestRow).where(_visible(db, by, now=now))
    try:
        number = _number(identity)
    except InvalidInput:
        number = 0
    row = db.scalars(there.where(RequestRow.number == number)).first()
    if row is None:
        last = there.order_by(RequestRow.number.desc()).limit(SUGGESTED)
        raise unknown("request", identity, [one.value.id for one in db.scalars(last)])
    return row


def _visible(db: Session, by: Actor, *, now: datetime) -> ColumnElement[bool]:
    """Whether ``by`` made a request; or knows a dataset of it, and is to have it or stewards one."""
    stewards = access.is_visible(db, by, Action.STEWARD, now=now)
    known = access.is_visible(db, by, Action.DISCOVER, now=now)
    theirs = RequestRow.grantee.in_(by.names) | RequestRow.number.in_(_asking_for(stewards))
    return or_(RequestRow.requester == by.id, RequestRow.number.in_(_asking_for(known)) & theirs)


def _asking_for(datasets: ColumnElement[bool]) -> Select[int]:
    return select(RequestedRow.request).join(
        DatasetRow, and_(DatasetRow.id == RequestedRow.dataset, datasets)
    )


def _stands(state: RequestState, *, now: datetime) -> ColumnElement[bool]:
    """Whether a request stands there at ``now``: open ones expire without being written."""
    is_open = RequestRow.state == RequestState.OPEN.value
    if state is RequestState.OPEN:
        return and_(is_open, RequestRow.lapses_at > now)
    if state is RequestState.EXPIRED:
        return and_(is_open, RequestRow.lapses_at <= now)
    return RequestRow.state == state.value


def _shown(
    db: Session, by: Actor, rows: Sequence[RequestRow], *, now: datetime
) -> list[AccessRequest]:
    """The requests as they stand, as far as ``by`` may know what they are about."""
    return mentions.requests(db, by, [row.value.seen_at(now) for row in rows], now=now)


def _decided_by(db: Session, by: Actor, names: Collection[str], *, now: datetime) -> frozenset[str]:
    """Those of ``names`` that ``by`` decides about."""
    stewards = access.is_visible(db, by, Action.STEWARD, now=now)
    wanted = select(DatasetRow.name).where(DatasetRow.name.in_(sorted(names)), stewards)
    return frozenset(db.scalars(wanted))


def _number(identity: str) -> int:
    number = identity.removeprefix("r")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InvalidInput(
            f"{identity!r} is not a request", hint="requests are called r1, r2 and so on"
        )
    return int(number)


def _tell(db: Session, change: Change, kind: EventKind, asked: AccessRequest) -> None:
    """Tell the audit trail, once of each dataset."""
    said = {"request": asked.id, "requester": asked.requester, "grantee": asked.grantee}
    terms = {"action": asked.action, "purpose": asked.purpose, "until": asked.until}
    became = {"state": asked.state, "reason": asked.answer or asked.reason}
    for part in asked.parts:
        detail = {**said, **terms, **became, "columns": part.columns}
        changes.tell(db, change, kind, part.dataset, detail)
