"""Which of the documents that hold the words asked for comes first, and why. Pure.

First how exactly something was asked for: by its name, by all the words of it, by some. Among
equals points: how telling each word is, where it stands and how it was read, then how much what
was found is used, how fresh and how well kept it is. Every number is here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property, lru_cache

from provender.core.documents import halves_of, lines_of, name_of
from provender.core.finding import KINDS, Points
from provender.core.lifecycle import State
from provender.core.words import run_together, words


class Place(IntEnum):
    """Where a word was found; a higher one says more about what was found."""

    AROUND = 1
    SAID_OF_COLUMN = 2
    SAID = 3
    COLUMN = 4
    LABEL = 5
    NAME = 6


class How(IntEnum):
    """How a word was read; a lower one is nearer to what was asked."""

    EXACT = 0
    STEM = 1
    SYNONYM = 2
    FAMILY = 3
    BEGINNING = 4
    SLIP = 5
    ODD_SLIP = 6
    TWO_SLIPS = 7


class Closeness(IntEnum):
    """How exactly something was asked for."""

    NAME = 5
    SHORT_NAME = 4
    IN_NAME = 3
    ALL_WORDS = 2
    BUT_ONE = 1
    FEWER = 0


WEIGHTS: dict[Place, float] = {
    Place.AROUND: 1.0,
    Place.SAID_OF_COLUMN: 1.2,
    Place.SAID: 1.5,
    Place.COLUMN: 2.0,
    Place.LABEL: 2.2,
    Place.NAME: 3.0,
}
READ: dict[How, float] = {
    How.EXACT: 1.0,
    How.STEM: 0.95,
    How.SYNONYM: 0.85,
    How.FAMILY: 0.8,
    How.BEGINNING: 0.6,
    How.SLIP: 0.65,
    How.ODD_SLIP: 0.5,
    How.TWO_SLIPS: 0.45,
}
GUESSED = READ[How.ODD_SLIP]
"""What was read as badly as this is in no name as asked."""
STEP = 100.0
"""Points between one closeness and the next: more than everything else may give."""
ASKED: dict[Closeness, str] = {
    Closeness.NAME: "exactly that name",
    Closeness.SHORT_NAME: "exactly that short name, column or feature",
    Closeness.IN_NAME: "every word in the name",
    Closeness.ALL_WORDS: "every word",
    Closeness.BUT_ONE: "every word but one",
    Closeness.FEWER: "some of the words",
}
WHOLE_NAME = 8.0
"""Points of a name that has no other words than those asked for."""
SHORT: dict[int, float] = {0: 2.0, 1: 2.0, 2: 1.5, 3: 0.8}
"""Points of a name of so few words: what others are copied from has a short one."""
USED: tuple[tuple[int, str, float], ...] = (
    (64, "used by very many", 12.0),
    (8, "used by many", 7.0),
    (1, "used by a few", 3.0),
)
"""Points of so many consumers or more: in classes, for some may be hidden from who asks."""
FRESH, CHECKED, DESCRIBED, OWNED = 2.0, 2.0, 1.0, 1.0
STANDING: dict[str, float] = {
    State.DRAFT: -1.0,
    State.DEPRECATED: -4.0,
    State.QUARANTINED: -6.0,
    State.RECALLED: -20.0,
}
TELLING = ((8, 3.0), (64, 2.2), (255, 1.6))
"""How telling a word is that so many visible documents hold; more do than the last: 1."""
DIGITS = 3
"""Of points behind the dot."""

Key = tuple[str, int]
"""A document: which of all that there are, and its number among them."""


LOOKED_AT = (
    Place.NAME,
    Place.NAME,
    Place.LABEL,
    Place.COLUMN,
    Place.SAID,
    Place.SAID_OF_COLUMN,
    Place.AROUND,
    Place.AROUND,
)
"""The texts of a document that hold words, as `_looked_at` has them."""


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a text holds a word: ``text`` and ``place`` say which one, ``token`` how it lies there.

    ``read`` is what the reading is worth, ``points`` what a document has that holds it there.
    """

    points: float
    text: int
    place: Place
    word: str
    token: str
    read: float


