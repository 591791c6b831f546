"""Values that documents are counted and narrowed by, and how many documents have each.

What is seen without words is kept counted by scope; what a question found is counted then. Only
what the actor may discover is in either. How fresh things are is a matter of the time: what is
kept counted is in which hour each ceases to be.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provender.catalog import naming
from provender.catalog.epoch import Visible
from provender.catalog.nominate import (
    NOW,
    Place,
    Sought,
    facet_values,
    grouped,
    instant,
)
from provender.catalog.past import View
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import FacetValueRow
from provender.catalog.scopes import among, within
from provender.core.documents import Document
from provender.core.finding import FACETS, KINDS, FacetValue
from provender.core.lifecycle import State

COUNTER = "facet_value"
TYPE, PROJECT, DOMAIN, OWNER, FORMAT, TAG, FRESHNESS, STATE = range(len(FACETS))
KEPT = ("kind", "project", "domain", "owner", "format", "", "", "state")
"""The column of a document that keeps each facet's value."""
STATES = ("", *(state.value for state in State))
"""States by their numbers in a document."""
FRESH, STALE = "fresh", "stale"
COUNTED = 10_000
"""Documents that are counted one by one; of more it is said that there are more."""
OVER = 500
"""Documents that the values beside a question are counted over; of more it is said so, too."""
SHOWN = 12
"""Values of each facet beside what a question found."""
LISTED = 1_000
"""Values of each facet where nothing but facets is asked for."""
HOUR = 3600
EVERYWHERE = -1
"""The scope under which is kept what all scopes have together."""
NONE = 0
"""The number of a value that a document does not have."""
PORTION = 500

Counts = Counter[tuple[int, int, int]]
"""Documents by scope, facet and value."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a document, as numbers of ``facet_values``; kind and state as their own."""

    kind: int
    state: int
    by_facet: Mapping[int, int]
    tags: tuple[int, ...]

    @property
    def every(self) -> tuple[int, ...]:
        """The numbers of all values, for the index."""
        return tuple(sorted({*self.by_facet.values(), *self.tags} - {NONE}))


def said_of(document: Document) -> list[tuple[int, str]]:
    """Return the facets of a document with their values."""
    single = (
        (TYPE, document.kind),
        (PROJECT, document.project),
        (DOMAIN, document.domain),
        (OWNER, document.owner),
        (FORMAT, document.format),
        (STATE, document.state),
    )
    tags = [(TAG, tag) for tag in dict.fromkeys(document.tags)]
    return [(facet, value) for facet, value in (*single, *tags) if value]


