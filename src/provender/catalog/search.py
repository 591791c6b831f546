"""Full-text search in the write's transaction: SQLite FTS5 or PostgreSQL tsvector, never a second store.

Each word asked for counts by itself, rare words more, and more in a name than in a description
than in what surrounds it; a word that nothing holds is read as the nearest known one. An exact
name comes first. Only what the actor may discover is counted, corrected to or found.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    Subquery,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    union_all,
)
from sqlalchemy.orm import Session

from provender.catalog import nodes
from provender.catalog.access import visible_node, visible_numbers
from provender.catalog.rows import DocumentRow, NodeRow
from provender.catalog.words import asked_words, learn, legible, similar, words
from provender.core.finding import KINDS, Hit
from provender.core.lineage import Node, NodeKind
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import Action

MOST_WORDS = 12
CANDIDATES = 300
PER_NODE = 3
"""Hits of one dataset or view that may stand before hits of others."""


class Place(IntEnum):
    """Where a word was found."""

    BEGINNING = 0  # a word begins like it
    CONTEXT = 1
    BODY = 2
    TITLE = 3


WEIGHTS = {Place.BEGINNING: 0.7, Place.CONTEXT: 1.0, Place.BODY: 2.0, Place.TITLE: 3.0}
IN_WORDS = {
    Place.BEGINNING: "as the beginning of a word",
    Place.CONTEXT: "around it",
    Place.BODY: "in the description",
    Place.TITLE: "in the name",
}
FTS_COLUMNS = {Place.TITLE: "title", Place.BODY: "body", Place.CONTEXT: "context"}
TS_LABELS = {Place.TITLE: "A", Place.BODY: "B", Place.CONTEXT: "C"}
ENGLISH: ColumnElement[str] = literal_column("'english'::regconfig")
CORRECTED = 0.6
INDEX = table(
    "documents_index",
    column("id"),
    column("vector"),
    column("rowid"),
    column("title"),
    column("body"),
    column("context"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing to find: ``title``, ``body`` and ``context`` are what its words are taken from."""

    kind: str
    name: str
    node: Node
    title: str
    body: str = ""
    context: str = ""
    description: str = ""
    owner: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """A word asked for, the words it is looked for as, and how much finding it says."""

    asked: str
    read_as: tuple[str, ...]
    weight: float


def replace_documents(db: Session, outdated: Sequence[int], documents: Iterable[Document]) -> None:
    """Put ``documents`` into the index in place of those with the ids ``outdated``."""
    for start in range(0, len(outdated), CANDIDATES):
        portion = outdated[start : start + CANDIDATES]
        key = INDEX.c.id if _is_postgresql(db) else INDEX.c.rowid
        db.execute(delete(INDEX).where(key.in_(portion)))
        db.execute(delete(DocumentRow).where(DocumentRow.id.in_(portion)))
    vocabulary: set[str] = set()
    new = list(documents)
    numbers = nodes.ensured(db, (document.node for document in new))
    for document in new:
        parts = [words(part) for part in (document.title, document.body, document.context)]
        vocabulary.update(*parts)
        _add(db, document, numbers[document.node], *(" ".join(part) for part in parts))
    learn(db, vocabulary)


def documents_of_node(db: Session, node: Node) -> list[int]:
    """Return the ids of the documents that belong to ``node``."""
    number = nodes.known(db, [node]).get(node)
    return list(db.scalars(select(DocumentRow.id).where(DocumentRow.node == number)))


def documents_of_project(db: Session, project: str) -> list[int]:
    """Return the ids of the documents that a project's definitions made."""
    return list(db.scalars(select(DocumentRow.id).where(DocumentRow.project == project)))


