"""Requests for access: listed, foreseen, made and answered; and why somebody may not."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from provender.core.errors import Conflict, InvalidInput, PreconditionFailed
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef, unknown
from provender.core.policy import EVERY, Action, ColumnRef
from provender.core.requests import (
    AccessRequest,
    Foreseen,
    RequestState,
    RequestStep,
    Wanted,
)
from provender.core.rules import REQUESTED, ROWS
from provender.web.forms import Form, chosen_action, until
from provender.web.page import Elsewhere, Page, Visit
from provender.web.wording import address as node_address

AT_A_TIME = 50
LOOKS = {
    RequestState.OPEN: ("warn", "○"),
    RequestState.APPROVED: ("on", "●"),
    RequestState.REJECTED: ("off", "✕"),
    RequestState.WITHDRAWN: ("", "–"),
    RequestState.EXPIRED: ("", "◌"),
}
"""How the states of a request look: a colour, and a sign that says the same without one."""


def requests(visit: Visit) -> Page:
    """What the actor asked for, is to have or decides about, newest first; of one state if asked."""
    state, after = visit.asked("state"), visit.asked("after")
    if state and state not in list(RequestState):
        raise unknown("state of a request", state, list(RequestState))
    of = RequestState(state) if state else None
    found = visit.catalog.access.requests(state=of, limit=AT_A_TIME, after=after)
    return Page(
        template="requests.html",
        title="Requests for access",
        facts={"state": state, "requests": found.items, "next": found.next},
        shown={"states": list(RequestState), "after": after, "looks": LOOKS},
    )


def request(visit: Visit) -> Page:
    """One request: who asks, what for, and column by column what it would show, or shows."""
    return _request(visit, visit.catalog.access.requested(visit.part("id")))


def _request(visit: Visit, found: Foreseen, *, problem: str = "", status: int = 200) -> Page:
    asked, who = found.request, visit.catalog.actor
    may = asked.state is RequestState.OPEN and who.id != asked.requester
    theirs = [
        name
        for name in asked.datasets
        if may and asked.grantee not in who.names and _stewards(visit, name)
    ]
    return Page(
        template="request.html",
        title=f"{asked.id} – request for access",
        facts={"request": asked, "columns": found.columns, "who_decides": found.who_decides},
        shown={
            **_told(asked),
            "answers": bool(theirs),
            "withdraws": asked.state is RequestState.OPEN and who.id == asked.requester,
            "problem": problem,
        },
        status=status,
    )


def answer(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Approve, reject or withdraw a request, if it is still as it was shown."""
    identity, step = visit.part("id"), sent.text("step")
    if step not in list(RequestStep):
        raise unknown("step", step, list(RequestStep))
    access = visit.catalog.access
    try:
        access.answer(
            identity, RequestStep(step), reason=sent.text("reason"), expected=sent.revision
        )
    except (Conflict, PreconditionFailed, InvalidInput) as error:
        words = f"{error.message}. {error.hint}".strip()
        return _request(visit, access.requested(identity), problem=words, status=error.status)
    return Elsewhere(f"/requests/{quote(identity)}")


def form(visit: Visit) -> Page:
    """The form of a request, with what it would show as it stands."""
    fields = {
        name: visit.asked(name) for name in ("about", "for", "action", "purpose", "until", "reason")
    }
    return _form(visit, fields, visit.every("columns"))


def make(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Make the request that the form asks for, or say what is wrong with it."""
    names = ("about", "for", "action", "purpose", "until", "reason")
    fields = {name: sent.text(name) for name in names}
    columns = tuple(sent.fields.get("columns", ()))
    if sent.text("preview"):
        return _form(visit, fields, columns)
    try:
        made = visit.catalog.access.ask(_wanted(fields, columns))
    except (Conflict, InvalidInput) as error:
        return _form(visit, fields, columns, problem=error, status=error.status)
    return Elsewhere(f"/requests/{made.id}")


def why(visit: Visit) -> Page:
    """Why the actor may not, column by column: the rule, the tag or the grant; and how to ask."""
    ref = DatasetRef.parse(visit.part("name"))
    entry = visit.catalog.finder.entry(ref.at(None))
    name = entry.dataset.ref.dataset
    action, purpose = chosen_action(visit.asked("action"), list(Action)), visit.asked("purpose")
    columns = visit.every("columns") or (EVERY,)
    asked = [ColumnRef(name, column) for column in columns]
    decision = visit.catalog.records.decide(action, asked, purpose=purpose)
    remedy = next(iter(decision.remedies), None)
    return Page(
        template="why.html",
        title=f"{name} – why not",
        facts={
            "dataset": name,
            "decision": decision,
            "allowed": decision.allowed,
            "hint": decision.hint,
            "command": remedy.command if remedy else "",
            "page": remedy.page if remedy else "",
        },
        shown={"tags": {column: sorted(entry.dataset.tags_of(column)) for column in columns}},
    )


def _form(
    visit: Visit,
    fields: Mapping[str, str],
    columns: Sequence[str],
    *,
    problem: Conflict | InvalidInput | None = None,
    status: int = 200,
) -> Page:
    about = Node.parse(fields["about"])
    purposes = visit.catalog.governance(datasets=False).purposes
    action = chosen_action(fields["action"], list(Action))
    foreseen, error = None, problem
    if fields["purpose"] or action not in ROWS:
        try:
            foreseen = visit.catalog.access.foresee(_wanted(fields, columns))
        except InvalidInput as wrong:
            error = error or wrong
    known = _columns(visit, about)
    return Page(
        template="request_new.html",
        title=f"Ask for access to {about.name}",
        facts={
            "fields": {**fields, "action": action.value, "columns": list(columns)},
            "columns": foreseen.columns if foreseen else (),
            "who_decides": foreseen.who_decides if foreseen else {},
            "problem": f"{error.message}. {error.hint}" if error else "",
        },
        shown={
            "about": about,
            "address": node_address(about),
            "purposes": purposes,
            "actions": [one.value for one in REQUESTED],
            "known": known,
            "chosen": set(columns),
            "needed": max((part.approvals for part in foreseen.request.parts), default=1)
            if foreseen
            else 0,
        },
        status=status,
    )


def _columns(visit: Visit, about: Node) -> tuple[str, ...]:
    """The columns that can be chosen: a dataset's own."""
    if about.kind is not NodeKind.DATASET:
        return ()
    entry = visit.catalog.finder.entry(DatasetRef.parse(about.name).at(None))
    if entry.latest is None:
        return tuple(entry.dataset.column_tags)
    return visit.catalog.release(entry.dataset.ref.at(entry.latest)).version.manifest.schema.names


def _wanted(fields: Mapping[str, str], columns: Sequence[str]) -> Wanted:
    return Wanted(
        about=Node.parse(fields["about"]),
        grantee=fields["for"],
        columns=tuple(columns),
        action=chosen_action(fields["action"], list(Action)),
        purpose=fields["purpose"],
        until=until(fields["until"]),
        reason=fields["reason"],
    )


def _stewards(visit: Visit, name: str) -> bool:
    return visit.catalog.records.decide(Action.STEWARD, [ColumnRef(name)]).allowed


def _told(asked: AccessRequest) -> dict[str, Any]:
    return {
        "look": LOOKS[asked.state],
        "address": node_address(asked.about),
        "lacking": {part.dataset: asked.lacking(part) for part in asked.parts},
        "needed": max((part.approvals for part in asked.parts), default=1),
    }