def ensured(db: Session, values: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the number of each value of a facet; those that are new get one."""
    wanted = sorted(set(values))
    found = known(db, wanted)
    new = [one for one in wanted if one not in found]
    if not new:
        return found
    first = naming.take(db, COUNTER, len(new))
    given = {one: number for number, one in enumerate(new, first)}
    db.execute(
        insert(FacetValueRow),
        [{"id": n, "facet": facet, "value": value} for (facet, value), n in given.items()],
    )
    return found | given


def known(db: Session, values: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the numbers of those values that a document has, or had."""
    wanted = set(values)
    texts = sorted({value for _, value in wanted})
    found: dict[tuple[int, str], int] = {}
    for start in range(0, len(texts), PORTION):
        portion = texts[start : start + PORTION]
        rows = select(FacetValueRow.facet, FacetValueRow.value, FacetValueRow.id).where(
            FacetValueRow.value.in_(portion)
        )
        for facet, value, number in db.execute(rows):
            if (facet, value) in wanted:
                found[facet, value] = number
    return found


def values_of(document: Document, numbers: Mapping[tuple[int, str], int]) -> Values:
    """Return the values of a document by their numbers."""
    by_facet = {f: numbers[f, value] for f, value in said_of(document) if f != TAG}
    return Values(
        kind=KINDS.index(document.kind),
        state=STATES.index(document.state),
        by_facet=by_facet,
        tags=tuple(sorted({numbers[TAG, tag] for tag in document.tags})),
    )


def counted(scope: int, values: Values, fresh_until: datetime | None) -> list[tuple[int, int, int]]:
    """Return what a document counts in: scope, facet and value."""
    found = [(scope, facet, value) for facet, value in values.by_facet.items()]
    found += [(scope, TAG, tag) for tag in values.tags]
    if fresh_until is not None:
        found.append((scope, FRESHNESS, hour_of(fresh_until)))
    return found


def hour_of(instant: datetime) -> int:
    """Return the hour of an instant, counted from 1970."""
    return int(instant.astimezone(UTC).timestamp() // HOUR)


def count(db: Session, changes: Counts) -> None:
    """Let so many documents more, or fewer, have the values."""
    rows = sorted((*key, by) for key, by in with_totals(changes).items() if by)
    if not rows:
        return
    marks = "(%s, %s, %s, %s)" if is_postgresql(db) else "(?, ?, ?, ?)"
    connection = db.connection()
    connection.exec_driver_sql(
        f"INSERT INTO facet_counts (scope, facet, value, documents) VALUES {marks} "
        "ON CONFLICT (scope, facet, value) "
        "DO UPDATE SET documents = facet_counts.documents + excluded.documents",
        rows,
    )
    fewer = [row[:-1] for row in rows if row[-1] < 0]
    if fewer:
        mark = marks[1:3].rstrip(",")
        connection.exec_driver_sql(
            f"DELETE FROM facet_counts WHERE scope = {mark} AND facet = {mark} "
            f"AND value = {mark} AND documents = 0",
            fewer,
        )


def with_totals(counts: Counts) -> Counts:
    """Return ``counts``, and those of all scopes together."""
    found = Counter(counts)
    for (_, facet, value), number in counts.items():
        found[EVERYWHERE, facet, value] += number
    return found


def browse(
    db: Session,
    visible: Visible,
    besides: Sequence[int],
    wanted: Collection[int],
    *,
    most: int,
    now: datetime,
) -> dict[str, tuple[FacetValue, ...]]:
    """Return the values of all documents in the visible scopes and of those ``besides``, most first."""
    found: Counter[tuple[int, Any]] = Counter()
    border, ends_within = hour_of(now), 0
    for facet, value, number in _kept(db, visible, _of_facets({TYPE, *wanted})):
        if facet != FRESHNESS:
            found[facet, value] += number
        elif value == border:
            ends_within += number
        else:
            found[FRESHNESS, STALE if value < border else FRESH] += number
    total = sum(number for (facet, _), number in found.items() if facet == TYPE)
    exact = not ends_within or total <= COUNTED
    if exact and ends_within:
        _split(db, found, visible, border, now=now)
    else:
        found[FRESHNESS, FRESH] += ends_within
    if besides:
        here = Sought(words=(), shown=among("d.id", besides))
        found.update(_counted(db, NOW, here, wanted, now=now))
    listed = Counter({key: n for key, n in found.items() if key[0] in wanted})
    return _named(db, listed, most=most, approximate=() if exact else (FRESHNESS,))


def _of_facets(wanted: Collection[int]) -> str:
    return "1 = 1" if len(wanted) == len(FACETS) else among("facet", wanted)


def ended(db: Session, visible: Visible, *, now: datetime) -> int:
    """Return how many documents in sight ceased to be fresh, at most: those of this hour, too."""
    ends = f"facet = {FRESHNESS} AND value <= {hour_of(now)}"
    return sum(number for _, _, number in _kept(db, visible, ends))


def _kept(db: Session, visible: Visible, fits: str = "1 = 1") -> list[tuple[int, int, int]]:
    """What is kept counted of the visible scopes: a facet, a value, and of how many documents.

    Where less is closed than open, it is what there is everywhere but for what is closed.
    """
    less = f"CASE WHEN scope = {EVERYWHERE} THEN documents ELSE -documents END"
    documents, inside = less, among("scope", {EVERYWHERE, *visible.closed})
    if len(visible.scopes) < len(visible.closed):
        documents, inside = "documents", within(db, "scope", visible.scopes)
    rows = db.connection().exec_driver_sql(
        f"SELECT facet, value, sum({documents}) FROM facet_counts "
        f"WHERE ({inside}) AND {fits} GROUP BY facet, value"
    )
    return [(facet, value, int(number)) for facet, value, number in rows.all()]


def over(
    db: Session, view: View, sought: Sought, wanted: Iterable[int], *, most: int, now: datetime
) -> dict[str, tuple[FacetValue, ...]]:
    """Return the ``most`` frequent values of the first documents of ``view`` that hold what is sought."""
    listed = list(wanted)
    found: Counter[tuple[int, Any]] = Counter()
    cut = False
    for place, shown in view.places:
        here = replace(sought, shown=shown)
        counted = _counted(db, place, here, {TYPE, *listed}, now=now)
        cut = cut or sum(n for (facet, _), n in counted.items() if facet == TYPE) >= OVER
        found.update({key: n for key, n in counted.items() if key[0] in listed})
    return _named(db, found, most=most, approximate=listed if cut else ())


def _split(
    db: Session,
    found: Counter[tuple[int, Any]],
    visible: Visible,
    hour: int,
    *,
    now: datetime,
) -> None:
    """Count those that cease to be fresh within the hour it is, one by one."""
    ends = "fresh_until"
    begin = datetime.fromtimestamp(hour * HOUR, tz=UTC)
    end = datetime.fromtimestamp((hour + 1) * HOUR, tz=UTC)
    rows = db.connection().exec_driver_sql(
        f"SELECT CASE WHEN {ends} > {instant(db, now)} THEN 1 ELSE 0 END, count(*) "
        f"FROM search_documents WHERE ({within(db, 'scope', visible.scopes)}) "
        f"AND {ends} >= {instant(db, begin)} AND {ends} < {instant(db, end)} GROUP BY 1"
    )
    for fresh, number in rows.all():
        found[FRESHNESS, FRESH if fresh else STALE] += int(number)


def _counted(
    db: Session, place: Place, sought: Sought, facets: Iterable[int], *, now: datetime
) -> Counter[tuple[int, Any]]:
    wanted = set(facets)
    found: Counter[tuple[int, Any]] = Counter()
    if place is not NOW and TAG in wanted:  # tags of the past stand in its index only
        wanted.remove(TAG)
        found.update(_tags(db, place, sought))
    selects = [_select(db, facet, now=now) for facet in sorted(wanted)]
    for facet, value, number in grouped(db, place, sought, selects, most=OVER):
        if facet == TYPE:
            found[facet, KINDS[int(value)]] += int(number)
        elif facet == STATE:
            found[facet, STATES[int(value)]] += int(number)
        elif facet == FRESHNESS:
            found[facet, FRESH if value else STALE] += int(number)
        else:
            found[facet, int(value)] += int(number)
    return found


def _tags(db: Session, place: Place, sought: Sought) -> dict[tuple[int, Any], int]:
    held = facet_values(db, place, sought, most=OVER)
    numbers = sorted(held)
    found: dict[tuple[int, Any], int] = {}
    for start in range(0, len(numbers), PORTION):
        portion = numbers[start : start + PORTION]
        of = select(FacetValueRow.id).where(FacetValueRow.facet == TAG)
        for number in db.scalars(of.where(FacetValueRow.id.in_(portion))):
            found[TAG, number] = held[number]
    return found


def _select(db: Session, facet: int, *, now: datetime) -> str:
    if facet == TAG:  # by document: both databases would go through every tag there is
        held = "search_tags t WHERE t.document = m.id"
        if is_postgresql(db):
            each = f"FROM m CROSS JOIN LATERAL (SELECT t.tag FROM {held} OFFSET 0) t"
        else:
            each = f"FROM m CROSS JOIN {held}"
        return f"SELECT {facet}, t.tag, count(*) {each} GROUP BY t.tag"
    if facet == FRESHNESS:
        fresh = f"CASE WHEN m.fresh_until > {instant(db, now)} THEN 1 ELSE 0 END"
        return (
            f"SELECT {facet}, {fresh}, count(*) FROM m WHERE m.fresh_until IS NOT NULL "
            f"GROUP BY {fresh}"
        )
    column = KEPT[facet]
    none = "" if facet == TYPE else f"WHERE m.{column} <> 0 "
    return f"SELECT {facet}, m.{column}, count(*) FROM m {none}GROUP BY m.{column}"


def _named(
    db: Session, found: Counter[tuple[int, Any]], *, most: int, approximate: Collection[int]
) -> dict[str, tuple[FacetValue, ...]]:
    """The values by facet, the most first, then in the order of their names."""
    numbers = sorted({value for _, value in found if isinstance(value, int)})
    names: dict[Any, str] = {}
    for start in range(0, len(numbers), PORTION):
        portion = among("id", numbers[start : start + PORTION])  # written out: half the time
        query = f"SELECT id, value FROM facet_values WHERE {portion}"
        names |= dict(db.connection().exec_driver_sql(query).all())
    by_name: dict[int, Counter[str]] = defaultdict(Counter)
    for (facet, value), number in found.items():
        by_name[facet][names.get(value, value)] += number
    return {
        name: tuple(
            FacetValue(value=value, documents=number, approximate=facet in approximate)
            for value, number in sorted(by_name[facet].items(), key=lambda one: (-one[1], one[0]))
            if number
        )[:most]
        for facet, name in enumerate(FACETS)
        if any(by_name[facet].values())
    }
