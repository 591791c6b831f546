"""What fits a question: its words are read, documents nominated, the nominated ranked.

The vocabulary says what words mean, the index which documents hold them, `core.ranking` which is
best; here they are put together, the same for both databases. Only what the actor may discover is
counted, corrected to, suggested or found, so that what is hidden and what is not there look alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import candidates, epoch, facets, hindsight, naming, nodes, past, vocabulary
from provender.catalog.facets import STATE, STATES
from provender.catalog.narrowing import Narrowing, narrowing
from provender.catalog.nominate import Sought, code, facet_code
from provender.catalog.past import Number, View
from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.catalog.vocabulary import Read
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.ranking import (
    TELLING,
    Asked,
    AskedWord,
    Closeness,
    How,
    Rated,
    in_words,
    parts,
    rank,
    telling,
)
from provender.core.words import asked_words, legible, pieces, run_together

MOST_LETTERS = 400
"""Of a question; what is behind them is not read."""
MOST_WORDS = 12
MOST_TERMS = 6
NOMINATED = 200
"""Documents of each kind of nomination."""
ENOUGH = 50
"""Nominees from which on words that are missing are not tried."""
NAMED = 50
BEGUN = 20
TELLING_UP_TO = TELLING[-1][0] + 1
KEPT_FACETS = tuple(facet for facet in FACETS if facet != "freshness")
"""What is known of documents as of an instant."""
HALVES_FROM = 3
"""Letters of each half of two words that were written as one."""


@dataclass(slots=True)
class _Reading:
    """What the words of a question were read as; ``unread``: nothing visible holds any of it."""

    text: str = ""
    terms: list[AskedWord] = field(default_factory=list)
    codes: list[list[str]] = field(default_factory=list)
    read_as: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True, slots=True)
class _Nominated:
    """Documents, and the loosest thing that was sought to find them."""

    numbers: list[Number]
    sought: Sought
    is_complete: bool


def search(
    db: Session, who: Actor, question: Question, *, limit: int, first: int = 0, now: datetime
) -> Found:
    """Return the hits from the one numbered ``first`` on, best first.

    Raises:
        NotFound: there is nothing like it to narrow by, or no such type.
        InvalidInput: nobody can say what was found at that time.
    """
    moment = question.as_of or now
    past.check(db, question, now=now)
    narrowed = narrowing(db, question.filters, now=moment)
    text = legible(question.text[:MOST_LETTERS])
    if narrowed is None or not (text or question.filters):
        counts = counted(db, who, question, now=now) if question.facets else {}
        return Found(hits=(), total=0, facets=counts)
    view = _view(db, who, question, now=now)
    reading = _read(db, view, text, typing=question.typing)
    asked, found = _find(db, view, reading, narrowed, typing=question.typing)
    fetched = candidates.fetch(db, found.numbers, as_of=question.as_of)
    rated = rank(fetched, asked, now=moment)
    if narrowed.parts:
        rated = [one for one in rated if _is_or_has(one, asked, narrowed)]
    shown = rated[first : first + limit]
    total, more = _total(db, view, found, rated, narrowed)
    missing = len(asked.terms) - len(rated[0].held) if rated else 0
    return Found(
        hits=_hits(db, shown, asked, explain=question.explain, now=moment),
        total=total,
        approximate=more,
        missing=missing + reading.unread if rated else 0,
        read_as=reading.read_as,
        facets=_counted(db, view, question, reading, found, now=moment) if question.facets else {},
        next=str(first + limit) if len(rated) > first + limit else None,
    )


def counted(
    db: Session, who: Actor, question: Question, *, now: datetime
) -> dict[str, tuple[FacetValue, ...]]:
    """Return how many documents that fit the question have each value of each facet.

    Each facet is counted without what the question asks of it: what else could be chosen.

    Raises:
        NotFound, InvalidInput: as `search`.
    """
    text = legible(question.text[:MOST_LETTERS])
    past.check(db, question, now=now)
    narrowing(db, question.filters, now=now)
    if not text and not question.filters and question.as_of is None:
        visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
        besides = past.opened_documents(db, visible)
        return facets.browse(db, visible, besides, now=now)
    view = _view(db, who, question, now=now)
    reading = _read(db, view, text, typing=question.typing)
    return _counted(db, view, question, reading, None, now=question.as_of or now)


def _counted(
    db: Session,
    view: View,
    question: Question,
    reading: _Reading,
    whole: _Nominated | None,
    *,
    now: datetime,
) -> dict[str, tuple[FacetValue, ...]]:
    """The counts beside a question that was read; ``whole``: what was nominated for all of it."""
    found: dict[str, tuple[FacetValue, ...]] = {}
    kept = FACETS if question.as_of is None else KEPT_FACETS
    free = [facet for facet in kept if facet not in question.filters]
    for group in (free, *([facet] for facet in question.filters)):
        filters = {name: v for name, v in question.filters.items() if name not in group}
        narrowed = narrowing(db, filters, now=now)
        if narrowed is None or (reading.text and not reading.codes):
            continue
        narrow = view.narrowed(narrowed.condition)
        sought = Sought((), narrowed.groups)
        if reading.text:
            nominated = whole if whole is not None and group is free else None
            sought = (nominated or _nominate(db, narrow, reading.codes, narrowed)).sought
        numbers = [FACETS.index(facet) for facet in group]
        found |= facets.over(db, narrow, sought, numbers, now=now)
    return {facet: found[facet] for facet in FACETS if facet in found}


def _view(db: Session, who: Actor, question: Question, *, now: datetime) -> View:
    visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    if question.as_of is None:
        return past.view(db, visible, as_of=None)
    gone = hindsight.withdrawn(db, who, now=now)
    return past.view(db, visible, as_of=question.as_of, withdrawn=gone)


def _find(
    db: Session, view: View, reading: _Reading, narrowed: Narrowing, *, typing: bool
) -> tuple[Asked, _Nominated]:
    """Nominate what holds the words that were read, and what is called so.

    What narrows the search does not change what its words mean.
    """
    narrow, text = view.narrowed(narrowed.condition), reading.text
    if not text:
        sought = Sought((), narrowed.groups)
        numbers = narrow.nominated(db, sought, limit=2 * NOMINATED)
        return Asked.of("", ()), _Nominated(numbers, sought, len(numbers) < NOMINATED)
    found = _nominate(db, narrow, reading.codes, narrowed)
    exact, former = _named(db, narrow, text)
    begun = narrow.beginning(db, run_together(text), limit=BEGUN) if typing else []
    if narrowed.groups:
        exact = _fitting(db, narrow, exact, narrowed)
        begun = _fitting(db, narrow, begun, narrowed)
    numbers = list(dict.fromkeys((*exact, *found.numbers, *begun)))
    asked = Asked.of(text, reading.terms, map(candidates.key_of, former))
    return asked, replace(found, numbers=numbers)


def _nominate(
    db: Session, view: View, groups: Sequence[Sequence[str]], narrowed: Narrowing
) -> _Nominated:
    """All the words first, in the name and anywhere; then one missing, until there are enough."""
    numbers: dict[Number, None] = {}
    sought, is_complete = Sought((), narrowed.groups), True
    for missing in range(len(groups)):
        sought = Sought(groups, narrowed.groups, missing)
        anywhere = view.nominated(db, sought, limit=NOMINATED)
        is_complete = len(anywhere) < NOMINATED
        if not is_complete:  # else those that have them in the name are all there
            titled = view.nominated(db, replace(sought, in_title=True), limit=NOMINATED)
            numbers.update(dict.fromkeys(titled))
        numbers.update(dict.fromkeys(anywhere))
        if len(numbers) >= ENOUGH:
            break
    return _Nominated(list(numbers), sought, is_complete)


def _is_or_has(rated: Rated, asked: Asked, narrowed: Narrowing) -> bool:
    """Whether it is of a type that was asked for, or was found by a part that is."""
    found_by = {part.kind for part in parts(rated, asked)}
    return rated.candidate.kind in narrowed.kinds or not found_by.isdisjoint(narrowed.parts)


def _total(
    db: Session, view: View, found: _Nominated, rated: Sequence[Rated], narrowed: Narrowing
) -> tuple[int, bool]:
    """How many documents there are, and whether there are more than that."""
    if found.is_complete or narrowed.parts:
        return len(rated), not found.is_complete
    narrow = view.narrowed(narrowed.condition)
    total = narrow.counts(db, [found.sought], most=facets.COUNTED)[0]
    return max(total, len(rated)), total >= facets.COUNTED


def _read(db: Session, view: View, text: str, *, typing: bool) -> _Reading:
    """What the words mean to somebody who sees only the view; the most telling ones of them."""
    reading = _Reading(text)
    if not text:
        return reading
    asked = asked_words(text, most=MOST_WORDS)
    spelt = vocabulary.read(db, asked)
    for state, number in _states(db, asked).items():
        spelt[state].setdefault(state, (facet_code(number), How.EXACT))
    every = [(word, spelt[word]) for word in asked if spelt[word]]
    exact = [(word, {word: spelt[word][word]}) for word in asked if word in spelt[word]]
    sought = [Sought([_codes(read_as)]) for _, read_as in (*every, *exact)]
    counted = view.counts(db, sought, most=TELLING_UP_TO)
    numbers = {word: n for (word, _), n in zip(every, counted, strict=False)}
    as_spelt = {word for (word, _), n in zip(exact, counted[len(every) :], strict=True) if n}
    read: list[tuple[str, Read, int]] = []
    for word in asked:
        if word in as_spelt and not (typing and word == asked[-1]):
            read.append((word, spelt[word], numbers[word]))
        else:
            own = spelt[word] if numbers.get(word) else {}
            read += _guessed(db, view, word, own, numbers.get(word, 0))
    read = _joined(db, view, read)
    reading.unread = sum(not read_as for _, read_as, _ in read)
    kept = [one for one in read if one[1]]
    most = sorted(range(len(kept)), key=lambda at: (-telling(kept[at][2]), at))[:MOST_TERMS]
    for at in sorted(most):
        word, read_as, number = kept[at]
        readings = tuple((other, how) for other, (_, how) in read_as.items())
        reading.terms.append(AskedWord(word, readings, telling(number)))
        reading.codes.append(_codes(read_as))
        if word not in read_as:
            reading.read_as[word] = tuple(read_as)
    return reading


def _states(db: Session, asked: Sequence[str]) -> dict[str, int]:
    """The words that are states of what is found, which no text of it says."""
    named = [(STATE, word) for word in asked if word in STATES]
    return {word: number for (_, word), number in facets.known(db, named).items()}


def _guessed(
    db: Session, view: View, word: str, own: Read, number: int
) -> list[tuple[str, Read, int]]:
    """What a word may stand for that nothing holds, or that may not be whole."""

    def shown(read: Read) -> Read:
        every = [Sought([[written]]) for written, _ in read.values()]
        held = view.counts(db, every, most=1)
        return {w: kept for (w, kept), here in zip(read.items(), held, strict=True) if here}

    own = shown(own)
    if not own:
        apart = _apart(db, view, word)
        if apart:
            return apart
    begun = vocabulary.beginnings(db, word, shown)
    is_known = any(how in (How.EXACT, How.STEM, How.SYNONYM) for _, how in own.values())
    slipped = {} if is_known else vocabulary.slips(db, word, shown)
    read = {**slipped, **begun, **own}
    if not read:
        return [(word, {}, 0)]
    (total,) = view.counts(db, [Sought([_codes(read)])], most=TELLING_UP_TO)
    return [(word, read, max(total, number))]


def _apart(db: Session, view: View, word: str) -> list[tuple[str, Read, int]]:
    """A word that is two: letters and digits, or words that stand side by side in a name."""
    halves = [pieces(word)] if pieces(word) else []
    halves += [[word[:at], word[at:]] for at in range(HALVES_FROM, len(word) - HALVES_FROM + 1)]
    known = vocabulary.known(db, {half for both in halves for half in both})
    for both in halves:
        if not all(half in known for half in both):
            continue
        groups = [[code(known[half])] for half in both]
        if not view.counts(db, [Sought(groups, in_title=True)], most=1)[0]:
            continue
        each = view.counts(db, [Sought([group]) for group in groups], most=TELLING_UP_TO)
        read = vocabulary.read(db, both)
        return [(half, {half: read[half][half]}, n) for half, n in zip(both, each, strict=True)]
    return []


def _joined(
    db: Session, view: View, read: list[tuple[str, Read, int]]
) -> list[tuple[str, Read, int]]:
    """Words that nothing holds may be one with the next: tail num is tailnum."""
    if all(read_as for _, read_as, _ in read):
        return read
    pairs = {
        a + b: at for at, ((a, ra, _), (b, rb, _)) in enumerate(pairwise(read)) if not (ra and rb)
    }
    known = vocabulary.known(db, pairs)
    for whole, number in known.items():
        (held,) = view.counts(db, [Sought([[code(number)]])], most=TELLING_UP_TO)
        if held:
            at = pairs[whole]
            one = (whole, vocabulary.read(db, [whole])[whole], held)
            return [*read[:at], one, *read[at + 2 :]]
    return read


def _named(db: Session, view: View, text: str) -> tuple[list[Number], list[Number]]:
    """Documents that are called ``text``; of these, those that were, or that have it as a URN."""
    key = run_together(text)
    folded = text.casefold()
    names = list(dict.fromkeys((text, folded, folded.rpartition("/")[2])))
    exact = view.named(db, names, key, limit=NAMED)
    wanted = select(DatasetRow.name).where(DatasetRow.name != folded)
    if text.startswith(naming.PREFIX):
        wanted = wanted.where(DatasetRow.urn == text)
    else:
        once = DatasetNameRow.dataset == DatasetRow.id
        wanted = wanted.join(DatasetNameRow, once).where(DatasetNameRow.name == folded)
    current = list(dict.fromkeys(db.scalars(wanted)))
    former = view.named(db, current, current[0], limit=NAMED) if current else []
    return [*former, *exact], former


def _fitting(
    db: Session, view: View, numbers: Sequence[Number], narrowed: Narrowing
) -> list[Number]:
    """Those of ``numbers`` that have the values asked for."""
    kept: list[Number] = []
    for place, number in numbers:
        one = View(tuple((p, s) for p, s in view.places if p is place)).narrowed(f"d.id = {number}")
        kept += one.nominated(db, Sought((), narrowed.groups), limit=1)
    return kept


def _hits(
    db: Session, rated: Sequence[Rated], asked: Asked, *, explain: bool, now: datetime
) -> tuple[Hit, ...]:
    numbers = Counter(one.candidate.node for one in rated)
    named = nodes.named(db, numbers)
    return tuple(
        Hit(
            kind=one.candidate.kind,
            name=one.candidate.name,
            node=named[one.candidate.node][0],
            description=one.candidate.texts.description,
            owner=one.candidate.owner,
            project=one.candidate.project,
            score=one.score,
            why=in_words(one, asked) or _otherwise(one, asked),
            parts=parts(one, asked),
            explain=one.points if explain else (),
            state=one.candidate.state,
            fresh=one.candidate.is_fresh(now=now),
        )
        for one in rated
    )


def _otherwise(rated: Rated, asked: Asked) -> str:
    if not asked.text:
        return "it has what was chosen"
    if rated.candidate.short_key.startswith(asked.key):
        return "the name begins so"
    return "the name is near" if rated.closeness is Closeness.FEWER else "by name"


def _codes(read: Read) -> list[str]:
    return [written for written, _ in read.values()]
