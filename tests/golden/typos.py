"""One slip of the finger in the longest word of a query, made by rule and not by taste.

A letter left out, put in, put for its neighbour on the keyboard, or changed places with the next
one, anywhere in the word. The same seed makes the same slips.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import cycle
from random import Random

from tests.golden.evidence import WORD
from tests.golden.queries import Query

SEED = 5
SHORTEST = 4
"""Letters of the longest word below which a query is left out: a slip there is another word."""
UNTOUCHED = frozenset({"typo_1", "typo_2", "zero_result", "prefix"})
"""Classes that have a slip, have no answer, or end in the middle of a word."""
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
TRIES = 40


def with_one_typo(queries: Sequence[Query], known: Collection[str], *, count: int) -> list[Query]:
    """Return ``count`` queries with one slip each, going round ``queries`` until there are enough.

    No two are equal, and none is one of the ``known`` words, lower case, which would be another
    query. ``meant`` and the grades are those of the query it was made from.
    """
    source = [query for query in queries if query.intent not in UNTOUCHED and _longest(query)]
    random = Random(SEED)
    made: dict[str, Query] = {}
    for query in cycle(source):
        if len(made) == count:
            return list(made.values())
        word = _longest(query)
        for _ in range(TRIES):
            slip = _in_case_of(word, _slip(word.lower(), random))
            text = query.text.replace(word, slip, 1)
            if slip.lower() not in known and slip != word and text not in made:
                made[text] = replace(query, text=text)
                break
    raise ValueError("there is no query with a word that is long enough")


def _longest(query: Query) -> str:
    """Return the longest word of letters, the first of equals; empty when all are short."""
    words = [word for word in WORD.findall(query.text) if word.isalpha()]
    longest = max(words, key=len, default="")
    return longest if len(longest) >= SHORTEST else ""


def _slip(word: str, random: Random) -> str:
    at = random.randrange(len(word))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    match random.choice(("leave out", "put in", "neighbour", "swap")):
        case "leave out":
            return before + after
        case "put in":
            return before + letter + random.choice(_neighbours(letter)) + after
        case "neighbour":
            return before + random.choice(_neighbours(letter)) + after
        case _:
            return before + after[:1] + letter + after[1:]


def _in_case_of(word: str, slip: str) -> str:
    """Return ``slip`` in capitals, or beginning with one, where ``word`` does."""
    if word.isupper():
        return slip.upper()
    return slip.capitalize() if word[0].isupper() else slip


def _neighbours(letter: str) -> str:
    """Return the letters beside ``letter`` on the keyboard, in its row and the ones around."""
    rows = [row for row in range(len(ROWS)) if letter in ROWS[row]]
    if not rows:
        return "aeio"
    row = rows[0]
    at = ROWS[row].index(letter)
    around = "".join(line[max(at - 1, 0) : at + 2] for line in ROWS[max(row - 1, 0) : row + 2])
    return around.replace(letter, "")
