"""The nominated documents with what ranks them: a few hundred rows, read once and raw.

What is only told of a document is read of those that are shown, which are few.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provender.catalog import nodes, queries
from provender.catalog.facets import NONE, STATES
from provender.catalog.nominate import NOW
from provender.catalog.past import Number
from provender.core.finding import KINDS
from provender.core.lineage import Node
from provender.core.ranking import Candidate, Key

COLUMNS = (
    "d.id, d.kind, d.name, p.value, d.owner, d.short_name, d.state, d.fresh_until, "
    "d.described, d.checked, d.used, t.title, t.columns, t.body"
)
PROJECT = "LEFT JOIN facet_values p ON p.id = d.project"
TOLD = "d.id, n.kind, n.name, o.value, t.description"
OWNER = "JOIN nodes n ON n.id = d.node LEFT JOIN facet_values o ON o.id = d.owner"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a document that is shown: its node, its owner, how its description begins."""

    node: Node
    owner: str
    description: str


def fetch(db: Session, numbers: Iterable[Number], *, as_of: datetime | None) -> list[Candidate]:
    """Return the documents of ``numbers``; as of an instant without what is kept of now only."""
    found = [_candidate(*one) for one in _rows(db, map(key_of, numbers), COLUMNS, PROJECT)]
    return found if as_of is None else [_without_use(one) for one in found]


def told(db: Session, keys: Iterable[Key]) -> dict[Key, Told]:
    """Return what is told of the documents that ranking knows by ``keys``."""
    return {
        (table, number): Told(Node(nodes.OF_KIND[kind], name), owner or "", description)
        for table, (number, kind, name, owner, description) in _rows(db, keys, TOLD, OWNER)
    }


def key_of(number: Number) -> Key:
    """Return what ranking knows a document by; documents of now and of then share numbers."""
    place, within = number
    return place.table, within


def _without_use(candidate: Candidate) -> Candidate:
    """What ranks it without how fresh, how well checked and how much used it is now."""
    return replace(candidate, fresh_until=None, checked=0, used=0)


def _rows(
    db: Session, keys: Iterable[Key], columns: str, joined: str
) -> Iterator[tuple[str, Sequence[Any]]]:
    """The rows of documents ``d`` with their texts ``t``, and the table of each."""
    by_table: dict[str, list[int]] = defaultdict(list)
    for table, number in keys:
        by_table[table].append(number)
    for table, numbers in by_table.items():
        texts = "search_texts t ON t.document" if table == NOW.table else f"{table} t ON t.id"
        query = f"SELECT {columns} FROM {table} d JOIN {texts} = d.id {joined} WHERE d.id IN ({{}})"
        for portion in nodes.portions(numbers):
            for row in queries.rows(db, query, portion):
                yield table, row


def _candidate(table: str, row: Sequence[Any]) -> Candidate:
    number, kind, name, project, owner, short, state, until, *rest = row
    described, checked, used, title, columns, body = rest
    return Candidate(
        id=(table, number),
        kind=KINDS[kind],
        name=name,
        project=project or "",
        is_owned=owner != NONE,
        title=title,
        columns=columns,
        body=body,
        short_key=short,
        state=STATES[state],
        fresh_until=datetime.fromisoformat(until) if isinstance(until, str) else until,
        described=bool(described),
        checked=checked,
        used=used,
    )
