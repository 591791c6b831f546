"""The nominated documents with what ranks them: a few hundred rows, read once and raw."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provender.catalog.facets import STATES
from provender.catalog.nominate import NOW, Place
from provender.catalog.past import Number
from provender.core.documents import Texts
from provender.core.finding import KINDS
from provender.core.ranking import Candidate, Key

COLUMNS = (
    "d.id, d.node, d.kind, d.name, p.value, o.value, d.short_name, d.state, d.fresh_until, "
    "d.described, d.checked, d.used"
)
NAMES = "LEFT JOIN facet_values p ON p.id = d.project LEFT JOIN facet_values o ON o.id = d.owner"
PORTION = 500


def fetch(db: Session, numbers: Iterable[Number], *, as_of: datetime | None) -> list[Candidate]:
    """Return the documents of ``numbers``; as of an instant without what is kept of now only."""
    by_place: dict[Place, list[int]] = defaultdict(list)
    for place, number in numbers:
        by_place[place].append(number)
    found = [
        _candidate(place, row) for place, some in by_place.items() for row in _rows(db, place, some)
    ]
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
        found = db.connection().exec_driver_sql(
            f"SELECT {COLUMNS}, {texts} FROM {place.table} d {joined} {NAMES} "
            f"WHERE d.id IN ({among})"
        )
        yield from found.all()  # one by one they take several times as long


def _candidate(place: Place, row: Sequence[Any]) -> Candidate:
    number, node, kind, name, project, owner, short, state, until, *rest = row
    described, checked, used, title, columns, body, description = rest
    return Candidate(
        id=key_of((place, number)),
        node=node,
        kind=KINDS[kind],
        name=name,
        project=project or "",
        owner=owner or "",
        texts=Texts(title, columns, body, description),
        short_key=short,
        state=STATES[state],
        fresh_until=datetime.fromisoformat(until) if isinstance(until, str) else until,
        described=bool(described),
        checked=checked,
        used=used,
    )
