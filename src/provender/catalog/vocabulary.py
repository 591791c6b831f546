"""The words that documents hold, each with its code, its root and its stubs: the same on both databases.

A word is there while a document, of now or of the past, holds it. What a word asked for is read as
is decided here: itself, words of its family, synonyms, words that begin so, words a slip away.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import snowballstemmer
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from provender.catalog import naming, queries
from provender.catalog.nominate import LAST, code
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import SearchWordRow, StubRow, SynonymRow
from provender.core.glossary import Term
from provender.core.ranking import How
from provender.core.words import (
    EXACT_FROM,
    distance,
    further_stubs,
    inflected,
    is_likely,
    root,
    slips_allowed,
    stubs,
)
from provender.core.words import words as split

COUNTER = "word"
PORTION = 500
MOST_FAMILY = 40
MOST_BEGINNINGS = 12
MOST_SLIPS = 6
TRIED = 48
"""Words that are asked for at once, whether something that may be seen holds them."""
MOST_TRIED = 960
"""Words that are asked for, nearest first; those after them are not guessed."""
SHORTEST_BEGINNING = 3
LONGEST_WITH_STUBS = 32
OF_ROOTS = "SELECT word, id, stem FROM search_words WHERE stem IN ({})"
AND_SYNONYMS = (
    "SELECT word, id, stem FROM search_words WHERE stem IN ({}) "
    "UNION ALL SELECT word, NULL, means FROM synonyms WHERE word IN ({})"
)

_english = snowballstemmer.stemmer("english")

Reading = tuple[str, How]
"""The code of a word, and how another one was read as it."""
Read = dict[str, Reading]
"""A word's readings."""
Shown = Callable[[Read], Read]
"""Leaves of readings those that something holds which may be seen, in their order."""


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Return the stem of an English word; of others, something like it."""
    found: str = _english.stemWord(word)
    return found


@lru_cache(maxsize=100_000)
def family(word: str) -> str:
    """Return what words of one family share; a number is a family of its own."""
    return word if any(letter.isdigit() for letter in word) else root(stem(word))


def learned(db: Session, words: Iterable[str]) -> dict[str, int]:
    """Return the number of each word; those that are new get one, and no document yet."""
    wanted = sorted(set(words))
    found = known(db, wanted)
    new = [word for word in wanted if word not in found]
    if not new:
        return found
    given = {word: number for number, word in enumerate(new, naming.take(db, COUNTER, len(new)))}
    connection = db.connection()  # not the session, which takes ten times as long for so many
    connection.execute(
        insert(SearchWordRow),
        [{"id": n, "word": w, "stem": family(w), "documents": 0} for w, n in given.items()],
    )
    shortened = [{"stub": stub, "word": n} for w, n in given.items() for stub in stubs_of(w)]
    if shortened:
        connection.execute(insert(StubRow), shortened)
    return found | given


def known(db: Session, words: Collection[str]) -> dict[str, int]:
    """Return the numbers of those of ``words`` that some document holds."""
    found: dict[str, int] = {}
    for portion in _portions(sorted(words)):
        wanted = select(SearchWordRow.word, SearchWordRow.id).where(SearchWordRow.word.in_(portion))
        found |= dict(db.execute(wanted).all())
    return found


def stubs_of(word: str) -> list[str]:
    """Return the stubs that a word is found by when it is misspelt."""
    if not EXACT_FROM <= len(word) <= LONGEST_WITH_STUBS or word.isdigit():
        return []
    return sorted(stubs(word))


def count(db: Session, changes: Mapping[int, int]) -> None:
    """Let words be held by so many documents more, or fewer; forget those that none holds."""
    moved = sorted((word, by) for word, by in changes.items() if by)
    if not moved:
        return
    connection = db.connection()
    if is_postgresql(db):
        connection.exec_driver_sql(
            "UPDATE search_words SET documents = documents + d.more "
            "FROM unnest(%s::int[], %s::int[]) AS d (word, more) WHERE search_words.id = d.word",
            ([word for word, _ in moved], [by for _, by in moved]),
        )
    else:
        connection.exec_driver_sql(
            "UPDATE search_words SET documents = documents + ? WHERE id = ?",
            [(by, word) for word, by in moved],
        )
    fewer = [word for word, by in moved if by < 0]
    for portion in _portions(fewer):
        none = select(SearchWordRow.id).where(
            SearchWordRow.id.in_(portion), SearchWordRow.documents <= 0
        )
        gone = list(db.scalars(none))
        if gone:
            db.execute(delete(StubRow).where(StubRow.word.in_(gone)))
            db.execute(delete(SearchWordRow).where(SearchWordRow.id.in_(gone)))


def read(db: Session, asked: Sequence[str]) -> dict[str, Read]:
    """Return what each word means if it is spelt right: itself, words of its family, synonyms."""
    found: dict[str, Read] = {word: {} for word in asked}
    meant: dict[str, list[str]] = defaultdict(list)
    by_root: dict[str, list[tuple[str, int]]] = defaultdict(list)
    roots = {family(word) for word in asked}
    for word, number, other in (
        queries.rows(db, AND_SYNONYMS, sorted(roots), asked) if asked else ()
    ):
        if number is None:
            meant[word].append(other)
        else:
            by_root[other].append((word, number))
    further = {family(other) for means in meant.values() for other in means} - roots
    for word, number, its_root in queries.rows(db, OF_ROOTS, sorted(further)) if further else ():
        by_root[its_root].append((word, number))
    for word in asked:
        read_as: Read = {}
        for other, number in by_root[family(word)]:
            read_as[other] = code(number), _how(word, other)
        for meaning in meant.get(word, ()):
            for other, number in by_root[family(meaning)]:
                if _how(meaning, other) is not How.FAMILY:
                    read_as.setdefault(other, (code(number), How.SYNONYM))
        nearest = sorted(read_as.items(), key=lambda one: (one[1][1], len(one[0]), one[0]))
        found[word] = dict(nearest[:MOST_FAMILY])
    return found


def beginnings(db: Session, word: str, *, most: int) -> list[tuple[str, Reading]]:
    """Return the first ``most`` words that begin with ``word``, the shortest first."""
    if len(word) < SHORTEST_BEGINNING:
        return []
    wanted = (
        select(SearchWordRow.word, SearchWordRow.id)
        .where(SearchWordRow.word > word, SearchWordRow.word < word + LAST)
        .order_by(func.length(SearchWordRow.word), SearchWordRow.word)
    )
    rows = db.execute(wanted.limit(most)).all()
    return [(other, (code(number), How.BEGINNING)) for other, number in rows]


def slips(db: Session, word: str, shown: Shown) -> Read:
    """Return the words, of those ``shown``, that ``word`` may be a misspelling of, the nearest first.

    One slip away from it or from another form of it; if nothing is, two slips away. Where one
    that a finger makes explains it, others do not.
    """
    most = 0 if word.isdigit() else slips_allowed(word)
    for allowed in range(1, most + 1):
        near = _near(db, word) if allowed == 1 else _further(db, word)
        rated: dict[str, tuple[float, How]] = {}
        for form, more in ((word, 0.0), *((other, 0.5) for other in inflected(word))):
            for other in near.keys() - {word}:
                apart = distance(form, other, most=allowed)
                rating = apart + more, _slip(form, other, apart)
                if apart <= allowed and rating < rated.get(other, (most + 1, How.EXACT)):
                    rated[other] = rating
        order = sorted(rated, key=lambda w: (rated[w][1], rated[w][0], w[:1] != word[:1], w))
        read = [(other, (code(near[other]), rated[other][1])) for other in order[:MOST_TRIED]]
        for _, alike in groupby(read, key=lambda one: one[1][1]):
            found = first_shown(list(alike), shown, most=MOST_SLIPS)
            if found:
                return found
    return {}


def first_shown(read: Sequence[tuple[str, Reading]], shown: Shown, *, most: int) -> Read:
    """Return the first of the readings that are shown, asked for in portions until enough are."""
    found: Read = {}
    for start in range(0, len(read), TRIED):
        found |= shown(dict(read[start : start + TRIED]))
        if len(found) >= most:
            break
    return dict(list(found.items())[:most])


def _slip(form: str, other: str, apart: int) -> How:
    if apart > 1:
        return How.TWO_SLIPS
    return How.SLIP if not apart or is_likely(form, other) else How.ODD_SLIP


def _near(db: Session, word: str) -> dict[str, int]:
    """Words that have a stub in common with ``word`` or another form of it."""
    forms = (word, *inflected(word))
    return _sharing(db, sorted({stub for form in forms for stub in stubs(form)}))


def _further(db: Session, word: str) -> dict[str, int]:
    """Words that may be two slips away: by stubs, or because their beginning is whole."""
    found = _sharing(db, sorted(further_stubs(word)))
    begins = word[: max(SHORTEST_BEGINNING - 1, len(word) // 3)]
    length = func.length(SearchWordRow.word)
    wanted = select(SearchWordRow.word, SearchWordRow.id).where(
        SearchWordRow.word >= begins,
        SearchWordRow.word < begins + LAST,
        length.between(len(word) - 2, len(word) + 2),
    )
    return found | dict(db.execute(wanted).all())


def _sharing(db: Session, shortened: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for portion in _portions(shortened):
        wanted = (
            select(SearchWordRow.word, SearchWordRow.id)
            .join(StubRow, StubRow.word == SearchWordRow.id)
            .where(StubRow.stub.in_(portion))
        )
        found |= dict(db.execute(wanted).all())
    return found


def _how(word: str, other: str) -> How:
    if word == other:
        return How.EXACT
    return How.STEM if stem(word) == stem(other) else How.FAMILY


def _portions(values: Sequence[str] | Sequence[int]) -> Iterator[Sequence]:  # type: ignore[type-arg]
    for start in range(0, len(values), PORTION):
        yield values[start : start + PORTION]


def held(every: Iterable[Collection[int]], by: int, into: Counter[int]) -> None:
    """Count into ``into`` the words of documents that are there now (1) or no more (-1)."""
    for words in every:
        for word in words:
            into[word] += by


def learn_synonyms(db: Session, terms: Iterable[Term]) -> None:
    """Let the words of synonyms be read as those of their terms, and the other way round."""
    rows = {row for term in terms for row in _alike(term)}
    if rows:
        db.execute(
            insert(SynonymRow),
            [{"word": w, "means": m, "term": term} for w, m, term in sorted(rows)],
        )


def _alike(term: Term) -> Iterator[tuple[str, str, str]]:
    """Words for words: what takes several to say is found by what has the term."""
    single = [said[0] for said in map(split, (term.name, *term.synonyms)) if len(said) == 1]
    for one in single:
        yield from ((one, other, term.name) for other in single if other != one)
