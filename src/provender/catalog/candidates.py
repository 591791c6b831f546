"""The nominated documents with what ranks them: a few hundred rows, read once and raw."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog.facets import STATES
from provender.catalog.nominate import NOW, Place
from provender.catalog.past import Number
from provender.catalog.rows import FacetValueRow
from provender.core.documents import Texts
from provender.core.finding import KINDS
from provender.core.ranking import Candidate, Key

COLUMNS = (
    "d.id, d.kind, d.name, d.project, d.owner, d.short_name, d.state, d.fresh_until, d.described, "
    "d.checked, d.used, d.node"
)
PORTION = 500


def fetch(db: Session, numbers: Iterable[Number], *, as_of: datetime | None) -> list[Candidate]:
    """Return the documents of ``numbers``; as of an instant without what is kept of now only."""
    by_place: dict[Place, list[int]] = defaultdict(list)
    for place, number in numbers:
        by_place[place].append(number)
    rows = [(place, row) for place, some in by_place.items() for row in _rows(db, place, some)]
    names = _names(db, {number for _, row in rows for number in (row[3], row[4]) if number})
    found = [_candidate(place, row, names) for place, row in rows]
    return found if as_of is None else [_without_use(one) for one in found]


def key_of(number: Number) -> Key:
    """Return what ranking knows a document by; documents of now and of then share numbers."""
    place, within = number
    return place.table, within


def _without_use(candidate: Candidate) -> Candidate:
    """What ranks it without how fresh, how well checked and how much used it is now."""
    return replace(candidate, fresh_until=None, checked=0, used=0)


def _rows(db: Session, place: Place, numbers: Sequence[int]) -> Iterator[Sequence[Any]]:
    texts = "t.title, t.columns, t.body, t.description"
    joined = "JOIN search_texts t ON t.document = d.id"
    if place is not NOW:
        texts, joined = texts.replace("t.", "d."), ""
    for start in range(0, len(numbers), PORTION):
        among = ", ".join(map(str, numbers[start : start + PORTION]))
        yield from db.connection().exec_driver_sql(
            f"SELECT {COLUMNS}, {texts} FROM {place.table} d {joined} "
            f"WHERE d.id IN ({among}) ORDER BY d.id"
        )


def _names(db: Session, numbers: set[int]) -> dict[int, str]:
    wanted = select(FacetValueRow.id, FacetValueRow.value).where(FacetValueRow.id.in_(numbers))
    return dict(db.execute(wanted).all()) if numbers else {}


def _candidate(place: Place, row: Sequence[Any], names: dict[int, str]) -> Candidate:
    (number, kind, name, project, owner, short, state, until, described, checked, used, node) = row[
        :12
    ]
    return Candidate(
        id=key_of((place, number)),
        node=node,
        kind=KINDS[kind],
        name=name,
        project=names.get(project, ""),
        owner=names.get(owner, ""),
        texts=Texts(*row[12:16]),
        short_key=short,
        state=STATES[state],
        fresh_until=datetime.fromisoformat(until) if isinstance(until, str) else until,
        described=bool(described),
        checked=checked,
        used=used,
    )
