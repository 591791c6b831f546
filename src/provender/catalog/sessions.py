"""Sessions of browsers: begun by who is known, looked up by their secrets, ended for good.

They are no statements about the catalog: no history, no epoch. That they begin and end is in the
audit trail; when one was used last is not.
"""

from dataclasses import replace
from datetime import datetime
from secrets import token_urlsafe

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from provender.catalog import changes
from provender.catalog.changes import Change
from provender.catalog.rows import SessionRow, TokenRow
from provender.core import sessions
from provender.core.audit import EventKind
from provender.core.errors import Unauthenticated
from provender.core.identity import How, Identity
from provender.core.sessions import SECRET_BYTES, SEEN


def begin(db: Session, identity: Identity, *, change: Change) -> str:
    """Return the secret of a new session of ``identity``; what is over is forgotten."""
    db.execute(delete(SessionRow).where(SessionRow.until <= change.at))
    secret = token_urlsafe(SECRET_BYTES)
    until = sessions.ends(change.at, seen=change.at, until=identity.until)
    db.add(
        SessionRow(
            sealed=sessions.sealed(secret),
            actor=identity.actor,
            identity=identity,
            began_at=change.at,
            seen_at=change.at,
            until=until,
        )
    )
    detail = {"how": identity.how, "token": identity.token}
    changes.tell(db, change, EventKind.SESSION_BEGIN, identity.actor, detail)
    return secret


def known(db: Session, secret: str, *, now: datetime) -> tuple[Identity, bool]:
    """Return whose session it is, and whether it should be written down that it was used.

    Raises:
        Unauthenticated: there is none, or it is over.
    """
    row = db.get(SessionRow, sessions.sealed(secret))
    if row is None or now >= row.until or _is_revoked(db, row.identity):
        raise Unauthenticated("this session is over, or never was", hint="sign in again")
    return replace(row.identity, how=How.SESSION), now - row.seen_at >= SEEN


def seen(db: Session, secret: str, *, at: datetime) -> None:
    """Write down that a session was used: it lasts for longer."""
    row = db.get(SessionRow, sessions.sealed(secret))
    if row is not None:
        row.seen_at = at
        row.until = sessions.ends(row.began_at, seen=at, until=row.identity.until)


def end(db: Session, secret: str, *, change: Change) -> None:
    """End a session; one that is over already stays so."""
    row = db.get(SessionRow, sessions.sealed(secret))
    if row is not None:
        _end(db, row, change=change)


def end_all(db: Session, change: Change, actor: str = "") -> None:
    """End the sessions of an actor who is gone; without one, every session there is."""
    wanted = select(SessionRow).order_by(SessionRow.sealed)
    if actor:
        wanted = wanted.where(SessionRow.actor == actor)
    for row in db.scalars(wanted).all():
        _end(db, row, change=change)


def _end(db: Session, row: SessionRow, *, change: Change) -> None:
    db.delete(row)
    db.flush()
    changes.tell(db, change, EventKind.SESSION_END, row.actor, {"began_at": row.began_at})


def _is_revoked(db: Session, identity: Identity) -> bool:
    """Whether it rests on a token that was revoked."""
    if not identity.token:
        return False
    number = int(identity.token.removeprefix("t"))
    found = select(TokenRow.number).where(TokenRow.number == number, TokenRow.revoked_at.is_(None))
    return db.scalar(found) is None
