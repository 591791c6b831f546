"""What of a query an asset's own text answers: the yardstick for padding, not a ranking.

Keeps the generator from making an asset that answers a golden query as well as the graded ones
do, and helps to check the grades. It is cruder than any search on purpose: whatever might pass
for the same word counts as the same word, so it forbids too much rather than too little.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from tests.golden.corpus import Asset

WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+[a-z]*|[^\W_]+")
SUFFIXES = (
    "ations",
    "ation",
    "ions",
    "ion",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "ed",
    "es",
    "er",
    "s",
    "y",
    "e",
)
STEM_LETTERS = 4
PREFIX_LETTERS = 3
SILENT = """
a an and are as at be by did do for from got have how i in is it many me much of on or our per so
some somebody that the there this to too up was we what when where which who whom why will with
within without would you
"""
STOP_WORDS = frozenset(SILENT.split())


class Where(IntEnum):
    """The part of an asset a word stands in; a higher one says more about the asset."""

    NOWHERE = 0
    TEXT = 1
    COLUMN = 2
    LABEL = 3
    NAME = 4


@cache
def stem(word: str) -> str:
    """Return what words of one root have in common: ``cancell`` for cancelled, cancellations."""
    word = word.lower()
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= STEM_LETTERS - (suffix == "s"):
            return word.removesuffix(suffix)
    return word


@cache
def stems(text: str) -> frozenset[str]:
    """Return the stems of the words in ``text``, without the words that say nothing."""
    return frozenset(stem(word) for word in WORD.findall(text) if word.lower() not in STOP_WORDS)


def places(asset: Asset) -> dict[str, Where]:
    """Return the stems of all that ``asset`` says, each with the best part it stands in."""
    found: dict[str, Where] = {}
    for where, texts in _parts(asset):
        for text in texts:
            for word in stems(text):
                found.setdefault(word, where)
    return found


def _parts(asset: Asset) -> Iterable[tuple[Where, Iterable[str]]]:
    """Yield the parts of ``asset`` from the best to the least."""
    terms = [word for term in asset.terms for word in (term.name, *term.synonyms)]
    owners = [*asset.owners.values(), *asset.people]
    about = [asset.domain, asset.kind, asset.format, asset.state]
    said = [asset.description, asset.documentation]
    yield Where.NAME, [asset.name]
    yield Where.LABEL, [*terms, *asset.all_tags, *owners, *about]
    yield Where.COLUMN, [column.name for column in asset.columns]
    yield Where.TEXT, [*said, *(column.description for column in asset.columns)]


def name_length(asset: Asset) -> int:
    """Return the number of words of the name, without domain or project."""
    return len(WORD.findall(asset.bare_name))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where each word of a query stands in an asset, and how many words its name has."""

    places: tuple[Where, ...]
    name_words: int

    @property
    def covered(self) -> frozenset[int]:
        return frozenset(at for at, where in enumerate(self.places) if where)

    def is_worse_than(self, other: "Evidence") -> bool:
        """Say whether every sane reading of the text prefers ``other``.

        It covers more of the query's words: two for each one that only we cover. Or the same
        words, none of them in a lesser part and one in a better part. Or all in the name, as
        here, and the name is shorter.
        """
        mine, theirs = self.covered, other.covered
        if mine != theirs:
            return not mine or len(theirs - mine) >= max(2 * len(mine - theirs), 1)
        pairs = list(zip(self.places, other.places, strict=True))
        if any(here > there for here, there in pairs):
            return False
        if any(here < there for here, there in pairs):
            return True
        is_named_so = all(other.places[at] is Where.NAME for at in theirs)
        return is_named_so and self.name_words > other.name_words


def passes_for(word: str, typed: str) -> bool:
    """Say whether a search may take ``word`` for what was typed: equal, or its beginning."""
    return word == typed or (len(typed) >= PREFIX_LETTERS and word.startswith(typed))
