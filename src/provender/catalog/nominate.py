"""Nomination: the documents that hold what is asked for. What knows FTS5 from tsvector.

The index holds whole words as codes, and the values of facets as codes of another alphabet;
which words to look for is decided elsewhere, once for both databases. Documents come in the order
of their impact, a handful of classes of how much they are used and how well kept, then the newest
first: SQLite's rowids are made of both, so that it reads no further than it is asked to.
PostgreSQL has indices of those of high impact; without words `prevalence` says where it looks.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from string import ascii_lowercase, digits
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.orm import Session

from provender.catalog import prevalence, queries
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import UtcDateTime

ALPHABET = digits + ascii_lowercase.rstrip("z")
"""Digits of codes: a code that begins with z is of a facet's value."""
FACET = "z"
DOCUMENT_BITS = 32
LAST = "\U0010ffff"
"""Beyond every letter, in the order of both databases."""
NUMBER_OF_DOCUMENT = (1 << DOCUMENT_BITS) - 1
INSTANTS = ("fresh_until", "from_at", "until_at")
KNOWN = "count(*) OVER () AS known"
"""How many documents of a tier there are."""
KEPT = ("id", "impact", "kind", "project", "domain", "owner", "format", "state", "fresh_until")
"""Columns of documents that facets are counted by."""

Groups = Sequence[Sequence[str]]
"""Codes of which one of each group is looked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """A table of documents and its index."""

    table: str
    index: str


NOW = Place("search_documents", "search_index")
PAST = Place("search_past", "search_past_index")


@dataclass(frozen=True, slots=True)
class Codes:
    """What a document is found by: codes of words by place, and of the values of its facets."""

    title: tuple[str, ...]
    columns: tuple[str, ...]
    body: tuple[str, ...]
    facets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: words, of which ``missing`` may be missing, values of facets, and where."""

    words: Groups
    facets: Sequence[prevalence.Held] = ()
    missing: int = 0
    in_title: bool = False
    shown: str = ""
    """A condition on ``d``, the document."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How many documents were seen to hold what was sought; ``is_all``: there are no more.

    ``is_high``: each of high impact that there is was.
    """

    known: int = 0
    is_all: bool = True
    is_high: bool = True

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            self.known + other.known, self.is_all and other.is_all, self.is_high and other.is_high
        )


@dataclass(frozen=True, slots=True)
class Nominees:
    """Documents that hold what was sought, and how many were seen to."""

    numbers: list[int]
    seen: Seen


def code(number: int) -> str:
    """Return the code of a word."""
    written = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        written = ALPHABET[digit] + written
    return written or ALPHABET[0]


def facet_code(value: int) -> str:
    """Return the code of a facet's value."""
    return FACET + code(value)


def value_of(written: str) -> int:
    """Return the value of a facet by its code."""
    return int(written.removeprefix(FACET), len(ALPHABET))


def add(
    db: Session, place: Place, rows: Sequence[Mapping[str, Any]], codes: Sequence[Codes]
) -> None:
    """Write documents, each a row of ``place``, and what each is found by."""
    if not rows:
        return
    columns = tuple(rows[0])
    if is_postgresql(db):
        vectors = [{**row, "vector": _vector(c)} for row, c in zip(rows, codes, strict=True)]
        db.connection().execute(_insert(place.table, columns, with_vector=True), vectors)
        return
    db.connection().execute(_insert(place.table, columns, with_vector=False), list(rows))
    index(db, place, [(row["id"], row["impact"]) for row in rows], codes)


def index(
    db: Session, place: Place, documents: Sequence[tuple[int, int]], codes: Sequence[Codes]
) -> None:
    """Let documents, each with its impact, be found by ``codes``, in SQLite."""
    db.connection().exec_driver_sql(
        f"INSERT INTO {place.index} (rowid, title, columns, body) VALUES (?, ?, ?, ?)",
        [
            (
                rowid(impact, document),
                " ".join(c.title),
                " ".join(c.columns),
                " ".join((*c.body, *c.facets)),
            )
            for (document, impact), c in zip(documents, codes, strict=True)
        ],
    )