@dataclass(frozen=True)
class AskedWord:
    """A word asked for, what it is read as and how, and how telling it is."""

    asked: str
    readings: tuple[tuple[str, How], ...]
    weight: float = 1.0

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Where to look for each reading, what gives most first: the first that is there is it."""
        read = sorted(self.readings, key=lambda one: (one[1], one[0]))
        every = [
            (WEIGHTS[place] * READ[how], at, text, word, how)
            for at, (word, how) in enumerate(read)
            for text, place in enumerate(LOOKED_AT)
        ]
        every.sort(key=lambda one: (-one[0], one[1], one[2]))
        return tuple(
            Look(_rounded(points * self.weight), at, LOOKED_AT[at], word, f" {word} ", READ[how])
            for points, _, at, word, how in every
        )

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The readings as they lie in texts, the best first."""
        return tuple(dict.fromkeys(look.token for look in self.looks if look.text == 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question: its text, and the terms that are looked for."""

    text: str
    terms: tuple[AskedWord, ...]
    named: frozenset[Key] = frozenset()
    """Documents that have, or had, just that name."""
    key: str = ""
    is_one_word: bool = True

    @classmethod
    def of(cls, text: str, terms: Iterable[AskedWord], named: Iterable[Key] = ()) -> "Asked":
        """Return the question ``text`` with the terms it was read as."""
        return cls(
            text=text.casefold(),
            terms=tuple(terms),
            named=frozenset(named),
            key=run_together(text),
            is_one_word=len(words(text)) < 2,
        )


@dataclass(slots=True, kw_only=True)
class Candidate:
    """A document that was nominated, with what ranks it: its words are those of `documents.Texts`.

    Not frozen, nor is `Rated`: hundreds are made a question, and frozen ones take four times as long.
    """

    id: Key
    kind: str
    name: str
    project: str
    is_owned: bool
    title: str
    columns: str
    body: str
    short_key: str
    state: str = ""
    fresh_until: datetime | None = None
    described: bool = False
    checked: int = 0
    used: int = 0

    def is_fresh(self, *, now: datetime) -> bool | None:
        """Return whether it is as new as was promised, None where nothing was."""
        return None if self.fresh_until is None else self.fresh_until > now


@dataclass(slots=True)
class Rated:
    """A candidate with its points, rounded, and for each term it holds where and how it was read."""

    candidate: Candidate
    closeness: Closeness
    score: float
    held: Mapping[int, tuple[Place, str]] = field(default_factory=dict)
    gained: tuple[tuple[str, float], ...] = ()

    @property
    def points(self) -> tuple[Points, ...]:
        """What the score is made of."""
        return tuple(
            Points(because=because, points=points) for because, points in self.gained if points
        )


def telling(count: int) -> float:
    """Return how telling a word is that ``count`` visible documents hold; it need not be exact."""
    return next((weight for most, weight in TELLING if count <= most), 1.0)


def rank(candidates: Iterable[Candidate], asked: Asked, *, now: datetime) -> list[Rated]:
    """Return the candidates with their points, the best first; equal ones by kind and name."""
    rated = [_rate(candidate, asked, now=now) for candidate in candidates]
    rated.sort(key=_order)
    return rated


def _rate(candidate: Candidate, asked: Asked, *, now: datetime) -> Rated:
    texts = _looked_at(candidate)
    own, joined, _, names, *_ = texts
    held: dict[int, tuple[Place, str]] = {}
    gained: list[tuple[str, float]] = []
    in_own, in_joined, is_guessed = 0.0, False, False
    for at, term in enumerate(asked.terms):
        for look in term.looks:
            if look.token in texts[look.text]:
                break
        else:
            continue
        held[at] = look.place, look.word
        gained.append((look.word, look.points))
        if look.read <= GUESSED:
            is_guessed = True
        elif look.place is Place.NAME:
            in_own += look.read * (look.token in own)
            in_joined = in_joined or (look.read > READ[How.BEGINNING] and look.token in joined)
    closeness = _closeness(candidate, asked, held, names)
    if is_guessed:
        closeness = min(closeness, Closeness.ALL_WORDS)
    gained.append((ASKED[closeness], STEP * closeness))
    own_words = max(1, own.count(" ") - 1)
    share = 1.0 if in_joined and not in_own else in_own / own_words
    gained.append(("share of the name", _rounded(WHOLE_NAME * min(1.0, share))))
    gained.append(("a short name", SHORT.get(own_words, 0.0)))
    gained += _merits(
        described=candidate.described,
        owned=candidate.is_owned,
        used=candidate.used,
        fresh=candidate.is_fresh(now=now),
        checked=candidate.checked,
        state=candidate.state,
    )
    score = _rounded(sum([points for _, points in gained]))
    return Rated(candidate, closeness, score, held, tuple(gained))


def _looked_at(candidate: Candidate) -> tuple[str, ...]:
    """The texts that hold words, in the order of `LOOKED_AT`."""
    own, joined, before = lines_of(candidate.title)
    labels, said, around = lines_of(candidate.body)
    names, said_of_columns = halves_of(candidate.columns)
    return own, joined, f"{labels}{candidate.state} ", names, said, said_of_columns, before, around


def _closeness(
    candidate: Candidate, asked: Asked, held: Mapping[int, tuple[Place, str]], names: str
) -> Closeness:
    name = candidate.name.casefold()
    if candidate.id in asked.named or asked.text in (name, f"{candidate.project}/{name}"):
        return Closeness.NAME
    if _names_a_part(asked.text, name, names):
        return Closeness.NAME
    if asked.key and asked.key == candidate.short_key:
        return Closeness.SHORT_NAME
    missing = len(asked.terms) - len(held)
    exact_column = f" {asked.key} " in names and _has_column(names, asked.key)
    if exact_column:
        return Closeness.IN_NAME if asked.is_one_word else Closeness.SHORT_NAME
    if not missing and all(place is Place.NAME for place, _ in held.values()):
        return Closeness.IN_NAME if held else Closeness.FEWER
    return Closeness(max(0, Closeness.ALL_WORDS - missing))


def _names_a_part(text: str, name: str, names: str) -> bool:
    """Whether ``text`` is the name and a column or feature of it: ``aviation.flights.tailnum``."""
    rest = text.removeprefix(name)
    return rest != text and rest[:1] in (".", ":") and _has_column(names, run_together(rest))


def _has_column(names: str, key: str) -> bool:
    return any(run_together(name_of(line)) == key for line in lines_of(names))


@lru_cache(maxsize=1_000)
def _merits(
    *, described: bool, owned: bool, used: int, fresh: bool | None, checked: int, state: str
) -> tuple[tuple[str, float], ...]:
    """What speaks for a document whatever was asked."""
    merits = [("described", DESCRIBED * described), ("has an owner", OWNED * owned)]
    merits += [(how, points) for least, how, points in USED if used >= least][:1]
    if fresh is not None:
        merits.append(("fresh", FRESH) if fresh else ("stale", -FRESH))
    if checked:
        merits.append(("checks pass" if checked > 0 else "a check fails", CHECKED * checked))
    if state in STANDING:
        merits.append((f"it is {state}", STANDING[state]))
    return tuple(merits)


def _order(rated: Rated) -> tuple[float, int, str, str, Key]:
    of = rated.candidate
    return -rated.score, KINDS.index(of.kind), of.name, of.project, of.id


def _rounded(points: float) -> float:
    return round(points, DIGITS)
