"""What the words of a question mean to somebody who sees only a part of what there is.

Only what the actor may discover is corrected to: what is hidden and what is not there look alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy.orm import Session

from provender.catalog import commonness, facets, vocabulary
from provender.catalog.facets import STATE, STATES
from provender.catalog.nominate import Sought, code, facet_code
from provender.catalog.past import View
from provender.catalog.vocabulary import Read
from provender.core.ranking import TELLING, AskedWord, How, telling
from provender.core.words import asked_words, pieces

MOST_WORDS = 12
MOST_SOUGHT = 6
"""Words that are looked for, the most telling ones."""
TELLING_UP_TO = TELLING[-1][0] + 1
HALVES_FROM = 3
"""Letters of each half of two words that were written as one."""


@dataclass(slots=True)
class Reading:
    """What the words of a question were read as; ``unread``: nothing visible holds any of it.

    The ``codes`` are of those ``terms`` that are looked for.
    """

    text: str = ""
    terms: list[AskedWord] = field(default_factory=list)
    codes: list[list[str]] = field(default_factory=list)
    read_as: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unread: int = 0
    asked: int = 0
    """How many words were read."""


def reading_of(db: Session, view: View, text: str, *, typing: bool) -> Reading:
    """Return what the words mean to somebody who sees only the view.

    The most telling ones of them are looked for; the others are known to be missing or not.
    """
    reading = Reading(text)
    if not text:
        return reading
    asked = asked_words(text)[:MOST_WORDS]
    reading.asked = len(asked)
    spelt = vocabulary.read(db, asked)
    for state, number in _states(db, asked).items():
        spelt[state].setdefault(state, (facet_code(number), How.EXACT))
    every = [(word, spelt[word]) for word in asked if spelt[word]]
    exact = [(word, {word: spelt[word][word]}) for word in asked if word in spelt[word]]
    sought = [Sought((tuple(_codes(read_as)),)) for _, read_as in (*every, *exact)]
    counted = commonness.counts(db, view, sought, most=TELLING_UP_TO)
    numbers = {word: n for (word, _), n in zip(every, counted, strict=False)}
    as_spelt = {word for (word, _), n in zip(exact, counted[len(every) :], strict=True) if n}
    read: list[tuple[str, Read, int]] = []
    for word in asked:
        is_begun = typing and word == asked[-1]
        if word in as_spelt and not is_begun:
            read.append((word, spelt[word], numbers[word]))
        else:
            own = spelt[word] if numbers.get(word) else {}
            read += _guessed(db, view, word, own, numbers.get(word, 0), is_begun=is_begun)
    read = _joined(db, view, read)
    reading.unread = sum(not read_as for _, read_as, _ in read)
    kept = [one for one in read if one[1]]
    most = sorted(range(len(kept)), key=lambda at: (-telling(kept[at][2]), at))[:MOST_SOUGHT]
    for at, (word, read_as, number) in enumerate(kept):
        readings = tuple((other, how) for other, (_, how) in read_as.items())
        reading.terms.append(AskedWord(word, readings, telling(number) if at in most else 0.0))
        if at in most:
            reading.codes.append(_codes(read_as))
        if word not in read_as:
            reading.read_as[word] = tuple(read_as)
    return reading


def _states(db: Session, asked: Sequence[str]) -> dict[str, int]:
    """The words that are states of what is found, which no text of it says."""
    named = [(STATE, word) for word in asked if word in STATES]
    return {word: number for (_, word), number in facets.known(db, named).items()}


def _guessed(
    db: Session, view: View, word: str, own: Read, number: int, *, is_begun: bool
) -> list[tuple[str, Read, int]]:
    """What a word may stand for that nothing holds, or that may not be whole.

    One that ``is_begun`` is no slip of the finger, as long as something goes on from it.
    """
    held: dict[str, int] = {}

    def shown(read: Read) -> Read:
        new = [written for written, _ in read.values() if written not in held]
        counted = view.counts(db, [Sought([[written]]) for written in new], most=1)
        held.update(zip(new, counted, strict=True))
        return {other: kept for other, kept in read.items() if held[kept[0]]}

    if not own:
        apart = _apart(db, view, word)
        if apart:
            return apart
    longer = vocabulary.beginnings(db, word, most=vocabulary.TRIED)
    shown({**dict(longer), **own})  # at once, which is asked for below
    own = shown(own)
    begun = vocabulary.first_shown(longer, shown, most=vocabulary.MOST_BEGINNINGS)
    if len(begun) < vocabulary.MOST_BEGINNINGS and len(longer) == vocabulary.TRIED:
        longer = vocabulary.beginnings(db, word, most=vocabulary.MOST_TRIED)
        begun = vocabulary.first_shown(longer, shown, most=vocabulary.MOST_BEGINNINGS)
    is_known = any(how in (How.EXACT, How.STEM, How.SYNONYM) for _, how in own.values())
    is_right = is_known or (is_begun and begun)
    slipped = {} if is_right else vocabulary.slips(db, word, shown)
    read = {**slipped, **begun, **own}
    if not read:
        return [(word, {}, 0)]
    if number < TELLING_UP_TO:  # else no more of them are counted
        (total,) = view.counts(db, [Sought([_codes(read)])], most=TELLING_UP_TO)
        number = max(total, number)
    return [(word, read, number)]


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


def _codes(read: Read) -> list[str]:
    return [written for written, _ in read.values()]
