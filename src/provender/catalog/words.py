"""The words of names and texts, and which known word a misspelt one stands for. Pure but for a table."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog.rows import WordRow

HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
WORD = re.compile(r"[^\W_]+")
UNSAID = frozenset(
    WORD.findall(
        "a an and are as at be by do for from has have how i in is it its me of on or show that"
        " the their them there this to was what when where which who with"
    )
)
"""Words of a question that say nothing about what is looked for."""
ALIKE = 0.7
AS_ALIKE = 0.05
"""Words this much less alike than the nearest are not meant."""
CANDIDATES = 50
CORRECTIONS = 3
PORTION = 400


def words(text: str) -> list[str]:
    """Return the words of ``text``: lower case, without accents, ``snake_case`` and ``camelCase`` split."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return [word.lower() for word in WORD.findall(HUMP.sub(" ", bare))]


def legible(text: str) -> str:
    """Return ``text`` without what no database keeps: NUL and halves of characters."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode().strip()


def asked_words(text: str, *, most: int) -> list[str]:
    """Return the words of a question that matter, each once; all of them if none does."""
    found = list(dict.fromkeys(words(text)))
    telling = [word for word in found if word not in UNSAID]
    return (telling or found)[:most]


def trigrams(word: str) -> list[str]:
    """Return the distinct runs of three letters of ``word``, with two blanks before and one after."""
    padded = f"  {word} "
    return list(dict.fromkeys(padded[at : at + 3] for at in range(len(padded) - 2)))


def learn(db: Session, found: Iterable[str]) -> None:
    """Make ``found`` known as words that occur in documents."""
    new = sorted(set(found) - UNSAID)
    for start in range(0, len(new), PORTION):
        portion = new[start : start + PORTION]
        known = set(
            db.scalars(
                select(WordRow.word).where(
                    WordRow.trigram.in_({trigrams(word)[0] for word in portion}),
                    WordRow.word.in_(portion),
                )
            )
        )
        db.add_all(
            WordRow(trigram=trigram, word=word)
            for word in portion
            if word not in known
            for trigram in trigrams(word)
        )
    db.flush()


def similar(db: Session, word: str) -> list[str]:
    """Return known words that ``word`` may be a misspelling of, the nearest first."""
    shared = func.count().label("shared")
    near = db.scalars(
        select(WordRow.word)
        .where(WordRow.trigram.in_(trigrams(word)))
        .group_by(WordRow.word)
        .order_by(shared.desc(), WordRow.word)
        .limit(CANDIDATES)
    )
    rated = [(SequenceMatcher(None, word, known).ratio(), known) for known in near]
    nearest = max((ratio for ratio, known in rated if known != word), default=0.0)
    least = max(ALIKE, nearest - AS_ALIKE)
    alike = sorted((-ratio, known) for ratio, known in rated if ratio >= least and known != word)
    return [known for _, known in alike[:CORRECTIONS]]
