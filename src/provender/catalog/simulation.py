"""The simulator: the decisions that were recorded, decided again by a policy that is not in force."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from sqlalchemy import Text, or_, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import changes, epoch, governance, naming
from provender.catalog.rows import AuditRow, GrantRow
from provender.core import form
from provender.core.audit import EventKind
from provender.core.clock import to_utc
from provender.core.governance import Governance, together
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.simulation import Asked, Policy, Question, Simulation, simulate

RECORDED = (EventKind.ACCESS_PERMIT.value, EventKind.ACCESS_DENY.value)
"""Decisions that are written down."""
BATCH = 5_000
Key = tuple[str, str, str, tuple[str, ...], str]
"""Actor, action, dataset, columns and purpose of a question."""


def test(
    db: Session, by: Actor, desired: Governance, *, since: datetime, now: datetime
) -> Simulation:
    """Return what would be decided otherwise if ``desired`` was applied, of all decided ``since``.

    Raises:
        Denied: ``by`` does not govern.
        Problems: ``desired`` does not fit together.
        InvalidInput: ``since`` is in the future, or has no zone.
    """
    changes.check_past(db, since, now=now)
    steps = governance.plan(db, by, desired, now=now)
    projects = partial(epoch.projects, db)
    before = Policy.of(governance.current(db), projects)
    after = Policy.of(together(form.settled(desired), steps), projects)
    grants = db.scalars(select(GrantRow.value).where(GrantRow.revoked_at.is_(None)))
    asked = recorded(db, since=since)
    return simulate(asked, before, after, grants=grants, since=to_utc(since), now=now)


def recorded(db: Session, *, since: datetime) -> Iterator[Asked]:
    """Yield each distinct question that was decided ``since``, under the names of now."""
    found: dict[Key, tuple[int, datetime]] = {}
    wanted = select(
        AuditRow.actor, AuditRow.subject, type_coerce(AuditRow.detail, Text), AuditRow.at
    ).where(or_(*(AuditRow.kind == kind for kind in RECORDED)), AuditRow.at >= since)
    with db.execute(wanted.execution_options(yield_per=BATCH)) as rows:
        for actor, subject, detail, at in rows:
            told = json.loads(detail)
            columns = tuple(sorted(told["reasons"]))
            key = (actor, told["action"], subject, columns, told["purpose"])
            times, last = found.get(key, (0, at))
            found[key] = (times + told.get("lookups", 1), max(last, at))  # lookups come in batches
    called = naming.current(db, {subject for _, _, subject, _, _ in found})
    for (actor, action, subject, columns, purpose), (times, last) in found.items():
        question = Question(
            actor=actor,
            action=Action(action),
            dataset=called[subject],
            columns=columns,
            purpose=purpose,
        )
        yield Asked(question=question, times=times, last_at=last)
