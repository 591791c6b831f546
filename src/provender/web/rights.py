"""A dataset's access tab, for its stewards: who may read what of it, by which grant or rule, until when."""

from dataclasses import dataclass
from datetime import datetime

from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Decision
from provender.web.page import Elsewhere, Page, Visit
from provender.web.reach import MOST_COLUMNS
from provender.web.wording import dataset_address

PEOPLE = 25
"""How many people are shown at a time."""
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What somebody may read for a purpose: columns, because of what, until when."""

    actor: str
    purpose: str
    open: tuple[str, ...]
    closed: int
    because: tuple[str, ...]
    until: datetime | None


def rights(visit: Visit) -> Page | Elsewhere:
    """Effective rights by actor, a page of people at a time, and the grants with their ends."""
    ref = DatasetRef.parse(visit.part("name"))
    catalog = visit.catalog
    entry = catalog.finder.entry(ref.at(None))
    dataset = entry.dataset
    if dataset.ref.dataset != ref.dataset:
        return Elsewhere(f"{dataset_address(dataset.ref.dataset)}/access", permanent=True)
    governance = catalog.governance(datasets=False)
    steward = catalog.records.decide(Action.STEWARD, [ColumnRef(dataset.ref.dataset)]).allowed
    everybody = sorted(person.id for person in governance.people)
    known = everybody if steward else [catalog.actor.id]
    after = visit.asked("after")
    people = [name for name in known if name > after][:PEOPLE]
    columns = _columns(visit, dataset.ref, entry.latest) or tuple(dataset.column_tags)
    asked = [ColumnRef(dataset.ref.dataset, name) for name in columns[:MOST_COLUMNS]]
    found = [
        right
        for name in people
        for purpose in sorted(governance.purposes)
        if asked and (right := _right(visit, name, purpose, asked)).open
    ]
    grants = catalog.records.grants(dataset.ref, limit=MOST).items
    more = bool(people) and people[-1] != known[-1]
    return Page(
        template="rights.html",
        title=f"{dataset.ref} – access",
        facts={
            "dataset": dataset.ref.dataset,
            "rights": found,
            "grants": grants,
            "next": people[-1] if more else None,
        },
        shown={"steward": steward, "after": after, "all": len(known), "columns": len(asked)},
    )


def _columns(visit: Visit, ref: DatasetRef, latest: int | None) -> tuple[str, ...]:
    if latest is None:
        return ()
    return visit.catalog.release(ref.at(latest)).version.manifest.schema.names


def _right(visit: Visit, actor: str, purpose: str, asked: list[ColumnRef]) -> Right:
    decision: Decision = visit.catalog.records.decide(
        Action.READ, asked, purpose=purpose, actor=actor
    )
    opened = [reason for reason in decision.reasons if reason.allowed]
    return Right(
        actor=actor,
        purpose=purpose,
        open=tuple(reason.column.column for reason in opened),
        closed=len(asked) - len(opened),
        because=tuple(dict.fromkeys(reason.because for reason in opened)),
        until=decision.expires,
    )
