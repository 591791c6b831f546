"""Search: what fits some words, with why; what a word may become; and counts by facet."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from provender.api import answers, paging
from provender.api.parameters import (
    After,
    Asking,
    AsOf,
    Flag,
    IfNoneMatch,
    Limit,
    Portion,
    Values,
    Words,
)
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import NotFound
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question

routes = Routes("search")
Explain = Annotated[Flag, Query(description="Say what each hit's score is made of.")]
Typing = Annotated[Flag, Query(description="The last word may not be whole yet.")]
Facets = Annotated[Flag, Query(description="Count what is found by facet, too.")]


def _asked(
    q: Words = "",
    type: Values = [],  # noqa: A002, B006 - FastAPI copies it
    project: Values = [],  # noqa: B006
    domain: Values = [],  # noqa: B006
    owner: Values = [],  # noqa: B006
    format: Values = [],  # noqa: A002, B006
    tag: Values = [],  # noqa: B006
    freshness: Values = [],  # noqa: B006
    state: Values = [],  # noqa: B006
    as_of: AsOf = None,
) -> Question:
    given = (type, project, domain, owner, format, tag, freshness, state)
    filters = {name: tuple(values) for name, values in zip(FACETS, given, strict=True) if values}
    return Question(text=q, filters=filters, as_of=as_of)


Asked = Annotated[Question, Depends(_asked)]


@routes.get("/search", Found, raises=(NotFound,))
def search(
    request: Request,
    catalog: Asking,
    question: Asked,
    *,
    explain: Explain = False,
    typing: Typing = False,
    facets: Facets = False,
    limit: Limit = 20,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what may be discovered and fits, best first; of each filter one value has to fit."""
    whole = Question(
        text=question.text,
        filters=question.filters,
        as_of=question.as_of,
        explain=explain,
        typing=typing,
        facets=facets,
    )
    found = catalog.finder.search(whole, limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))


@routes.get("/suggest", Listed[Hit])
def suggest(
    request: Request,
    catalog: Asking,
    q: Words = "",
    limit: Annotated[Portion, Query(description="How many at most.")] = 8,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what a text that is not whole yet may become."""
    return answers.answer(request, Listed(catalog.finder.suggest(q, limit=limit)))


@routes.get("/facets", Mapping[str, tuple[FacetValue, ...]], raises=(NotFound,))
def count_facets(
    request: Request, catalog: Asking, question: Asked, if_none_match: IfNoneMatch = None
) -> Response:
    """Return how many of what fits there are by type, project, owner and so on."""
    return answers.answer(request, catalog.finder.facets(question))
