"""Tags and the glossary: what words mean here, and what carries them."""

from provender.core.finding import Question
from provender.core.names import unknown
from provender.web.page import Page, Visit

AT_A_TIME = 50
TERMS_AT_A_TIME = 100


def tags(visit: Visit) -> Page:
    """Every tag, with what it does and how much carries it."""
    counted = visit.catalog.finder.facets(Question(), among=("tag",)).get("tag", ())
    return Page(
        template="tags.html",
        title="Tags",
        facts={
            "tags": visit.catalog.governance(datasets=False).tags,
            "counts": {value.value: value for value in counted},
        },
    )


def tag(visit: Visit) -> Page:
    """One tag: what it means, who may put it where, and the datasets that carry it."""
    name = visit.part("name")
    taxonomy = visit.catalog.governance(datasets=False).taxonomy
    found = taxonomy.of(name)
    if found is None:
        raise unknown("tag", name, taxonomy.names)
    after = visit.asked("after")
    carriers = visit.catalog.finder.entries({"tag": (name,)}, limit=AT_A_TIME, after=after)
    return Page(
        template="tag.html",
        title=f"{name} – tag",
        facts={"tag": found, "datasets": carriers.items, "next": carriers.next},
        shown={"after": after},
    )


def glossary(visit: Visit) -> Page:
    """The words of the business, from ``after`` on; with ``q`` those that it is in."""
    wanted, after = visit.asked("q").casefold(), visit.asked("after")
    every = sorted(visit.catalog.governance(datasets=False).terms, key=lambda term: term.name)
    fitting = [
        term
        for term in every
        if wanted in " ".join((term.name, *term.synonyms, term.definition)).casefold()
    ]
    rest = [term for term in fitting if term.name > after]
    shown = rest[:TERMS_AT_A_TIME]
    return Page(
        template="glossary.html",
        title="Glossary",
        facts={
            "q": visit.asked("q"),
            "total": len(fitting),
            "terms": shown,
            "next": shown[-1].name if len(rest) > len(shown) else None,
        },
        shown={"after": after, "every": len(every)},
    )


def term(visit: Visit) -> Page:
    """One word of the glossary, and the datasets that carry it."""
    name = visit.part("name")
    known = {one.name: one for one in visit.catalog.governance(datasets=False).terms}
    if name not in known:
        raise unknown("term of the glossary", name, known)
    after = visit.asked("after")
    carriers = visit.catalog.finder.entries({"term": (name,)}, limit=AT_A_TIME, after=after)
    return Page(
        template="term.html",
        title=f"{name} – glossary",
        facts={"term": known[name], "datasets": carriers.items, "next": carriers.next},
        shown={"after": after},
    )
