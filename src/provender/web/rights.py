"""A dataset's access tab: who may read or look up what of it, because of what, until when; and its grants.

Its stewards see everybody, and renew and revoke; others see themselves, their teams and projects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from provender.core.effects import Effect
from provender.core.errors import Conflict, InvalidInput
from provender.core.names import DatasetRef
from provender.core.people import PROJECT, Actor
from provender.core.policy import Action, ColumnRef, Decision, Grant
from provender.core.rules import ROWS
from provender.web.forms import Form, chosen_action, until
from provender.web.page import Elsewhere, Page, Visit
from provender.web.reach import MOST_COLUMNS
from provender.web.wording import dataset_address

PEOPLE = 25
"""How many people are shown at a time."""
MOST = 200
WHY_COLUMNS = 20
"""Columns that a link to the reasons names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What somebody may read, or be served, for a purpose: columns, because of what, until when.

    ``masked`` and ``computes`` are those of ``open`` of which there is a part; ``filters`` say
    which rows there are.
    """

    actor: str
    purpose: str
    open: tuple[str, ...]
    closed: tuple[str, ...]
    because: tuple[str, ...]
    until: datetime | None
    masked: tuple[str, ...] = ()
    computes: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()


def rights(visit: Visit) -> Page | Elsewhere:
    """Effective rights by actor, a page of people at a time, and the grants with their ends."""
    return _rights(visit, DatasetRef.parse(visit.part("name")))


def revoke(visit: Visit, sent: Form) -> Page | Elsewhere:
    """End a grant now."""
    ended = visit.catalog.records.revoke(visit.part("id"))
    return Elsewhere(f"{dataset_address(ended.dataset)}/access#grants")


def renew(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Let a grant hold until another day; or say why it cannot."""
    given = visit.catalog.records.granted(visit.part("id"))
    try:
        visit.catalog.access.renew(
            given.id, until=until(sent.text("until")), reason=sent.text("reason")
        )
    except (Conflict, InvalidInput) as error:
        return _rights(visit, DatasetRef.parse(given.dataset), problem=error)
    return Elsewhere(f"{dataset_address(given.dataset)}/access#grants")


def _rights(
    visit: Visit, ref: DatasetRef, *, problem: Conflict | InvalidInput | None = None
) -> Page | Elsewhere:
    catalog = visit.catalog
    entry = catalog.finder.entry(ref.at(None))
    dataset = entry.dataset
    if dataset.ref.dataset != ref.dataset:
        return Elsewhere(f"{dataset_address(dataset.ref.dataset)}/access", permanent=True)
    action = chosen_action(visit.asked("action"), ROWS)
    governance = catalog.governance(datasets=False)
    steward = catalog.records.decide(Action.STEWARD, [ColumnRef(dataset.ref.dataset)]).allowed
    everybody = sorted(person.id for person in governance.people)
    known = everybody if steward else list(_selves(catalog.actor))
    after = visit.asked("after")
    start = next((at for at, name in enumerate(known) if name > after), len(known)) if after else 0
    people = known[start : start + PEOPLE]
    columns = _columns(visit, dataset.ref, entry.latest) or tuple(dataset.column_tags)
    asked = [ColumnRef(dataset.ref.dataset, name) for name in columns[:MOST_COLUMNS]]
    found = [
        right
        for name in people
        for purpose in sorted(governance.purposes)
        if asked and (right := _right(visit, name, action, purpose, asked)).open
    ]
    grants = catalog.records.grants(dataset.ref, limit=MOST).items
    more = start + len(people) < len(known)
    return Page(
        template="rights.html",
        title=f"{dataset.ref} – access",
        facts={
            "dataset": dataset.ref.dataset,
            "action": action,
            "rights": found,
            "grants": grants,
            "next": people[-1] if more else None,
            "problem": f"{problem.message}. {problem.hint}" if problem else "",
        },
        shown={
            "steward": steward,
            "after": after,
            "all": len(known),
            "columns": len(asked),
            "actions": ROWS,
            "why": [_why(right, action) for right in found],
            "listed": _listed(grants, catalog.actor, steward=steward, now=visit.now),
        },
        status=problem.status if problem else 200,
    )


def _selves(who: Actor) -> Iterator[str]:
    """The actor and the groups that they are in, as rules and grants name them."""
    yield who.id
    yield from sorted(who.teams)
    yield from (f"{PROJECT}{name}" for name in sorted(who.projects))


def _columns(visit: Visit, ref: DatasetRef, latest: int | None) -> tuple[str, ...]:
    if latest is None:
        return ()
    return visit.catalog.release(ref.at(latest)).version.manifest.schema.names


def _right(visit: Visit, actor: str, action: Action, purpose: str, asked: list[ColumnRef]) -> Right:
    decision: Decision = visit.catalog.records.decide(action, asked, purpose=purpose, actor=actor)
    opened = [reason for reason in decision.reasons if reason.allowed]

    def given(effect: Effect) -> tuple[str, ...]:
        return tuple(reason.column.column for reason in opened if reason.effect is effect)

    return Right(
        actor=actor,
        purpose=purpose,
        open=tuple(reason.column.column for reason in opened),
        closed=tuple(one.column.column for one in decision.reasons if not one.allowed),
        because=tuple(dict.fromkeys(reason.because for reason in opened)),
        until=decision.expires,
        masked=given(Effect.MASK),
        computes=given(Effect.COMPUTE),
        filters=tuple(dict.fromkeys(text for reason in opened for text in reason.filters)),
    )


def _why(right: Right, action: Action) -> str:
    """The query of the page that says why the rest is closed."""
    closed = [("columns", name) for name in right.closed[:WHY_COLUMNS]]
    return urlencode([("action", action.value), ("purpose", right.purpose), *closed])


def _listed(
    grants: Sequence[Grant], who: Actor, *, steward: bool, now: datetime
) -> list[dict[str, object]]:
    """The grants in force first, each with what the actor may do about it."""
    ordered = sorted(grants, key=lambda grant: not grant.in_force(now))
    return [
        {
            "grant": grant,
            "holds": grant.in_force(now),
            "revokes": steward and grant.in_force(now),
            "renews": steward and grant.revoked_at is None and grant.grantee not in who.names,
        }
        for grant in ordered
    ]
