"""Whether the search index says what is there: every document, word and count, made once more."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from provender.catalog import epoch, facets, findable, nodes, scopes, vocabulary
from provender.catalog.indexed import Entry, entry_of, stored
from provender.catalog.nominate import rowid
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import (
    DatasetRow,
    FacetCountRow,
    PastDocumentRow,
    SearchDocumentRow,
    SearchWordRow,
    StubRow,
)
from provender.core.documents import Document, Texts
from provender.core.finding import FACETS

BATCH = 500
UNKNOWN = -1
"""The number of a value, or a scope, that the index does not know."""

Wrong = Iterator[tuple[str, str]]
"""What something is said of, and what is wrong with it."""


def check(db: Session) -> Wrong:
    """Yield everything in the index that is not as it would be if it were made anew now."""
    yield from _datasets(db)
    words: Counter[str] = Counter()
    counts: facets.Counts = Counter()
    seen: set[int] = set()
    waiting = findable.every(db)
    while batch := list(islice(waiting, BATCH)):
        expected = _expected(db, batch)
        found = dict(_found(db, list(expected)))
        seen |= expected.keys()
        for node, entry in expected.items():
            words.update(entry.words())
            counts.update(entry.counts)
            yield from _compare(entry, found.get(node))
        yield from _codes(db, found.values())
    lost = select(SearchDocumentRow.node, SearchDocumentRow.name)
    for node, name in db.execute(lost.order_by(SearchDocumentRow.id)):
        if node not in seen:
            yield name, "is found, but not there"
    yield from _words(db, words)
    yield from _counts(db, counts)


def _datasets(db: Session) -> Wrong:
    """Every dataset is in the scope that what is said of it puts it into."""
    policy = epoch.policy(db)
    rows = select(DatasetRow).where(DatasetRow.withdrawn_at.is_(None)).order_by(DatasetRow.id)
    for row in db.scalars(rows.execution_options(yield_per=BATCH)):
        key = scopes.key_of(row.value, policy)
        if scopes.known(db, [key]).get(key) != row.scope:
            yield row.name, "is shown to those who might see it before"


def _expected(db: Session, documents: Sequence[Document]) -> dict[int, Entry]:
    numbers = nodes.known(db, (document.node for document in documents))
    placed = scopes.of_nodes(db, numbers.values(), add=False)
    said = {value for document in documents for value in facets.said_of(document)}
    known = dict.fromkeys(said, UNKNOWN) | facets.known(db, said)
    return {
        node: entry_of(document, node, placed[node], known)
        for document in documents
        if (node := numbers.get(document.node)) is not None
    }


def _found(db: Session, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[int, Entry]]]:
    there = select(SearchDocumentRow.id).where(SearchDocumentRow.node.in_(numbers))
    for document, _, entry in stored(db, db.scalars(there).all()):
        yield entry.row["node"], (document, entry)


def _compare(expected: Entry, found: tuple[int, Entry] | None) -> Wrong:
    name = expected.row["name"]
    if found is None:
        yield name, "is not found"
        return
    entry = found[1]
    for part, value in expected.row.items():
        if entry.row[part] != value:
            yield name, f"is found with the {part} {entry.row[part]}, and has {value}"
    if entry.texts != expected.texts:
        yield name, "is found by other words than are said of it"
    if entry.values.tags != expected.values.tags:
        yield name, "is found by other tags than it has"


def _codes(db: Session, found: Iterable[tuple[int, Entry]]) -> Wrong:
    """The full text has the codes of just the words and values of each document."""
    listed = list(found)
    numbers = vocabulary.known(db, {word for _, entry in listed for word in entry.words()})
    indexed = _indexed(db, listed)
    for document, entry in listed:
        if not entry.words() <= numbers.keys():
            yield entry.row["name"], "has words that the vocabulary does not know"
            continue
        codes = entry.codes(numbers)
        wanted = {*codes.columns, *codes.body, *codes.facets, *codes.title}
        wanted |= {f"+{word}" for word in codes.title}
        if indexed.get(document) != wanted:
            yield entry.row["name"], "has other codes in the full text than its words have"


def _indexed(db: Session, found: Sequence[tuple[int, Entry]]) -> dict[int, set[str]]:
    if not found:
        return {}
    if is_postgresql(db):
        among = ", ".join(str(document) for document, _ in found)
        rows = db.execute(
            text(
                f"SELECT id, tsvector_to_array(vector) FROM search_documents WHERE id IN ({among})"
            )
        )
        return {document: set(codes) for document, codes in rows}
    at = {rowid(entry.impact, document): document for document, entry in found}
    among = ", ".join(map(str, at))
    rows = db.execute(
        text(f"SELECT rowid, title, columns, body FROM search_index WHERE rowid IN ({among})")
    )
    return {
        at[number]: {
            *title.split(),
            *(f"+{word}" for word in title.split()),
            *columns.split(),
            *body.split(),
        }
        for number, title, columns, body in rows
    }


def _words(db: Session, words: Counter[str]) -> Wrong:
    """The vocabulary has just the words that documents hold, now and in the past, and their stubs."""
    past = select(
        PastDocumentRow.title,
        PastDocumentRow.columns,
        PastDocumentRow.body,
        PastDocumentRow.description,
    )
    for row in db.execute(past):
        words.update({word for part in Texts(*row).words() for word in part})
    there = {
        word: (number, held, stem)
        for word, number, held, stem in db.execute(
            select(
                SearchWordRow.word, SearchWordRow.id, SearchWordRow.documents, SearchWordRow.stem
            )
        )
    }
    for word in sorted(words.keys() | there.keys()):
        _, held, stem = there.get(word, (0, 0, ""))
        if held != words[word]:
            yield f"word {word}", f"is in {words[word]} documents, and counted in {held}"
        elif stem != vocabulary.family(word):
            yield f"word {word}", f"is of the family {stem}"
    rows = db.execute(select(StubRow.word, StubRow.stub))
    stubs = Counter((number, stub) for number, stub in rows)
    wanted = Counter(
        (number, stub)
        for word, (number, _, _) in there.items()
        for stub in vocabulary.stubs_of(word)
    )
    if stubs != wanted:
        wrong = (stubs - wanted) + (wanted - stubs)
        yield "stubs", f"{len(wrong)} are not as the words have them"


def _counts(db: Session, told: facets.Counts) -> Wrong:
    counts = facets.with_totals(told)
    rows = db.execute(select(FacetCountRow.__table__))
    there = {(scope, facet, value): number for scope, facet, value, number in rows}
    for key in sorted(counts.keys() | there.keys()):
        if counts.get(key, 0) != there.get(key, 0):
            scope, facet, value = key
            yield (
                f"{FACETS[facet]} {value} in scope {scope}",
                f"is in {counts.get(key, 0)} documents, and counted in {there.get(key, 0)}",
            )
