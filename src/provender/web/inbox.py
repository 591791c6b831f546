"""The inbox: what waits for the actor, and settling it."""

from typing import Any

from provender.core.lineage import NodeKind
from provender.core.tasks import Task, task_key
from provender.web.forms import Form
from provender.web.page import Elsewhere, Page, Visit
from provender.web.wording import address, dataset_address

AT_A_TIME = 50
KINDS = {
    "break-glass": "to be reviewed",
    "request": "asks for access",
    "quarantined": "kept from readers",
    "ownerless": "nobody looks after it",
    "stale": "older than promised",
    "drift": "said otherwise than in catalog/",
    "untagged": "without any tag",
    "zero-result": "searched and not found",
}
"""Kinds of tasks in words, the most urgent first."""
EDITED = frozenset({"ownerless", "untagged"})
"""Kinds that the form of the dataset is the remedy for."""


def inbox(visit: Visit) -> Page:
    """What waits, the most urgent first; of one kind if asked."""
    kind, after = visit.asked("kind"), visit.asked("after")
    found = visit.catalog.desk.inbox(kind=kind, limit=AT_A_TIME, after=after)
    return Page(
        template="inbox.html",
        title="Inbox",
        facts={"kind": kind, "tasks": found.items, "next": found.next},
        shown={
            "kinds": KINDS,
            "after": after,
            "listed": [_told(task) for task in found.items],
        },
    )


def settle(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Let a task wait no more."""
    visit.catalog.desk.settle(visit.part("id"), expected=sent.revision)
    return Elsewhere("/inbox")


def _told(task: Task) -> dict[str, Any]:
    node = task.node
    request = task_key(task.id)[1] if task.kind == "request" else ""
    dataset = node and node.kind is NodeKind.DATASET and task.kind in EDITED
    return {
        "task": task,
        "words": KINDS.get(task.kind, task.kind),
        "address": f"/requests/{request}" if request else address(node) if node else "",
        "request": request,
        "edit": f"{dataset_address(node.name)}/edit" if node and dataset else "",
    }
