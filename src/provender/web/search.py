"""Search: hits with facets and the reasons for their order, and suggestions while one types."""

from typing import Any
from urllib.parse import quote, urlencode

from provender.core.finding import Found, Hit, Question
from provender.core.unmet import unmet_in_search
from provender.web import facets
from provender.web.page import Page, Visit
from provender.web.wording import address

PATH = "/search"
AT_A_TIME = 20
SUGGESTED = 8
MOST_DROPPED = 4
"""Words that are tried without, where nothing has all of them."""


def results(visit: Visit) -> Page:
    """What fits the words, best first, with why; narrowed by facets, as of an instant."""
    text, chosen = visit.asked("q"), facets.filters(visit)
    kept = {name: visit.asked(name) for name in ("q", "as_of", "explain")}
    question = Question(
        text=text,
        filters=chosen,
        as_of=visit.instant("as_of"),
        explain=bool(kept["explain"]),
        typing=visit.is_typing,
        facets=True,
    )
    finder = visit.catalog.finder
    found = finder.search(question, limit=AT_A_TIME, after=visit.asked("after"))
    return Page(
        template="search.html",
        fragment="_results.html",
        title=f"{text} – search" if text else "Search",
        facts={
            "q": text,
            "filter": chosen,
            "as_of": question.as_of,
            "total": found.total,
            "approximate": found.approximate,
            "missing": found.missing,
            "ignored": found.ignored,
            "read_as": found.read_as,
            "hits": found.hits,
            "facets": found.facets,
            "next": found.next,
        },
        shown={
            "explain": question.explain,
            "after": visit.asked("after"),
            "listed": [hit_facts(hit) for hit in found.hits],
            "narrow": facets.facets(PATH, found.facets, chosen, kept=kept),
            "instead": _instead(kept, chosen, found),
            "unmet": [] if found.hits else unmet_in_search(finder, question),
            "more": facets.address(PATH, kept, chosen, after=found.next or ""),
            "first": facets.address(PATH, kept, chosen),
            "explained": facets.address(
                PATH, {**kept, "explain": "" if question.explain else "1"}, chosen
            ),
            "now_address": facets.address(PATH, {**kept, "as_of": ""}, chosen),
            "unfiltered": facets.address(PATH, kept, {}),
        },
    )


def suggestions(visit: Visit) -> Page:
    """What the beginning of a word may become."""
    text = visit.asked("q")
    hits = visit.catalog.finder.suggest(text, limit=SUGGESTED) if text else ()
    return Page(
        template="suggest.html",
        fragment="_suggestions.html",
        title="Suggestions",
        facts={"q": text, "hits": hits},
        shown={"listed": [hit_facts(hit) for hit in hits]},
    )


def hit_facts(hit: Hit) -> dict[str, Any]:
    """Return what a page shows of a hit: where it leads, and where its parts are."""
    place = address(hit.node)
    return {
        "hit": hit,
        "address": place,
        "parts": [
            {"part": part, "address": part_address(place, part.kind, part.name)}
            for part in hit.parts
        ],
    }


def part_address(page: str, kind: str, name: str) -> str:
    """Return the place of a column or a feature on the page of what it is a part of."""
    joined = "&" if "?" in page else "?"
    return f"{page}{joined}{urlencode({kind: name})}#{kind}-{quote(name)}"


def _instead(
    kept: dict[str, str], chosen: dict[str, tuple[str, ...]], found: Found
) -> list[tuple[str, str]]:
    """Return other questions with their addresses: those with a word less, where nothing fits."""
    words = kept["q"].split()
    if found.hits or len(words) < 2:
        return []
    fewer = [" ".join(words[:i] + words[i + 1 :]) for i in range(min(len(words), MOST_DROPPED))]
    return [(text, facets.address(PATH, {**kept, "q": text}, chosen)) for text in fewer]
