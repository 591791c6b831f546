"""Datasets: what is said of them, in lists and one by one."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, named, paging
from provender.api.parameters import (
    After,
    Asking,
    AsOf,
    Counted,
    IfNoneMatch,
    Limit,
    Name,
    Values,
)
from provender.api.routes import Routes
from provender.core.datasets import DatasetSummary, Entry, Listed
from provender.core.errors import NotFound
from provender.core.lineage import Consumer
from provender.core.names import DatasetRef

routes = Routes("datasets")
Of = Annotated[Counted | None, Query(description="Of that version only.")]


@routes.get("/datasets", Listed[DatasetSummary], raises=(NotFound,))
def list_datasets(
    request: Request,
    catalog: Asking,
    domain: Values = [],  # noqa: B006 - FastAPI copies it
    owner: Values = [],  # noqa: B006
    tag: Values = [],  # noqa: B006
    term: Values = [],  # noqa: B006
    as_of: AsOf = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the datasets that may be discovered, by name; of each filter one value has to fit."""
    given = {"domain": domain, "owner": owner, "tag": tag, "term": term}
    filters = {name: tuple(values) for name, values in given.items() if values}
    begin = paging.place(request, after)
    found = catalog.finder.entries(filters, as_of=as_of, limit=limit, after=begin)
    return answers.answer(request, paging.paged(request, found))


@routes.get("/datasets/{name}", Entry, also=(308,), raises=(NotFound,))
def get_dataset(
    request: Request,
    catalog: Asking,
    name: Name,
    as_of: AsOf = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what is said of a dataset. Its ETag is for changes; a former name leads to the new one."""
    found = catalog.finder.entry(DatasetRef.parse(name), as_of=as_of)
    if as_of is not None:
        return answers.answer(request, found)
    if found.dataset.ref.dataset != name:
        return answers.moved(request, "datasets", found.dataset.ref.dataset)
    return answers.answer(request, found, state=named.state(found))


@routes.get("/datasets/{name}/consumers", Listed[Consumer], raises=(NotFound,))
def list_consumers(
    request: Request,
    catalog: Asking,
    name: Name,
    version: Of = None,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return who and what reads a dataset."""
    ref = DatasetRef.parse(name).at(version)
    found = catalog.finder.consumers(ref, limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))
