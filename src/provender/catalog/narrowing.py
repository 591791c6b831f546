"""What narrows a search or a list: values of facets, of which one of each facet has to fit."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from provender.catalog import nominate
from provender.catalog.facets import EVERYWHERE, FRESH, KEPT, STALE, STATE, STATES, TYPE
from provender.catalog.nodes import portions
from provender.catalog.nominate import facet_code
from provender.catalog.prevalence import Held
from provender.catalog.rows import FacetCountRow, FacetValueRow
from provender.catalog.scopes import among
from provender.core.finding import FACETS, KINDS, PARTS
from provender.core.names import unknown


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Values of facets, and a condition on the document ``d``.

    Where there are ``parts``, a hit has one of them, or is of one of ``kinds``.
    """

    groups: Sequence[Held] = ()
    condition: str = ""
    parts: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


def narrowing(
    db: Session,
    filters: Mapping[str, tuple[str, ...]],
    *,
    known: Mapping[str, Held] | None = None,
    now: datetime,
) -> Narrowing | None:
    """Return what ``filters`` ask; None where nothing can fit, because nothing has such a value.

    ``known`` is what `held` says of these filters, or of more, if that was asked before.

    Raises:
        NotFound: there is no such facet, or no such type, state or freshness.
    """
    known = held(db, filters) if known is None else known
    groups: list[Held] = []
    conditions: list[str] = []
    parts: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    for name, values in filters.items():
        if name == "freshness":
            conditions.append(_freshness(db, values, now=now))
            continue
        if name == "type" and not set(values).isdisjoint(PARTS):
            parts, kinds = frozenset(values) & set(PARTS), frozenset(values) - set(PARTS)
            continue
        if name not in known:
            return None
        groups.append(known[name])
    return Narrowing(groups, " AND ".join(conditions), parts, kinds)


def held(db: Session, filters: Mapping[str, tuple[str, ...]]) -> dict[str, Held]:
    """Return, by facet, the values that are asked for and that some document has, or had.

    Raises:
        NotFound: as `narrowing`.
    """
    check(filters)
    asked = {(FACETS.index(name), value) for name, values in filters.items() for value in values}
    found: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
    total = 0
    for texts in portions(sorted({value for _, value in asked})):
        wanted = _counted().where(FacetValueRow.value.in_(texts))
        for facet, value, number, documents, every in db.execute(wanted).all():
            if (facet, value) in asked:
                found[facet].append((number, value, documents))
                total = every
    return {FACETS[facet]: _held(facet, sorted(values), total) for facet, values in found.items()}


def _counted() -> Select[int, str, int, int, int]:
    """Values with how many documents there are of each, and of all."""
    everywhere = and_(
        FacetCountRow.scope == EVERYWHERE,
        FacetCountRow.facet == FacetValueRow.facet,
        FacetCountRow.value == FacetValueRow.id,
    )
    each = aliased(FacetCountRow)
    total = select(func.coalesce(func.sum(each.documents), 0)).where(
        each.scope == EVERYWHERE, each.facet == TYPE
    )
    return select(
        FacetValueRow.facet,
        FacetValueRow.value,
        FacetValueRow.id,
        func.coalesce(FacetCountRow.documents, 0),
        total.scalar_subquery(),
    ).outerjoin(FacetCountRow, everywhere)


def _held(facet: int, values: Sequence[tuple[int, str, int]], total: int) -> Held:
    numbers = [number for number, _, _ in values]
    kept = numbers
    if facet == TYPE:
        kept = [KINDS.index(value) for _, value, _ in values]
    elif facet == STATE:
        kept = [STATES.index(value) for _, value, _ in values]
    return Held(
        codes=tuple(map(facet_code, numbers)),
        column=among(f"d.{KEPT[facet]}", kept) if KEPT[facet] else "",
        documents=sum(documents for _, _, documents in values),
        of=total,
    )


def check(filters: Mapping[str, tuple[str, ...]]) -> None:
    """Check that there are such facets, and such values of the few whose values are fixed.

    Raises:
        NotFound: there are not.
    """
    allowed = {
        "type": ("kind of thing to find", (*KINDS, *PARTS)),
        "state": ("state", STATES[1:]),
        "freshness": ("freshness", (FRESH, STALE)),
    }
    for name, values in filters.items():
        if name not in FACETS:
            raise unknown("filter of search", name, FACETS)
        what, known = allowed.get(name, ("", ()))
        for value in values if known else ():
            if value not in known:
                raise unknown(what, value, known)


def _freshness(db: Session, values: tuple[str, ...], *, now: datetime) -> str:
    at = nominate.instant(db, now)
    either = {FRESH: f"d.fresh_until > {at}", STALE: f"d.fresh_until <= {at}"}
    return f"({' OR '.join(either[value] for value in dict.fromkeys(values))})"
