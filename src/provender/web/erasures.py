"""Subjects erased, for who governs: the list, and each with its certificate."""

from provender.core.erasure import Erasure, State
from provender.web.page import Page, Visit

PER_PAGE = 50
LOOKS = {State.OPEN: "warn", State.RESTORED: "warn", State.DONE: "on"}


def erasures(visit: Visit) -> Page:
    """The erasures there were, the last first, in portions."""
    after = visit.asked("after")
    found = visit.catalog.erasures.erasures(limit=PER_PAGE, after=after)
    return Page(
        template="erasures.html",
        title="Erasures",
        facts={"erasures": [_in_short(one) for one in found.items], "next": found.next},
        shown={"after": after, "looks": LOOKS},
    )


def erasure(visit: Visit) -> Page:
    """One erasure; its JSON twin has the certificate, whole and signed."""
    found = visit.catalog.erasures.erasure(visit.part("id"))
    return Page(
        template="erasure.html",
        title=f"{found.id} – erasure",
        facts={"certificate": found, "digest": found.digest},
        shown={"looks": LOOKS, "went": [one for one in found.erased if one.erased]},
    )


def _in_short(one: Erasure) -> dict[str, object]:
    return {
        "id": one.id,
        "state": one.state,
        "join_key": one.join_key,
        "reason": one.reason,
        "by": one.by,
        "at": one.at,
        "finished_at": one.finished_at,
        "versions": sum(len(done.erased) for done in one.erased),
    }
