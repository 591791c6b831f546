"""A visitor's API tokens: made here, shown once, ended."""

from datetime import timedelta
from typing import Any

from provender.core.errors import InvalidInput
from provender.core.limits import EVERY, Limits
from provender.core.policy import Action
from provender.core.tokens import LONGEST
from provender.web.forms import Form
from provender.web.page import Elsewhere, Page, Visit, whole_number

AT_A_TIME = 50
DAYS = (7, 30, 90, 365)


def tokens(visit: Visit) -> Page:
    """Their tokens, oldest first, and a form for another."""
    return _page(visit)


def create(visit: Visit, sent: Form) -> Page:
    """Make a token, and show its secret this once."""
    days = whole_number(sent.text("days"), what="days")
    if days > LONGEST.days:
        raise InvalidInput(f"{days} days are more than a year", hint="choose fewer")
    limits = Limits(
        actions=tuple(sent.fields.get("action", ())) or (EVERY,),
        datasets=tuple(sent.text("datasets").replace(",", " ").split()) or (EVERY,),
        project=sent.text("project"),
        purpose=sent.text("purpose"),
    )
    issued = visit.catalog.keyring.create(
        sent.text("name"), limits=limits, until=visit.now + timedelta(days=days)
    )
    return _page(visit, secret=issued.secret, made=issued.token.id)


def revoke(visit: Visit, sent: Form) -> Elsewhere:
    """End a token now."""
    visit.catalog.keyring.revoke(visit.part("id"))
    return Elsewhere("/tokens")


def _page(visit: Visit, **made: Any) -> Page:
    after = visit.asked("after")
    found = visit.catalog.keyring.tokens(limit=AT_A_TIME, after=after)
    return Page(
        template="tokens.html",
        title="Tokens",
        facts={"tokens": found.items, "next": found.next, "secret": "", "made": "", **made},
        shown={
            "after": after,
            "actions": [action.value for action in Action if action is not Action.DISCOVER],
            "purposes": sorted(visit.catalog.governance(datasets=False).purposes),
            "days": DAYS,
        },
    )
