"""How long grants last: given for longer, those that end soon, and those that nobody uses."""

import re
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import access, changes, epoch, grants, history, mentions, naming, tokens
from provender.catalog.changes import Change
from provender.catalog.rows import AuditRow
from provender.core.audit import EventKind
from provender.core.datasets import Listed
from provender.core.errors import Conflict, Denied
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Grant

NAMED = re.compile(r"\bgrant (g\d+)\b")
"""How a recorded decision names the grant that it rests on."""
MOST = 1_000
PORTION = 500


def expiring(db: Session, by: Actor, *, until: datetime, now: datetime) -> Listed[Grant]:
    """Return the grants that ``by`` may see which end before ``until``, the next to end first."""
    found = [
        (grant.until, grant)
        for grant in grants.grants(db, by, now=now)
        if grant.in_force(now) and grant.until is not None and grant.until < until
    ]
    first = [grant for _, grant in sorted(found, key=lambda one: one[0])[:MOST]]
    return Listed(tuple(mentions.grants(db, by, first, now=now)), None)


def unused(db: Session, by: Actor, *, since: datetime, now: datetime) -> Listed[Grant]:
    """Return the grants that no permit has rested on ``since``, of those ``by`` may see.

    Oldest first; what was given later has not had its time. To read and to serve only: that rows
    are read or looked up is written down each time, definitions are not.
    """
    there = [
        grant
        for grant in grants.grants(db, by, now=now)
        if grant.action in access.ROWS_READ and grant.in_force(now) and grant.granted_at < since
    ]
    names = sorted({name for grant in there for name in naming.every(db, grant.dataset)})
    used: set[str] = set()
    for start in range(0, len(names), PORTION):
        wanted = select(type_coerce(AuditRow.detail, Text)).where(
            AuditRow.kind == EventKind.ACCESS_PERMIT.value,
            AuditRow.subject.in_(names[start : start + PORTION]),
            AuditRow.at >= since,
        )
        for detail in db.scalars(wanted.execution_options(yield_per=PORTION)):
            used.update(NAMED.findall(detail))
    left = [grant for grant in there if grant.id not in used][:MOST]
    return Listed(tuple(mentions.grants(db, by, left, now=now)), None)


def renew(
    db: Session,
    by: Actor,
    identity: str,
    *,
    until: datetime | None,
    reason: str = "",
    change: Change,
) -> Grant:
    """Return the grant called ``identity``, which ends at ``until`` from now on; None: never.

    Raises:
        NotFound: there is no such grant among those that ``by`` may see.
        Denied: ``by`` neither owns nor stewards its dataset, or it is for themselves, or longer
            access takes two people.
        Conflict: it was revoked.
        InvalidInput: ``until`` is over already.
    """
    row = grants.granted_row(db, by, identity, now=change.at)
    given = row.value
    access.check(db, by, Action.STEWARD, [ColumnRef(given.dataset)], now=change.at)
    _check_renewable(db, by, given)
    grants.check_terms(db, given.action, given.purposes, until, now=change.at)
    if _is_longer(given.until, until):
        dataset = access.discover(db, by, given.dataset, now=change.at)
        grants.check_alone(db, dataset, given.columns)
    if until == given.until:
        return mentions.grant(db, by, given, now=change.at)
    row.until, row.value = until, replace(given, until=until)
    history.keep(db, change, "grant", identity, row.value, reason=reason)
    epoch.bump(db)
    detail = {"grant": identity, "grantee": row.grantee, "was_until": given.until, "until": until}
    changes.tell(db, change, EventKind.ACCESS_RENEW, given.dataset, {**detail, "reason": reason})
    return mentions.grant(db, by, row.value, now=change.at)


def _check_renewable(db: Session, by: Actor, given: Grant) -> None:
    if given.grantee in by.names or tokens.alike(db, by.id, [given.grantee]):
        raise Denied(
            f"{by} cannot renew a grant to themselves, nor to a team or service of theirs",
            hint="ask another steward of the dataset",
        )
    if given.revoked_at is not None:
        raise Conflict(
            f"grant {given.id} was revoked at {given.revoked_at.isoformat()}",
            hint="whoever still needs it requests it anew",
        )


def _is_longer(before: datetime | None, after: datetime | None) -> bool:
    return before is not None and (after is None or before < after)