def move(db: Session, document: int, old: int, new: int, codes: Codes) -> None:
    """Let a document that had the impact ``old`` and has ``new`` be found by ``codes``."""
    if is_postgresql(db):
        db.connection().exec_driver_sql(
            "UPDATE search_documents SET impact = %s, vector = %s::tsvector WHERE id = %s",
            (new, _vector(codes), document),
        )
        return
    unindex(db, NOW, [(document, old)])
    db.connection().exec_driver_sql(
        "UPDATE search_documents SET impact = ? WHERE id = ?", (new, document)
    )
    index(db, NOW, [(document, new)], [codes])


def unindex(db: Session, place: Place, documents: Sequence[tuple[int, int]]) -> None:
    """Let documents, each with its impact, be found no more. PostgreSQL's go with their rows."""
    if documents and not is_postgresql(db):
        db.connection().exec_driver_sql(
            f"DELETE FROM {place.index} WHERE rowid = ?",
            [(rowid(impact, document),) for document, impact in documents],
        )


def nominated(db: Session, place: Place, sought: Sought, *, limit: int, upto: int = 0) -> Nominees:
    """Return the documents that hold what is sought: of great impact first, then the newest.

    SQLite, which reads them in this order, looks for ``upto`` of them, if only to count them.
    """
    if not (is_postgresql(db) and _goes_by_impact(place, sought, limit)):
        most = limit if is_postgresql(db) else max(limit, upto)
        found = (_post if is_postgresql(db) else _lite)(place, sought, most)
        numbers = [row[0] for row in _rows(db, f"SELECT d.id {found}", sought)]
        return Nominees(numbers[:limit], Seen(len(numbers), len(numbers) < most))
    found = _high_first(place, sought, limit, ("id", "impact", KNOWN))
    rows = list(_rows(db, f"SELECT id, tier, known {found}", sought))
    known = {tier: number for _, tier, number in rows}
    is_all = prevalence.LOWEST in known or len(rows) < limit
    seen = Seen(sum(known.values()), is_all, is_high=known.get(0, 0) < limit)
    return Nominees([row[0] for row in rows], seen)


def _goes_by_impact(place: Place, sought: Sought, limit: int) -> bool:
    """Whether PostgreSQL is to look at documents of high impact first."""
    return place is NOW and (bool(sought.words) or prevalence.high_first(sought.facets, limit))


def _high_first(place: Place, sought: Sought, limit: int, columns: Sequence[str]) -> str:
    """A tier after the other, as long as those before are not enough: they are not looked at else."""
    listed, tiers, enough = ", ".join(columns), list[str](), list[str]()
    for tier, impact in enumerate(prevalence.TIERS):
        fewer = f"{' + '.join(enough)} < {limit}" if enough else ""
        found = f"SELECT {listed}, {tier} AS tier {_post(place, sought, limit, impact, fewer)}"
        tiers.append(f"tier{tier} AS MATERIALIZED ({found})")
        enough.append(f"(SELECT count(*) FROM tier{tier})")
    every = " UNION ALL ".join(f"SELECT * FROM tier{tier}" for tier in range(len(prevalence.TIERS)))
    return f"FROM (WITH {', '.join(tiers)} {every}) c ORDER BY impact DESC, id DESC LIMIT {limit}"


def is_document(db: Session, place: Place, number: int) -> str:
    """Return the condition that ``d``, found by a facet, is the document with that number."""
    same = f"d.id = {number}"
    if is_postgresql(db):
        return same
    row = f"e.impact << {DOCUMENT_BITS} | e.id FROM {place.table} e WHERE e.id = {number}"
    return f"{same} AND {place.index}.rowid = (SELECT {row})"  # else all with the facet are read


def counts(
    db: Session, place: Place, every: Sequence[Sought], *, most: int, rare: bool = False
) -> list[int]:
    """Return how many documents hold each of what is sought; ``most`` if there are more.

    ``rare``: those of high impact are known to be fewer. What is sought are values of one query,
    for what is shown may take thousands of letters to say.
    """
    asked = [(_number(db, place, sought, most, rare=rare), _match(db, sought)) for sought in every]
    alike: dict[str, dict[str, int]] = defaultdict(dict)
    for number, match in asked:
        alike[number][match] = 0
    for number, totals in alike.items():
        query, given = _counting(db, number, list(totals))
        rows = queries.plain(db, query, given)
        alike[number] = {match: row[0] for match, row in zip(totals, rows, strict=True)}
    return [alike[number][match] for number, match in asked]