def search(
    db: Session,
    who: Actor,
    text: str,
    *,
    limit: int = 20,
    kind: str | None = None,
    now: datetime,
) -> list[Hit]:
    """Return what fits ``text``, best first; nothing if ``text`` has no words.

    Raises:
        NotFound: there is no such ``kind``.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind of thing to find", kind, KINDS)
    shown = visible_numbers(db, who, Action.DISCOVER, now=now)
    text = legible(text)
    terms = _terms(db, asked_words(text, most=MOST_WORDS), shown)
    if not any(term.read_as for term in terms):
        return []
    found = _found(db, terms)
    points = found.c.points * (0.5 + 0.5 * found.c.coverage / len(terms))
    wanted = (
        select(DocumentRow, NodeRow, points, found.c.places)
        .join(found, found.c.document == DocumentRow.id)
        .join(NodeRow, NodeRow.id == DocumentRow.node)
        .where(visible_node(DocumentRow.node, shown))
        .order_by((DocumentRow.name == text).desc(), points.desc(), DocumentRow.name)
        .limit(max(CANDIDATES, limit))
    )
    if kind is not None:
        wanted = wanted.where(DocumentRow.kind == kind)
    hits = [
        _hit(row, node, score, places, terms, text)
        for row, node, score, places in db.execute(wanted)
    ]
    hits.sort(key=lambda rated: (rated[0], -rated[1].score, _order(rated[1]), rated[1].name))
    return _spread([hit for _, hit in hits])[:limit]


def _add(db: Session, document: Document, node: int, title: str, body: str, context: str) -> None:
    row = DocumentRow(
        kind=document.kind,
        name=document.name,
        project=document.project,
        node=node,
        owner=document.owner,
        description=document.description,
    )
    db.add(row)
    db.flush()
    if _is_postgresql(db):
        labelled = [
            func.setweight(func.to_tsvector(ENGLISH, part), literal_column(f"'{TS_LABELS[place]}'"))
            for place, part in ((Place.TITLE, title), (Place.BODY, body), (Place.CONTEXT, context))
        ]
        vector = labelled[0].op("||")(labelled[1]).op("||")(labelled[2])
        db.execute(insert(INDEX).values(id=row.id, vector=vector))
    else:
        db.execute(insert(INDEX).values(rowid=row.id, title=title, body=body, context=context))


def _terms(db: Session, asked: Sequence[str], shown: Select[int]) -> list[Term]:
    """The words asked for, with those they are read as where nothing holds them themselves."""
    if not asked:
        return []
    total = db.scalar(select(func.max(DocumentRow.id))) or 0
    counts = _counts(db, asked, shown)
    terms: list[Term] = []
    for word in asked:
        if counts[word]:
            terms.append(Term(word, (word,), _rarity(counts[word], total)))
            continue
        near = _counts(db, similar(db, word), shown)
        known = tuple(other for other, count in near.items() if count)
        rarity = _rarity(max(near.values(), default=0), total)
        terms.append(Term(word, known, CORRECTED * rarity))
    return terms


def _counts(db: Session, asked: Sequence[str], shown: Select[int]) -> dict[str, int]:
    if not asked:
        return {}
    counts = [
        select(literal(word), func.count())
        .select_from(DocumentRow)
        .where(
            DocumentRow.id.in_(_holding(db, word, Place.BEGINNING)),
            visible_node(DocumentRow.node, shown),
        )
        for word in asked
    ]
    return {str(word): int(count) for word, count in db.execute(union_all(*counts))}


def _rarity(count: int, total: int) -> float:
    return math.log(1 + max(total, count) / (1 + count)) + 0.1


def _found(db: Session, terms: Sequence[Term]) -> Subquery:
    """Documents with their points, how many terms they hold, and which term where."""
    each = [
        select(
            _holding(db, word, place).subquery().c.document,
            literal(position).label("term"),
            literal(place.value).label("place"),
            literal(term.weight * WEIGHTS[place], Float).label("points"),
        )
        for position, term in enumerate(terms)
        for word in term.read_as
        for place in Place
    ]
    held = union_all(*each).subquery()
    best = (
        select(
            held.c.document,
            held.c.term,
            func.max(held.c.points).label("points"),
            func.max(held.c.place).label("place"),
        )
        .group_by(held.c.document, held.c.term)
        .subquery()
    )
    code = best.c.term * len(Place) + best.c.place
    return (
        select(
            best.c.document,
            func.sum(best.c.points).label("points"),
            func.count().label("coverage"),
            func.aggregate_strings(cast(code, String), ",").label("places"),
        )
        .group_by(best.c.document)
        .subquery()
    )


def _holding(db: Session, word: str, place: Place) -> Select[int]:
    """The documents that hold ``word`` there. The word has letters and digits only."""
    begins = place is Place.BEGINNING and len(word) > 2
    if _is_postgresql(db):
        label = "*" if begins else TS_LABELS.get(place, "")
        query = f"'{word}':{label}" if label else f"'{word}'"
        matches = INDEX.c.vector.op("@@")(func.to_tsquery(ENGLISH, query))
        return select(INDEX.c.id.label("document")).where(matches)
    field = FTS_COLUMNS.get(place)
    query = f'{{{field}}} : "{word}"' if field else f'"{word}"' + (" *" if begins else "")
    matches = literal_column("documents_index").op("MATCH")(query)
    return select(INDEX.c.rowid.label("document")).where(matches)


def _hit(
    row: DocumentRow, node: NodeRow, score: float, places: str, terms: Sequence[Term], text: str
) -> tuple[int, Hit]:
    """The hit, and how exactly its name was asked for (0: to the letter)."""
    short = row.name.replace(":", ".").rpartition(".")[2]
    asked = text.casefold()
    distance = 0 if asked == row.name.casefold() else 1 if words(text) == words(short) else 2
    held = dict(divmod(int(code), len(Place)) for code in places.split(","))
    return distance, Hit(
        kind=row.kind,
        name=row.name,
        description=row.description,
        owner=row.owner,
        project=row.project,
        node=Node(NodeKind(node.kind), node.name),
        score=round(score, 3),
        why=_why(distance, held, terms),
    )


def _why(distance: int, held: dict[int, int], terms: Sequence[Term]) -> str:
    reasons = ["exactly that name"] if distance == 0 else []
    for place in reversed(Place):
        there = [_said(terms[at]) for at in sorted(held) if held[at] == place]
        if there:
            reasons.append(f"{', '.join(there)} {IN_WORDS[place]}")
    return "; ".join(reasons)


def _said(term: Term) -> str:
    if term.read_as == (term.asked,):
        return term.asked
    return f"{' or '.join(term.read_as)} (for {term.asked})"


def _spread(hits: Sequence[Hit]) -> list[Hit]:
    """``hits`` with those beyond the first few of each node moved to the end."""
    first: list[Hit] = []
    later: list[Hit] = []
    counts: dict[Node, int] = {}
    for hit in hits:
        counts[hit.node] = counts.get(hit.node, 0) + 1
        (first if counts[hit.node] <= PER_NODE else later).append(hit)
    return first + later


def _order(hit: Hit) -> int:
    return KINDS.index(hit.kind)


def _is_postgresql(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"
