"""The audit trail, as far as the actor may read it."""

from datetime import datetime
from urllib.parse import urlencode

from provender.core.audit import EventKind, Outcome
from provender.core.clock import to_utc
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import unknown
from provender.core.policy import EVERY, Action, ColumnRef
from provender.web.page import Page, Visit

PER_PAGE = 50


def events(visit: Visit) -> Page:
    """The last events, newest first, narrowed by kind, actor or subject if asked.

    ``verify=1`` recomputes the chain of digests over the whole trail first.
    """
    kind = visit.asked("kind")
    if kind and kind not in list(EventKind):
        raise unknown("kind of event", kind, list(EventKind))
    verdict = visit.asked("verdict")
    if verdict and verdict not in list(Outcome):
        raise unknown("verdict", verdict, list(Outcome))
    wanted = {name: visit.asked(name) for name in ("actor", "subject", "purpose")}
    times = {name: visit.asked(name) for name in ("since", "until")}
    found = visit.catalog.records.audit_events(
        kind=EventKind(kind) if kind else None,
        verdict=Outcome(verdict) if verdict else None,
        actor=wanted["actor"],
        subject=wanted["subject"],
        purpose=wanted["purpose"],
        since=_instant(times["since"]),
        until=_instant(times["until"]),
        before=visit.number("before"),
        limit=PER_PAGE,
    )
    asked = {"kind": kind, "verdict": verdict, **wanted, **times}
    chosen = {name: value for name, value in asked.items() if value}
    older = {**chosen, "before": str(found[-1].sequence)} if len(found) == PER_PAGE else {}
    return Page(
        template="audit.html",
        title="Audit trail",
        facts={
            "filter": chosen,
            "chain": _chain(visit),
            "verified": _verify(visit) if visit.asked("verify") else None,
            "events": found,
        },
        shown={
            "kinds": list(EventKind),
            "verdicts": list(Outcome),
            "asked": asked,
            "governs": visit.catalog.records.decide(Action.GOVERN, [ColumnRef(EVERY)]).allowed,
            "older": f"/audit?{urlencode(older)}" if older else "",
        },
    )


def _instant(text: str) -> datetime | None:
    """Return the instant of a field, None of an empty one; without a zone it is UTC."""
    if not text:
        return None
    try:
        return to_utc(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not an instant", hint="write for example 2026-03-01 or 2026-03-01T12:00"
        ) from None


def _chain(visit: Visit) -> dict[str, object]:
    """What was signed last, and how many events the visitor may read that came after it."""
    records = visit.catalog.records
    signed = records.checkpoints(limit=1).items
    newest = records.audit_events(limit=1)
    if not signed:
        return {"last": None, "since": newest[0].sequence if newest else 0}
    since = newest[0].sequence - signed[0].size if newest else 0
    return {"last": signed[0], "since": max(0, since)}


def _verify(visit: Visit) -> dict[str, object]:
    try:
        proof = visit.catalog.records.audit_proof()
    except Corrupt as error:
        return {"whole": False, "message": error.message, "at": visit.now}
    signed = (
        "1 checkpoint says" if proof.checkpoints == 1 else f"{proof.checkpoints:,} checkpoints say"
    )
    told = f"{proof.events:,} events fit together, as {signed}"
    if proof.witnessed:
        told += f" and {proof.witnessed:,} of the witness"
    return {"whole": True, "message": told, "at": visit.now}