def count_ahead(
    db: Session, place: Place, sought: Sought, *, most: int, rare: bool
) -> AbstractContextManager[queries.Answer]:
    """Let one of `counts` be counted meanwhile: what answers gives one row."""
    number = _number(db, place, sought, most, rare=rare)
    query, given = _counting(db, number, [_match(db, sought)])
    return queries.ahead(db, query, given)


def _number(db: Session, place: Place, sought: Sought, most: int, *, rare: bool) -> str:
    """How many documents match ``a.match``, up to ``most``.

    PostgreSQL gathers all of them before it counts the first: where those of high impact are
    enough, the others are left alone.
    """
    every = f"(SELECT count(*) FROM (SELECT 1 {_from(db, place, sought, most)}) c)"
    if rare or not (is_postgresql(db) and _goes_by_impact(place, sought, most)):
        return every
    used = replace(sought, shown=_condition(sought, prevalence.OF_HIGH_IMPACT))
    high = f"(SELECT count(*) FROM (SELECT 1 {_from(db, place, used, most)}) c)"
    return f"CASE WHEN {high} >= {most} THEN {most} ELSE {every} END"


def _counting(db: Session, number: str, matches: list[str]) -> tuple[str, tuple[Any]]:
    """The query of what ``number`` is for each of ``matches``, in their order."""
    given: Any = matches
    asked = "unnest(%s::text[]) WITH ORDINALITY a (match, at)"
    if not is_postgresql(db):
        given, asked = json.dumps(matches), "(SELECT key AS at, value AS match FROM json_each(?)) a"
    elif len(matches) == 1:  # planned once, where it does not know how many there are
        given, asked = matches[0], "(SELECT %s::text AS match, 1 AS at) a"
    return f"SELECT {number} FROM {asked} ORDER BY a.at", (given,)


def grouped(
    db: Session, place: Place, sought: Sought, selects: Sequence[str], *, most: int
) -> list[tuple[int, Any, int]]:
    """Return what ``selects`` count over the first ``most`` documents found, which they call ``m``."""
    listed = ", ".join(f"d.{column}" for column in KEPT)
    if not is_postgresql(db):
        found = f"SELECT {listed} {_lite(place, sought, most)}"
    elif _goes_by_impact(place, sought, most):
        found = f"SELECT * {_high_first(place, sought, most, KEPT)}"
    else:
        found = f"SELECT {listed} {_post(place, sought, most)}"
    query = f"WITH m AS MATERIALIZED ({found}) {' UNION ALL '.join(selects)}"
    return [(row[0], row[1], row[2]) for row in _rows(db, query, sought)]


def facet_values(db: Session, place: Place, sought: Sought, *, most: int) -> Counter[int]:
    """Return how many of the first ``most`` documents found have each value of any facet."""
    if is_postgresql(db):
        body = f"SELECT d.vector {_post(place, sought, most)}"
        query = (
            f"SELECT word, count(*) FROM ({body}) m, unnest(tsvector_to_array(m.vector)) word "
            f"WHERE left(word, 1) = '{FACET}' GROUP BY word"
        )
        return Counter({value_of(row[0]): int(row[1]) for row in _rows(db, query, sought)})
    number = f"(d.impact << {DOCUMENT_BITS} | d.id)"
    held = f"SELECT (SELECT i.body FROM {place.index} i WHERE i.rowid = {number})"
    bodies = (row[0].split() for row in _rows(db, f"{held} {_lite(place, sought, most)}", sought))
    return Counter(value_of(code) for body in bodies for code in body if code.startswith(FACET))


def instant(db: Session, at: datetime) -> str:
    """Return an instant as the database's SQL has it."""
    written = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"'{written}'::timestamptz" if is_postgresql(db) else f"'{written}'"


def rowid(impact: int, document: int) -> int:
    """Return the number under which SQLite's index has a document."""
    return impact << DOCUMENT_BITS | document


