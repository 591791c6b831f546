"""What is written into the search index, in the transaction that changes what is found.

`put` says what is found of a node now, `touch` what ranks it and has no words; `settle` and
`settle_all` who may see it. What a document said before is kept, for questions as of then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.orm import Session

from provender.catalog import (
    bygone,
    epoch,
    facets,
    findable,
    naming,
    nodes,
    nominate,
    scopes,
    vocabulary,
)
from provender.catalog.bygone import NOWHERE_ELSE, Rested
from provender.catalog.changes import Change
from provender.catalog.facets import STATES
from provender.catalog.indexed import Entry, entry_of, impact_of, stored
from provender.catalog.nominate import NOW
from provender.catalog.rows import (
    DatasetRow,
    DatasetTermRow,
    FacetValueRow,
    NodeRow,
    OwnerRow,
    RepoRow,
    RestsOnRow,
    SearchDocumentRow,
    SearchTagRow,
    SearchTextRow,
    SynonymRow,
    TermRow,
)
from provender.core.documents import Document
from provender.core.lineage import Node

BATCH = 500


@dataclass(slots=True)
class _Sums:
    """By how much counters move; written once, at the end."""

    words: Counter[int] = field(default_factory=Counter)
    values: facets.Counts = field(default_factory=Counter)

    def add(self, entry: Entry, numbers: Mapping[str, int], by: int) -> None:
        vocabulary.held([[numbers[word] for word in entry.words()]], by, self.words)
        self.count(entry, by)

    def count(self, entry: Entry, by: int) -> None:
        for key in entry.counts:
            self.values[key] += by

    def write(self, db: Session) -> None:
        vocabulary.count(db, self.words)
        facets.count(db, self.values)


def put(db: Session, change: Change, node: Node, documents: Iterable[Document]) -> None:
    """Let ``documents`` be what is found of ``node``, in place of what was: one, or none."""
    listed = list(documents)
    sums = _Sums()
    if listed:
        _put(db, listed, at=change.at, sums=sums)
    else:
        number = nodes.known(db, [node]).get(node)
        _remove(db, _ids(db, [] if number is None else [number]), at=change.at, sums=sums)
    sums.write(db)


def put_project(
    db: Session,
    change: Change,
    project: str,
    documents: Iterable[Document],
    *,
    rested: Rested = NOWHERE_ELSE,
) -> None:
    """Let ``documents`` be what is found of a project's definitions, in place of what was.

    What nodes ``rested`` on until now decides who may see what is found of them as of then.
    """
    listed = list(documents)
    sums = _Sums()
    _put(db, listed, at=change.at, sums=sums, rested=rested)
    kept = set(nodes.known(db, (document.node for document in listed)).values())
    value = facets.known(db, [(facets.PROJECT, project)]).get((facets.PROJECT, project))
    there = select(SearchDocumentRow.id, SearchDocumentRow.node).where(
        SearchDocumentRow.project == value
    )
    gone = {} if value is None else {n: d for d, n in db.execute(there) if n not in kept}
    _remove(db, sorted(gone.values()), at=change.at, sums=sums)
    sums.write(db)


def put_all(db: Session, documents: Iterable[Document], *, at: datetime) -> int:
    """Let all of ``documents`` be found, many at a time; return how many there were."""
    waiting, number, sums = iter(documents), 0, _Sums()
    while batch := list(islice(waiting, BATCH)):
        _put(db, batch, at=at, sums=sums)
        number += len(batch)
    sums.write(db)
    return number


def touch(
    db: Session,
    node: Node,
    *,
    fresh_until: datetime | None = None,
    used: int | None = None,
    checked: int | None = None,
) -> None:
    """Say what ranks ``node`` and has no words: publishing again changes this and nothing else.

    What is not given stays as it is; ``used`` is how many consume it now.
    """
    told: dict[str, Any] = {"fresh_until": fresh_until, "used": used, "checked": checked}
    found = db.execute(_of_node(node)).first()
    there = found._asdict() if found else {}
    news = {name: value for name, value in told.items() if value not in (None, there.get(name))}
    if not (there and news):
        return
    if news.keys() == {"fresh_until"}:
        _date_anew(db, there, news["fresh_until"])
        return
    for document, _, old in stored(db, [there["id"]]):
        row = {**old.row, **news}
        new = Entry({**row, "impact": _impact(row)}, old.texts, old.values)
        sums = _Sums()
        _rank(db, document, old, new, sums)
        sums.write(db)


def settle(db: Session, datasets: Iterable[DatasetRow]) -> None:
    """Let what rests on ``datasets`` be seen by those who may see these, as they are now."""
    policy = epoch.policy(db)
    listed = list(datasets)
    keys = {
        row.id: scopes.GONE if row.withdrawn_at else scopes.key_of(row.value, policy)
        for row in listed
    }
    numbers = scopes.ensured(db, set(keys.values()))
    moved = [row for row in listed if row.scope != numbers[keys[row.id]]]
    for row in moved:
        row.scope = numbers[keys[row.id]]
    db.flush()
    for start in range(0, len(moved), BATCH):
        portion = [row.id for row in moved[start : start + BATCH]]
        resting = select(RestsOnRow.node).where(RestsOnRow.dataset.in_(portion)).distinct()
        _move(db, db.scalars(resting).all())


def settle_all(db: Session) -> None:
    """Let everything be seen by those who may, after rules or protected tags have changed."""
    every = db.scalars(select(DatasetRow.id).order_by(DatasetRow.id)).all()
    for start in range(0, len(every), BATCH):
        portion = every[start : start + BATCH]
        settle(db, db.scalars(select(DatasetRow).where(DatasetRow.id.in_(portion))).all())


def learn_terms(db: Session, change: Change, terms: Iterable[str]) -> None:
    """Let synonyms be read as the glossary says now, and what has the terms be found by them."""
    names = sorted(set(terms))
    db.execute(delete(SynonymRow).where(SynonymRow.term.in_(names)))
    known = db.scalars(select(TermRow.value).where(TermRow.name.in_(names))).all()
    vocabulary.learn_synonyms(db, known)
    holding = select(DatasetTermRow.dataset).where(DatasetTermRow.term.in_(names)).distinct()
    refresh(db, change, db.scalars(holding).all())


def rename_people(db: Session, change: Change, people: Iterable[str]) -> None:
    """Let what ``people`` own be found by the names they have now."""
    ids = sorted(set(people))
    owned = select(OwnerRow.dataset).where(OwnerRow.actor.in_(ids)).distinct()
    refresh(db, change, db.scalars(owned).all())
    known = facets.known(db, [(facets.OWNER, who) for who in ids])
    wanted = (
        select(FacetValueRow.value)
        .join(SearchDocumentRow, SearchDocumentRow.project == FacetValueRow.id)
        .where(SearchDocumentRow.owner.in_(known.values()))
        .distinct()
    )
    for project in db.scalars(wanted).all():
        last = select(RepoRow).where(RepoRow.project == project).order_by(RepoRow.number.desc())
        row = db.scalars(last.limit(1)).one()
        put_project(db, change, project, findable.of_repo(db, row.value))


def refresh(db: Session, change: Change, datasets: Sequence[int]) -> None:
    """Let datasets be found by what is known of them now."""
    for start in range(0, len(datasets), BATCH):
        portion = datasets[start : start + BATCH]
        rows = db.scalars(select(DatasetRow).where(DatasetRow.id.in_(portion))).all()
        put_all(db, findable.of_datasets(db, rows), at=change.at)


def _of_node(node: Node) -> Select[*tuple[Any, ...]]:
    """What ranks the document of ``node`` now."""
    document = SearchDocumentRow
    columns = (document.id, document.scope, document.fresh_until)
    return (
        select(*columns, document.used, document.checked)
        .join(NodeRow, NodeRow.id == document.node)
        .where(NodeRow.kind == node.kind.value, NodeRow.name == node.name)
        .where(NodeRow.column_name == "")
    )


def _date_anew(db: Session, there: Mapping[str, Any], fresh_until: datetime) -> None:
    """Let a document be fresh until then: what a publication changes, and nothing else."""
    row = update(SearchDocumentRow).where(SearchDocumentRow.id == there["id"])
    db.execute(row.values(fresh_until=fresh_until).execution_options(synchronize_session=False))
    counts: facets.Counts = Counter()
    for instant, by in ((there["fresh_until"], -1), (fresh_until, 1)):
        if instant is not None:
            counts[there["scope"], facets.FRESHNESS, facets.hour_of(instant)] += by
    facets.count(db, counts)


def _put(
    db: Session,
    documents: Sequence[Document],
    *,
    at: datetime,
    sums: _Sums,
    rested: Rested = NOWHERE_ELSE,
) -> None:
    """Write documents: nothing where nothing changed, what ranks them where only that did."""
    numbers = nodes.ensured(db, (document.node for document in documents))
    placed = scopes.of_nodes(db, set(numbers.values()))
    values = facets.ensured(db, {v for document in documents for v in facets.said_of(document)})
    new: dict[int, Entry] = {}
    for document in documents:
        node = numbers[document.node]
        new[node] = entry_of(document, node, placed[node], values)
    gone: list[int] = []
    added: list[tuple[int | None, Entry]] = []
    for document_id, since, old in stored(db, _ids(db, sorted(new))):
        entry = new.pop(old.row["node"])
        if entry.says_the_same(old):
            _rank(db, document_id, old, entry, sums)
        else:
            gone.append(document_id)
            added.append((document_id, entry))
            _keep(db, document_id, since, old, at=at, sums=sums, rested=rested)
    _erase(db, gone, sums)
    added += [(None, entry) for entry in new.values()]
    _add(db, added, at=at, sums=sums)


def _add(
    db: Session, entries: Sequence[tuple[int | None, Entry]], *, at: datetime, sums: _Sums
) -> None:
    if not entries:
        return
    unnumbered = sum(number is None for number, _ in entries)
    fresh = iter(range(first := naming.take(db, "document", unnumbered), first + unnumbered))
    numbered = [(next(fresh) if n is None else n, entry) for n, entry in entries]
    numbers = vocabulary.learned(db, {word for _, entry in numbered for word in entry.words()})
    rows = [{"id": n, **entry.row, "from_at": at} for n, entry in numbered]
    nominate.add(db, NOW, rows, [entry.codes(numbers) for _, entry in numbered])
    connection = db.connection()  # not the session, which takes much longer for many
    connection.execute(
        insert(SearchTextRow),
        [{"document": n, **entry.text_columns} for n, entry in numbered],
    )
    tags = [{"tag": tag, "document": n} for n, entry in numbered for tag in entry.values.tags]
    if tags:
        connection.execute(insert(SearchTagRow), tags)
    for _, entry in numbered:
        sums.add(entry, numbers, 1)


def _remove(db: Session, documents: Sequence[int], *, at: datetime, sums: _Sums) -> None:
    for document, since, old in stored(db, documents):
        _keep(db, document, since, old, at=at, sums=sums)
    _erase(db, documents, sums)


def _erase(db: Session, documents: Sequence[int], sums: _Sums) -> None:
    for document, _, old in stored(db, documents):
        nominate.unindex(db, NOW, [(document, old.impact)])
        sums.add(old, vocabulary.known(db, old.words()), -1)
    for start in range(0, len(documents), BATCH):
        portion = documents[start : start + BATCH]
        db.execute(delete(SearchTagRow).where(SearchTagRow.document.in_(portion)))
        db.execute(delete(SearchTextRow).where(SearchTextRow.document.in_(portion)))
        db.execute(delete(SearchDocumentRow).where(SearchDocumentRow.id.in_(portion)))


def _keep(
    db: Session,
    document: int,
    since: datetime,
    old: Entry,
    *,
    at: datetime,
    sums: _Sums,
    rested: Rested = NOWHERE_ELSE,
) -> None:
    words_of = bygone.keep(db, document, since, old, at=at, rested=rested)
    vocabulary.held([words_of], 1, sums.words)


def _rank(db: Session, document: int, old: Entry, new: Entry, sums: _Sums) -> None:
    """Let a document that says what it said be ranked, counted and seen as ``new``."""
    changed = {name: value for name, value in new.row.items() if value != old.row[name]}
    if not changed:
        return
    sums.count(old, -1)
    sums.count(new, 1)
    moved = new.impact != old.impact or new.is_found_by != old.is_found_by
    changed.pop("impact", None)
    if changed:
        row = update(SearchDocumentRow).where(SearchDocumentRow.id == document)
        db.execute(row.values(**changed).execution_options(synchronize_session=False))
    if moved:
        codes = new.codes(vocabulary.known(db, new.words()))
        nominate.move(db, document, old.impact, new.impact, codes)


def _move(db: Session, numbers: Sequence[int]) -> None:
    """Put the documents of nodes into the scopes that these have now."""
    placed = scopes.of_nodes(db, numbers)
    sums = _Sums()
    for document, _, old in stored(db, _ids(db, numbers)):
        scope = placed[old.row["node"]]
        _rank(db, document, old, Entry({**old.row, "scope": scope}, old.texts, old.values), sums)
    sums.write(db)


def _ids(db: Session, numbers: Sequence[int]) -> list[int]:
    """The documents of nodes, in the order of their numbers."""
    found: list[int] = []
    for start in range(0, len(numbers), BATCH):
        portion = numbers[start : start + BATCH]
        wanted = select(SearchDocumentRow.id).where(SearchDocumentRow.node.in_(portion))
        found += db.scalars(wanted)
    return sorted(found)


def _impact(row: Mapping[str, Any]) -> int:
    return impact_of(
        row["name"].replace("/", ".").rpartition(".")[2],
        used=row["used"],
        described=row["described"],
        owned=bool(row["owner"]),
        checked=row["checked"],
        state=STATES[row["state"]],
    )
