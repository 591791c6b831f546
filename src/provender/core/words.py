"""The words of names, texts and questions, and how far two words are apart. Pure.

Databases never split or compare words: they keep what is found here, so both find the same.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W_]+")
PIECE = re.compile(r"\d+|\D+")
SEGMENT = re.compile(r"[^.:/@\s]+")
LONGEST = 64
"""Letters of a word that count; what is behind them does not."""
UNSAID = frozenset(
    WORD.findall(
        "a all am an and any are as at be been by can did do does each every find for from get give"
        " got had has have how i in into is it its many me much my need of on or our per please show"
        " so some somebody than that the their them then there these they this those to too up us"
        " was we were what when where which who whom whose why will with within without would you"
        " your dataset datasets"
    )
)
"""Words of a question that say nothing about what is looked for."""
ENDINGS = [
    "ational",
    "isation",
    "ization",
    "fulness",
    "ousness",
    "iveness",
    "ation",
    "ition",
    "ement",
    "ance",
    "ence",
    "able",
    "ible",
    "ment",
    "ness",
    "ship",
    "ings",
    "ions",
    "ion",
    "ing",
    "ive",
    "ity",
    "ist",
    "ism",
    "ous",
    "ant",
    "ent",
    "ate",
    "ise",
    "ize",
    "age",
    "ful",
    "al",
    "er",
    "or",
    "ed",
    "ic",
    "ly",
    "es",
    "th",
    "y",
    "e",
    "i",
    "s",
]
ROOT_LETTERS = 4
"""Letters that a word keeps when its ending is taken away."""
EXACT_FROM = 4
"""Letters of a word from which on a slip is looked for."""
TWO_SLIPS_FROM = 7
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
VOWELS = frozenset("aeiouy")


def words(text: str) -> list[str]:
    """Return the words of ``text``: lower case, without accents, ``snake_case`` and ``camelCase`` split."""
    if text.isascii():
        bare = text
    else:
        decomposed = unicodedata.normalize("NFKD", text)
        bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return [word.casefold()[:LONGEST] for word in WORD.findall(HUMP.sub(" ", bare))]


def pieces(word: str) -> list[str]:
    """Return the letters and the digits of a word apart; nothing where it is of one sort."""
    found = PIECE.findall(word)
    return found if len(found) > 1 else []


@lru_cache(maxsize=50_000)
def name_words(name: str) -> tuple[str, ...]:
    """Return the words that a name is found by: its own, those of each part run together, digits apart.

    ``web.tail_num2`` is found by web, tail, num2, tailnum2, num and 2.
    """
    found: dict[str, None] = {}
    joined: dict[str, None] = {}
    for segment in SEGMENT.findall(name):
        own = words(segment)
        found.update(dict.fromkeys(own))
        if len(own) > 1:
            joined["".join(own)[:LONGEST]] = None
        for word in own:
            joined.update(dict.fromkeys(pieces(word)))
    return (*found, *(word for word in joined if word not in found))


@lru_cache(maxsize=50_000)
def run_together(text: str) -> str:
    """Return the words of ``text`` as one: equal for names that differ in how they are written."""
    return "".join(words(text))[: 4 * LONGEST]


def legible(text: str) -> str:
    """Return ``text`` without what no database keeps: NUL and halves of characters."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode().strip()


def asked_words(text: str) -> list[str]:
    """Return the words of a question that matter, each once; all of them if none does."""
    found = list(dict.fromkeys(words(text)))
    telling = [word for word in found if word not in UNSAID]
    return telling or found


def root(stem: str) -> str:
    """Return what words of one family share: react for react, reaction and reactive.

    Coarser than a stem, so that words of one root are candidates for each other.
    """
    for ending in ENDINGS:
        if stem.endswith(ending) and len(stem) - len(ending) >= ROOT_LETTERS:
            return stem[: -len(ending)]
    return stem


def stubs(word: str) -> set[str]:
    """Return ``word`` and what is left of it without one letter: words a slip apart share one."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def further_stubs(word: str) -> set[str]:
    """Return what is left of ``word`` without one or two letters, and itself."""
    return {shorter for stub in stubs(word) for shorter in stubs(stub)}


def distance(one: str, other: str, *, most: int) -> int:
    """Return how many slips lie between two words; ``most`` + 1 where there are more.

    A slip is a letter left out, put in, put for another, or changed places with the next.

    Source: optimal string alignment, row by row.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    one, other = _apart(one, other)
    before: list[int] = []
    above = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        row = [at]
        for there, against in enumerate(other, 1):
            cost = min(above[there] + 1, row[there - 1] + 1, above[there - 1] + (letter != against))
            if at > 1 and there > 1 and letter == other[there - 2] and one[at - 2] == against:
                cost = min(cost, before[there - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, above = above, row
    return min(above[-1], most + 1)


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two words without the letters that both begin and end with: no slip lies there."""
    least, begin, end = min(len(one), len(other)), 0, 0
    while begin < least and one[begin] == other[begin]:
        begin += 1
    while end < least - begin and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[begin : len(one) - end], other[begin : len(other) - end]


def is_likely(typed: str, meant: str) -> bool:
    """Return whether a finger makes the one slip from ``meant`` to ``typed``, or an ear does.

    A letter left out, changed places with the next, put twice, or put in or taken for one beside
    it on the keyboard; a vowel for another.
    """
    at = next(
        (at for at, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b),
        min(len(typed), len(meant)),
    )
    if len(typed) < len(meant):
        return True
    if len(typed) > len(meant):
        put, around = typed[at], typed[max(0, at - 1) : at] + typed[at + 1 : at + 2]
        return any(put == letter or put in _beside(letter) for letter in around)
    if typed[at + 1 : at + 2] == meant[at : at + 1] and typed[at] != meant[at]:
        return True
    return typed[at] in _beside(meant[at]) or {typed[at], meant[at]} <= VOWELS


@lru_cache(maxsize=256)
def _beside(letter: str) -> str:
    """The letters beside ``letter`` on the keyboard, in its row and the ones around."""
    row = next((row for row, letters in enumerate(ROWS) if letter in letters), None)
    if row is None:
        return ""
    at = ROWS[row].index(letter)
    near = ROWS[max(row - 1, 0) : row + 2]
    return "".join(letters[max(at - 1, 0) : at + 2] for letters in near).replace(letter, "")


def inflected(word: str) -> list[str]:
    """Return what ``word`` may be the plural or another form of, and its own plural."""
    forms = [f"{word}s"]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ing", "")):
        if word.endswith(ending) and len(word) - len(ending) >= EXACT_FROM - 1:
            forms.append(word[: -len(ending)] + instead)
    return forms


def slips_allowed(word: str) -> int:
    """Return how many slips may lie between ``word`` and what is meant by it."""
    if len(word) < EXACT_FROM - 1:
        return 0
    return 2 if len(word) >= TWO_SLIPS_FROM else 1


def distinct(texts: Iterable[str]) -> list[str]:
    """Return the words of ``texts``, each once, in their order."""
    return list(dict.fromkeys(word for text in texts for word in words(text)))