@cache
def _insert(table: str, columns: tuple[str, ...], *, with_vector: bool) -> TextClause:
    names = [*columns, "vector"] if with_vector else columns
    marks = [f":{column}" for column in columns]
    if with_vector:
        marks.append("CAST(:vector AS tsvector)")
    statement = text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(marks)})")
    instants = [bindparam(name, type_=UtcDateTime) for name in INSTANTS if name in columns]
    return statement.bindparams(*instants)


def _rows(db: Session, query: str, sought: Sought) -> Iterable[Any]:
    """What ``query`` selects; each of its marks stands for what is sought."""
    match = _match(db, sought)
    matches = (match,) * query.count("%s" if is_postgresql(db) else "?") if match else ()
    return queries.plain(db, query, matches)


def _from(db: Session, place: Place, sought: Sought, limit: int) -> str:
    """The documents in no order, that match ``a.match``: for counting."""
    if is_postgresql(db) and not sought.words:  # in order they are the sooner enough
        return _post(place, sought, limit)
    if is_postgresql(db):
        where = _condition(sought, "d.vector @@ a.match::tsquery")
        return f"FROM {place.table} d WHERE {where} LIMIT {limit}"
    return _lite(place, sought, limit, match="a.match", in_order=False)


def _lite(
    place: Place, sought: Sought, limit: int, *, match: str = "?", in_order: bool = True
) -> str:
    if not (sought.words or sought.facets):
        order = "ORDER BY d.impact DESC, d.id DESC " if in_order else ""
        return f"FROM {place.table} d WHERE {_condition(sought)} {order}LIMIT {limit}"
    order = f"ORDER BY {place.index}.rowid DESC " if in_order else ""
    return (
        f"FROM {place.index} CROSS JOIN {place.table} d "
        f"ON d.id = ({place.index}.rowid & {NUMBER_OF_DOCUMENT}) "
        f"WHERE {_condition(sought, f'{place.index} MATCH {match}')} {order}LIMIT {limit}"
    )


def _post(place: Place, sought: Sought, limit: int, *further: str) -> str:
    """PostgreSQL takes words that few have to be in many: it is not to go by impact for them."""
    if sought.words:
        fits, impact = "d.vector @@ %s::tsquery", prevalence.SORTED
    else:
        fits, impact = prevalence.looked_for(sought.facets, limit=limit, counted=place is NOW)
    where = _condition(sought, fits, *further)
    return f"FROM {place.table} d WHERE {where} ORDER BY {impact} DESC, d.id DESC LIMIT {limit}"


def _condition(sought: Sought, *further: str) -> str:
    """What is asked of each document; beside words, to have values that most documents have."""
    read = [one.column for one in sought.facets if sought.words and prevalence.is_read(one)]
    return " AND ".join(f"({one})" for one in (*further, *read, sought.shown) if one) or "1 = 1"


def _match(db: Session, sought: Sought) -> str:
    """What the index is asked, in the language of the database; empty: everything."""
    held = [one for one in sought.facets if not (sought.words and prevalence.is_read(one))]
    if is_postgresql(db):
        mark = "'+{}'" if sought.in_title else "'{}'"
        asked = _any(sought, mark.format, " & ", " | ")
        facets = map(prevalence.either, held)
        return " & ".join(f"({part})" for part in (asked, *facets) if part)
    asked = _any(sought, str, " AND ", " OR ")
    if asked and sought.in_title:
        asked = f"title : ({asked})"
    return " AND ".join(
        f"({part})" for part in (asked, *(" OR ".join(one.codes) for one in held)) if part
    )


def _any(sought: Sought, mark: Any, both: str, either: str) -> str:
    """The words, in the database's language: any of so many groups as must not be missing."""
    groups = [f"({either.join(mark(word) for word in group)})" for group in sought.words]
    return queries.at_least(max(1, len(groups) - sought.missing), groups, both, either)


def _vector(codes: Codes) -> str:
    """A vector without positions: every word, those of the name once more with a plus, facets."""
    every = (*codes.title, *codes.columns, *codes.body, *codes.facets)
    return " ".join((*every, *(f"+{word}" for word in codes.title)))
