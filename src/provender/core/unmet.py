"""Why nothing fits: values that nothing has. Pure, but for what it asks.

What is hidden and what is absent look the same: only what an asker may see is asked and named.
"""

from collections.abc import Callable, Iterable, Mapping

from provender.core.finding import FacetValue, Question
from provender.core.names import suggest
from provender.core.protocols import Finder

SAID = {
    "domain": "is of domain",
    "tag": "has the tag",
    "owner": "is owned by",
    "project": "is of project",
    "format": "is in format",
}
"""What is said of a value of a facet whose values people make up."""


def unmet(
    filters: Mapping[str, Iterable[str]],
    *,
    has: Callable[[str, str], bool],
    seen: Callable[[], Mapping[str, Iterable[FacetValue]]],
) -> list[str]:
    """Return in words each value of ``filters`` that nothing has, with a near one.

    ``has`` says whether anything that the asker may see has a value of a facet; ``seen`` are the
    values that it has, asked for only if one is not met.
    """
    missed = [
        (name, value)
        for name, values in filters.items()
        if name in SAID
        for value in values
        if not has(name, value)
    ]
    if not missed:
        return []
    known = {name: [one.value for one in values] for name, values in seen().items()}
    return [
        f"nothing that you may see {SAID[name]} {value!r}; {suggest(value, known.get(name, ()))}"
        for name, value in missed
    ]


def unmet_in_search(finder: Finder, question: Question) -> list[str]:
    """Return in words each value that ``question`` is narrowed by and nothing has; see `unmet`."""

    def has(name: str, value: str) -> bool:
        alone = Question(filters={name: (value,)}, as_of=question.as_of)
        return bool(finder.search(alone, limit=1).hits)

    every = Question(as_of=question.as_of)
    return unmet(question.filters, has=has, seen=lambda: finder.facets(every))
