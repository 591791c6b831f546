"""Breaking the glass, written down before anything is read: a grant, an event, a task for others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, or_, select, true
from sqlalchemy.orm import Session

from provender.catalog import access, changes, grants, history, naming, tokens
from provender.catalog.changes import Change
from provender.catalog.rows import BreakGlassRow, DatasetRow
from provender.core import breakglass
from provender.core.audit import EventKind
from provender.core.breakglass import REVIEWED_WITHIN, BreakGlass
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Grant

COUNTER = "break_glass"
MOST = 200
"""How many are listed: those that wait for a review first."""


def take(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    *,
    columns: Sequence[str],
    action: Action,
    purpose: str,
    hours: float,
    reason: str,
    change: Change,
) -> BreakGlass:
    """Return that ``by`` took access to ``columns`` (none: the unprotected) for ``hours``.

    Raises:
        NotFound: the dataset, a column or the purpose is not there.
        Denied: no rule allows them to, or a review of theirs is overdue.
        InvalidInput: it is too long, without a reason, or of nothing that can be taken.
    """
    dataset = access.discover(db, by, ref.dataset, now=change.at)
    name = dataset.ref.dataset
    asked = [ColumnRef(name, column) for column in columns or (EVERY,)]
    access.check(db, by, Action.BREAK_GLASS, asked, purpose=purpose, now=change.at)
    own = select(BreakGlassRow.value).where(
        BreakGlassRow.actor == by.id, BreakGlassRow.reviewed_at.is_(None)
    )
    breakglass.check_taken(action, hours, reason, db.scalars(own).all(), now=change.at)
    number = naming.take(db, COUNTER)
    wanted = Grant(
        id="",
        grantee=by.id,
        action=action,
        dataset=name,
        granted_by=by.id,
        granted_at=change.at,
        columns=tuple(sorted(set(columns))),
        purposes=(purpose or EVERY,),
        until=change.at + timedelta(hours=hours),
        reason=f"broke the glass, b{number}: {reason.strip()}",
    )
    given = grants.give(db, wanted, change=change)
    taken = BreakGlass(
        id=f"b{number}",
        actor=by.id,
        dataset=name,
        columns=given.columns,
        action=action,
        purpose=purpose,
        reason=reason.strip(),
        grant=given.id,
        opened_at=change.at,
        until=change.at + timedelta(hours=hours),
        review_by=change.at + REVIEWED_WITHIN,
    )
    row = BreakGlassRow(
        number=number,
        actor=by.id,
        dataset=naming.numbers(db, [name])[name],
        review_by=taken.review_by,
        reviewed_at=None,
        value=taken,
    )
    db.add(row)
    _keep(db, change, EventKind.ACCESS_BREAK_GLASS, taken)
    return taken


def review(
    db: Session, by: Actor, identity: str, *, justified: bool, note: str, change: Change
) -> BreakGlass:
    """Return what ``by`` reviewed; not justified, the access ends now if it has not ended.

    Raises:
        NotFound: there is none of that id that ``by`` may see.
        Denied, Conflict, InvalidInput: as `core.breakglass.review`.
    """
    number = identity.removeprefix("b")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    wanted = select(BreakGlassRow).where(_visible(db, by, now=change.at))
    row = db.scalars(wanted.where(BreakGlassRow.number == int(number if is_number else 0))).first()
    if row is None:
        known = db.scalars(wanted.order_by(BreakGlassRow.number.desc()).limit(MOST))
        raise unknown("broken glass", identity, [one.value.id for one in known])
    taken = row.value
    asked = [ColumnRef(taken.dataset)]
    decides = (
        access.governs(db, by, now=change.at)
        or access.weigh(db, by, Action.STEWARD, asked, purpose="", now=change.at).allowed
    )
    after = breakglass.review(
        taken,
        by=by,
        decides=decides,
        is_alike=bool(tokens.alike(db, by.id, [taken.actor])),
        justified=justified,
        note=note,
        now=change.at,
    )
    row.reviewed_at, row.value = change.at, after
    _keep(db, change, EventKind.ACCESS_REVIEW, after)
    if not justified:
        grants.end(db, taken.grant, change=change)
    return after


def listed(db: Session, by: Actor, *, now: datetime) -> list[BreakGlass]:
    """Return what ``by`` took, and what was taken of datasets they look after; unreviewed first."""
    wanted = select(BreakGlassRow.value).where(_visible(db, by, now=now))
    order = (BreakGlassRow.reviewed_at.is_not(None), BreakGlassRow.number.desc())
    return list(db.scalars(wanted.order_by(*order).limit(MOST)))


def waiting(
    db: Session, by: Actor, shown: ColumnElement[bool], *, only: str = ""
) -> list[BreakGlass]:
    """Return what waits for a review by ``by`` of datasets that are ``shown``, oldest first."""
    wanted = (
        select(BreakGlassRow.value)
        .join(DatasetRow, DatasetRow.id == BreakGlassRow.dataset)
        .where(shown, BreakGlassRow.reviewed_at.is_(None), BreakGlassRow.actor != by.id)
    )
    every = db.scalars(wanted.order_by(BreakGlassRow.number)).all()
    found = [one for one in every if only in ("", one.id)]
    alike = tokens.alike(db, by.id, [one.actor for one in found])
    return [one for one in found if one.actor not in alike]


def rename(db: Session, change: Change, dataset: DatasetRow) -> None:
    """Let what was taken of a dataset be called as it is called now."""
    wanted = select(BreakGlassRow).where(BreakGlassRow.dataset == dataset.id)
    for row in db.scalars(wanted).all():
        row.value = replace(row.value, dataset=dataset.name)
        history.keep(db, change, "break-glass", row.value.id, row.value)


def _visible(db: Session, by: Actor, *, now: datetime) -> ColumnElement[bool]:
    if access.governs(db, by, now=now):
        return true()
    stewards = access.is_visible(db, by, Action.STEWARD, now=now)
    stewarded = exists().where(DatasetRow.id == BreakGlassRow.dataset, stewards)
    return or_(BreakGlassRow.actor == by.id, stewarded)


def _keep(db: Session, change: Change, kind: EventKind, taken: BreakGlass) -> None:
    history.keep(db, change, "break-glass", taken.id, taken)
    detail = {
        "break_glass": taken.id,
        "grant": taken.grant,
        "columns": taken.columns,
        "purpose": taken.purpose,
        "until": taken.until,
        "review_by": taken.review_by,
        "reason": taken.note or taken.reason,
        **({} if taken.justified is None else {"justified": taken.justified}),
    }
    changes.tell(db, change, kind, taken.dataset, detail)
