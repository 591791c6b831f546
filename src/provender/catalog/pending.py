"""What waits for an answer that somebody else has to give: it cannot be settled in another way."""

from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from provender.catalog import breakglass, requests
from provender.catalog.tasks import Sees, Waiting
from provender.core.breakglass import BreakGlass
from provender.core.lineage import Node, NodeKind
from provender.core.requests import AccessRequest
from provender.core.tasks import Task, task_id


def requested(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Requests for access that can be approved, those that wait longest first."""
    for asked in requests.waiting(db, sees.who, only=sees.only, now=sees.now):
        place = f"{int(asked.id[1:]):09d}"
        if place > after:
            yield Waiting(place=place, task=_asked(asked), about=str(asked.revision))


def _asked(asked: AccessRequest) -> Task:
    whose = "" if asked.grantee == asked.requester else f" for {asked.grantee}"
    purpose = f" for {asked.purpose}" if asked.purpose else ""
    columns = ", ".join(column for part in asked.parts for column in part.columns)
    what = f"{asked.about.name} ({columns})" if columns else asked.about.name
    return Task(
        id=task_id("request", asked.id),
        kind="request",
        node=asked.about,
        says=f"{asked.requester} asks{whose} to {asked.action} {what}{purpose}: {asked.reason}",
        suggests=f"provender access approve {asked.id}, or provender access reject {asked.id} "
        "--reason …",
        since=asked.asked_at,
        revision=asked.revision,
    )


def broken(db: Session, sees: Sees, after: str) -> Iterator[Waiting]:
    """Access that was taken by breaking the glass, and that nobody else has reviewed."""
    for taken in breakglass.waiting(db, sees.who, sees.shown, only=sees.only):
        place = f"{int(taken.id[1:]):09d}"
        if place > after:
            yield Waiting(place=place, task=_taken(taken, sees), about=taken.id)


def _taken(taken: BreakGlass, sees: Sees) -> Task:
    columns = ", ".join(taken.columns) or "what no protected tag closes"
    late = ", and is overdue" if taken.is_overdue(sees.now) else ""
    return Task(
        id=task_id("break-glass", taken.id),
        kind="break-glass",
        node=Node(NodeKind.DATASET, taken.dataset),
        says=f"{taken.actor} broke the glass of {taken.dataset} ({columns}) until "
        f"{taken.until:%Y-%m-%d %H:%M}Z: {taken.reason}. "
        f"Somebody else reviews it by {taken.review_by:%Y-%m-%d %H:%M}Z{late}",
        suggests=f"provender access review {taken.id} --note … (--unjustified ends the access)",
        since=taken.opened_at,
        revision=1,
    )


FINDERS: dict[str, Callable[[Session, Sees, str], Iterator[Waiting]]] = {
    "break-glass": broken,
    "request": requested,
}
"""Kinds of tasks that wait until they are answered, the most urgent first."""
