"""The audit trail, as far as the actor may read it."""

from urllib.parse import urlencode

from provender.core.audit import EventKind
from provender.core.errors import Corrupt
from provender.core.names import unknown
from provender.web.page import Page, Visit

PER_PAGE = 50


def events(visit: Visit) -> Page:
    """The last events, newest first, narrowed by kind, actor or subject if asked.

    ``verify=1`` recomputes the chain of digests over the whole trail first.
    """
    kind = visit.asked("kind")
    if kind and kind not in list(EventKind):
        raise unknown("kind of event", kind, list(EventKind))
    wanted = {name: visit.asked(name) for name in ("actor", "subject")}
    found = visit.catalog.records.audit_events(
        kind=EventKind(kind) if kind else None,
        actor=wanted["actor"],
        subject=wanted["subject"],
        before=visit.number("before"),
        limit=PER_PAGE,
    )
    asked = {"kind": kind, **wanted}
    chosen = {name: value for name, value in asked.items() if value}
    older = {**chosen, "before": str(found[-1].sequence)} if len(found) == PER_PAGE else {}
    return Page(
        template="audit.html",
        title="Audit trail",
        facts={
            "filter": chosen,
            "verified": _verify(visit) if visit.asked("verify") else None,
            "events": found,
        },
        shown={
            "kinds": list(EventKind),
            "asked": asked,
            "older": f"/audit?{urlencode(older)}" if older else "",
        },
    )


def _verify(visit: Visit) -> dict[str, object]:
    try:
        count = visit.catalog.records.verify_audit()
    except Corrupt as error:
        return {"whole": False, "message": error.message, "at": visit.now}
    return {"whole": True, "message": f"{count:,} events fit together", "at": visit.now}
