"""What was said of a dataset over time: each state with who, when, why, and what it changed."""

from typing import Any

from provender.core.audit import Remembered
from provender.core.datasets import Dataset
from provender.core.digest import canonical
from provender.core.names import DatasetRef
from provender.values import from_json
from provender.web import drafts
from provender.web.page import Page, Visit

AT_A_TIME = 20
LONG = 400
"""Letters of a text of which more than that are folded away."""


def history(visit: Visit) -> Page:
    """The states of what is said about a dataset, newest first, each against the one before."""
    entry = visit.catalog.finder.entry(DatasetRef.parse(visit.part("name")).at(None))
    desk = visit.catalog.desk
    found = desk.history("dataset", entry.urn, limit=AT_A_TIME, after=visit.asked("after"))
    beyond = desk.history("dataset", entry.urn, limit=1, after=found.next) if found.next else None
    states = [*found.items, *(beyond.items if beyond else ())]
    return Page(
        template="history.html",
        title=f"{entry.dataset.ref} – history",
        facts={
            "dataset": entry.dataset.ref.dataset,
            "states": [
                _told(state, states[at + 1] if at + 1 < len(states) else None)
                for at, state in enumerate(found.items)
            ],
            "next": found.next,
        },
        shown={"ref": entry.dataset.ref, "long": LONG},
    )


def _told(state: Remembered, before: Remembered | None) -> dict[str, Any]:
    changed = drafts.changes(_draft(before), _draft(state))
    return {
        "since": state.since,
        "until": state.until,
        "by": state.by,
        "reason": state.reason,
        "gone": state.value is None,
        "first": before is None,
        "changes": [
            {"field": drafts.title(field), "was": was, "now": now} for field, was, now in changed
        ],
    }


def _draft(state: Remembered | None) -> dict[str, str]:
    if state is None or state.value is None:
        return {}
    return drafts.everything(from_json(Dataset, canonical(state.value)))
