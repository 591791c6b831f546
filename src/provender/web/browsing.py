"""The first page, and the list of datasets."""

from itertools import chain

from provender.core.finding import FacetValue, Question
from provender.web import facets
from provender.web.page import Page, Visit
from provender.web.search import hit_facts

AT_A_TIME = 50
SHOWN = 6
MOST_DOMAINS = 12
COUNTED = ("type", "domain", "tag")
"""Facets of the first page."""
NARROWED_BY = ("domain", "tag", "owner")
"""Facets of the list of datasets."""


def home(visit: Visit) -> Page:
    """The search box, what is worth most, what is one's own, and where to begin to look."""
    finder = visit.catalog.finder
    counted = finder.facets(Question(), among=COUNTED)
    published = Question(filters={"type": ("dataset",), "state": ("published",)})
    worth = finder.search(published, limit=SHOWN).hits
    mine = finder.entries({"owner": _names(visit)}, limit=SHOWN)
    return Page(
        template="home.html",
        title="Provender",
        facts={
            "counts": {value.value: value for value in counted.get("type", ())},
            "domains": counted.get("domain", ())[:MOST_DOMAINS],
            "tags": counted.get("tag", ())[:MOST_DOMAINS],
            "begin_here": worth,
            "yours": mine.items,
        },
        shown={
            "listed": [hit_facts(hit) for hit in worth],
            "all_yours": facets.address("/datasets", {}, {"owner": _names(visit)}),
            "more_yours": mine.next is not None,
        },
    )


def datasets(visit: Visit) -> Page:
    """Datasets by name, a page at a time, narrowed by facets if asked."""
    finder = visit.catalog.finder
    chosen = facets.filters(visit, among=NARROWED_BY)
    after = visit.asked("after")
    found = finder.entries(chosen, limit=AT_A_TIME, after=after)
    counted = _counted(visit, chosen)
    return Page(
        template="datasets.html",
        fragment="_datasets.html",
        title="Datasets",
        facts={
            "filter": chosen,
            "datasets": found.items,
            "facets": counted,
            "next": found.next,
        },
        shown={
            "after": after,
            "narrow": facets.facets("/datasets", counted, chosen, kept={}),
            "more": facets.address("/datasets", {}, chosen, after=found.next or ""),
            "first": facets.address("/datasets", {}, chosen),
        },
    )


def _counted(visit: Visit, chosen: dict[str, tuple[str, ...]]) -> dict[str, tuple[FacetValue, ...]]:
    """Return how many datasets fit each value; while nothing is chosen, only what is kept counted.

    What is kept counted is of everything there is: only datasets have a domain.
    """
    names = NARROWED_BY if chosen else ("domain",)
    question = Question(filters={"type": ("dataset",), **chosen} if chosen else {})
    counted = visit.catalog.finder.facets(question, among=names)
    return {name: counted[name] for name in names if name in counted}


def _names(visit: Visit) -> tuple[str, ...]:
    """Return the actor and their teams: who may be written down as an owner."""
    who = visit.catalog.actor
    return tuple(chain((who.id,), sorted(who.teams)))
