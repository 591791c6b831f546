"""A change of the catalog: where it stands among all of them, and the instant it happened at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provender.catalog import audit
from provender.core import clock as clocks
from provender.core.audit import AuditEvent, EventKind
from provender.core.clock import Clock, to_utc


@dataclass(frozen=True, slots=True)
class Change:
    """``sequence`` is that of its first audit event; ``request`` the request's that asked for it."""

    sequence: int
    at: datetime
    actor: str
    request: str


def begin(db: Session, *, clock: Clock, actor: str, request: str = "") -> Change:
    """Return the change that ``db`` makes, which must hold the write lock.

    Its instant is the clock's, but never before that of the last change: what was committed
    later was said later, whatever a clock does. What happens at one instant is in the order of
    its sequence numbers.
    """
    last = audit.last(db)
    now = to_utc(clock())
    if last is None:
        return Change(1, now, actor, request)
    return Change(last.sequence + 1, max(now, last.at), actor, request)


def check_past(db: Session, as_of: datetime, *, now: datetime) -> None:
    """Check that it can be known by ``now`` what was said at ``as_of``.

    The last change was before now, whatever a clock says.

    Raises:
        InvalidInput: it has no time zone, or is in the future.
    """
    last = audit.last(db)
    clocks.check_past(as_of, now=max(now, last.at) if last else now)


def tell(
    db: Session, change: Change, kind: EventKind, subject: str, detail: Mapping[str, Any]
) -> AuditEvent:
    """Append to the audit trail that ``change`` did something; return the event."""
    return audit.append(
        db,
        at=change.at,
        actor=change.actor,
        kind=kind,
        subject=subject,
        detail=detail,
        request=change.request,
    )
