"""The inbox of one actor: what waits for them, and what they settled.

Who governs sees the tasks of every dataset that they may discover; others those of datasets
they decide about. A settled task is not shown again while it is about the same.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from provender.catalog import access, changes, epoch, history, listing, pending, tasks
from provender.catalog.changes import Change
from provender.catalog.epoch import Visible
from provender.catalog.rows import DatasetRow, HistoryRow, UnansweredRow
from provender.catalog.tasks import PORTION, Sees, Waiting
from provender.core.audit import EventKind
from provender.core.datasets import Listed
from provender.core.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from provender.core.names import is_legible, unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.tasks import Task, task_id, task_key

FINDERS = {**pending.FINDERS, **tasks.FINDERS}
"""Kinds of tasks, the most urgent first, and how each is looked for."""
SETTLED = "task"
"""What history calls a task that was settled."""
URN = re.compile(r"urn:provender:dataset:[0-9a-z]+")


def inbox(
    db: Session, who: Actor, *, kind: str, limit: int, after: str, now: datetime
) -> Listed[Task]:
    """Return what waits for ``who``, the most urgent kind first; of one ``kind`` only, if given.

    Raises:
        NotFound: there is no such kind of task.
        InvalidInput: ``after`` is not where the list goes on.
    """
    if kind and kind not in FINDERS:
        raise unknown("kind of task", kind, FINDERS)
    found: list[Waiting] = []
    for waiting in _waiting(db, sees(db, who, now=now), kind=kind, after=after):
        found.append(waiting)
        if len(found) > limit:
            break
    shown = found[:limit]
    more = f"{shown[-1].task.kind} {shown[-1].place}" if len(found) > limit else None
    return Listed(tuple(waiting.task for waiting in shown), more)


def settle(db: Session, who: Actor, identity: str, *, expected: int | None, change: Change) -> None:
    """Let a task wait no more, as long as it is about the same.

    Raises:
        NotFound: no such task waits for ``who``.
        PreconditionFailed: it is not any more what was looked at.
        Conflict: it waits for an answer, and nothing less.
    """
    kind, key = task_key(identity)
    waiting = _one(db, sees(db, who, now=change.at), kind, key)
    if waiting is None:
        raise NotFound(
            f"task {identity!r} does not wait for {who}",
            hint="see which do: provender inbox",
            what="task",
        )
    task = waiting.task
    if kind in pending.FINDERS:
        raise Conflict(
            f"task {identity} waits until it is answered: {task.says}", hint=task.suggests
        )
    if expected is not None and expected != task.revision:
        raise PreconditionFailed(
            f"the task is at revision {task.revision}, not {expected}: it changed meanwhile",
            hint="look at it again, then settle it",
        )
    if kind == "zero-result":
        row = db.get_one(UnansweredRow, key)
        row.settled_at, row.settled_by = change.at, change.actor
    else:
        history.keep(db, change, SETTLED, identity, {"about": waiting.about})
    subject = task.node.name if task.node else key
    detail = {"kind": kind, "task": identity, "says": task.says}
    changes.tell(db, change, EventKind.TASK_SETTLE, subject, detail)


def sees(db: Session, who: Actor, *, now: datetime) -> Sees:
    """Return whose tasks are looked for if ``who`` looks."""
    governs = access.governs(db, who, now=now)
    stewarded = epoch.visible_scopes(db, who, Action.STEWARD, now=now)
    stewards = stewarded.scopes or stewarded.datasets
    looked_after = stewarded
    if governs:
        looked_after = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    return Sees(
        who=who,
        shown=listing.among(db, looked_after),
        visible=looked_after,
        governs=governs,
        stewards=bool(stewards) and _is_any(db, stewarded),
        now=now,
    )


def _is_any(db: Session, stewarded: Visible) -> bool:
    """Whether there is a dataset among those."""
    there = select(DatasetRow.id).where(listing.among(db, stewarded))
    return db.scalars(there.limit(1)).first() is not None


def _waiting(db: Session, sees: Sees, *, kind: str, after: str) -> Iterator[Waiting]:
    """Each task that waits, from beyond ``after``: a kind, then a place in its list."""
    reached, _, place = after.partition(" ")
    if after and (reached not in FINDERS or not is_legible(after)):
        raise InvalidInput(
            f"{after!r} is not where a list goes on", hint="give what the last answer calls next"
        )
    order = list(FINDERS)
    for of_kind in order[order.index(reached) if after else 0 :]:
        if not kind or of_kind == kind:
            found = FINDERS[of_kind](db, sees, place if of_kind == reached else "")
            yield from _unsettled(db, found)


def _unsettled(db: Session, found: Iterator[Waiting]) -> Iterator[Waiting]:
    while portion := list(islice(found, PORTION)):
        settled = _settled(db, portion)
        yield from (each for each in portion if settled.get(each.task.id) != each.about)


def _settled(db: Session, waiting: Sequence[Waiting]) -> dict[str, str]:
    """What those of the tasks that were settled were about then."""
    wanted = select(HistoryRow.key, HistoryRow.value).where(
        HistoryRow.kind == SETTLED,
        HistoryRow.key.in_([each.task.id for each in waiting]),
        HistoryRow.to_sequence.is_(None),
    )
    return {key: str(json.loads(text)["about"]) for key, text in db.execute(wanted) if text}


def _one(db: Session, sees: Sees, kind: str, key: str) -> Waiting | None:
    """The task of a kind that is about ``key``, if it waits."""
    if kind not in FINDERS:
        return None
    urn = URN.search(key)
    sees = replace(sees, only=key)
    if urn is not None:
        sees = replace(sees, shown=and_(sees.shown, DatasetRow.urn == urn[0]))
    identity = task_id(kind, key)
    found = _unsettled(db, FINDERS[kind](db, sees, ""))
    return next((waiting for waiting in found if waiting.task.id == identity), None)
