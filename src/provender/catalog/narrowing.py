"""What narrows a search or a list: values of facets, of which one of each facet has to fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import facets, nominate
from provender.catalog.facets import FRESH, STALE, STATES
from provender.catalog.nominate import Groups, facet_code
from provender.core.finding import FACETS, KINDS, PARTS
from provender.core.names import unknown


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Codes for the index, and a condition on the document ``d``.

    Where there are ``parts``, a hit has one of them, or is of one of ``kinds``.
    """

    groups: Groups = ()
    condition: str = ""
    parts: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


def narrowing(
    db: Session, filters: Mapping[str, tuple[str, ...]], *, now: datetime
) -> Narrowing | None:
    """Return what ``filters`` ask; None where nothing can fit, because nothing has such a value.

    Raises:
        NotFound: there is no such facet, or no such type, state or freshness.
    """
    _check(filters)
    groups: list[list[str]] = []
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
        facet = FACETS.index(name)
        known = facets.known(db, [(facet, value) for value in values])
        if not known:
            return None
        groups.append([facet_code(number) for number in sorted(known.values())])
    return Narrowing(groups, " AND ".join(conditions), parts, kinds)


def _check(filters: Mapping[str, tuple[str, ...]]) -> None:
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
