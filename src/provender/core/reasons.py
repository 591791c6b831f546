"""Why something was found, in words, and which of its columns or features. Pure."""

from provender.core.documents import halves_of, lines_of, name_of
from provender.core.finding import Part
from provender.core.ranking import ASKED, Asked, AskedWord, Closeness, Place, Rated
from provender.core.words import run_together

IN_WORDS: dict[Place, str] = {
    Place.AROUND: "around it",
    Place.SAID_OF_COLUMN: "in what is said of a {part}",
    Place.SAID: "in the description",
    Place.COLUMN: "in a {part}",
    Place.LABEL: "in its tags or terms",
    Place.NAME: "in the name",
}
MOST_PARTS = 5


def in_words(rated: Rated, asked: Asked) -> str:
    """Return why something was found."""
    reasons = [ASKED[rated.closeness]] if rated.closeness >= Closeness.SHORT_NAME else []
    part = part_kind(rated.candidate.kind)
    for place in reversed(Place):
        there = [
            _said(asked.terms[at], word)
            for at, (where, word) in rated.held.items()
            if where is place
        ]
        if there:
            reasons.append(f"{', '.join(there)} {IN_WORDS[place].format(part=part)}")
    return "; ".join(reasons)


def part_kind(kind: str) -> str:
    """Return what the parts of a kind of document are."""
    return "column" if kind in ("dataset", "saved-dataset") else "feature"


def parts(rated: Rated, asked: Asked) -> tuple[Part, ...]:
    """Return the columns or features that were found, those with the most of the words first."""
    wanted = [
        at for at, (place, _) in rated.held.items() if place in (Place.COLUMN, Place.SAID_OF_COLUMN)
    ]
    names, said = map(lines_of, halves_of(rated.candidate.columns))
    found: list[tuple[int, int, Part]] = []
    kind, of = part_kind(rated.candidate.kind), run_together(rated.candidate.name)
    keys = {asked.key, asked.key.removeprefix(of)}
    for position, (line, about) in enumerate(zip(names, said, strict=True)):
        if not line:
            continue
        name = name_of(line)
        whole = run_together(name) in keys
        if not (whole or any(_held_by(asked.terms[at], line, about) for at in wanted)):
            continue
        held = (_held_by(asked.terms[at], line, about) for at in rated.held)
        why = [*(["exactly that name"] if whole else ()), *filter(None, held)]
        found.append((-len(why), position, Part(kind=kind, name=name, why=", ".join(why))))
    return tuple(part for _, _, part in sorted(found, key=lambda one: one[:2])[:MOST_PARTS])


def _said(term: AskedWord, word: str) -> str:
    return word if word == term.asked else f"{word} (for {term.asked})"


def _held_by(term: AskedWord, line: str, about: str) -> str:
    return next(
        (_said(term, token[1:-1]) for token in term.tokens if token in line or token in about),
        "",
    )
