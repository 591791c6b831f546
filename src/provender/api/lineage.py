"""Lineage: what was made from what."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field

from provender.api import answers, paging
from provender.api.parameters import After, Asking, Flag, IfNoneMatch, Limit, Text
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import NotFound
from provender.core.lineage import Neighbourhood, Node, downstream
from provender.core.travel import ColumnTag

routes = Routes("lineage")
FAR = 20
NodeAsked = Annotated[
    Text,
    Field(max_length=500, pattern=r"^(dataset|feature-view|on-demand-view|feature-service|training-set|model):.+$"),
    Query(description="kind:name", examples=["dataset:aviation.flights"]),
]  # fmt: skip
Depth = Annotated[int, Field(ge=1, le=FAR), Query(description="Steps up and down.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Something that is made from a node, ``distance`` steps away."""

    node: Node
    distance: int


@routes.get("/lineage", Neighbourhood, raises=(NotFound,))
def get_lineage(
    request: Request,
    catalog: Asking,
    node: NodeAsked,
    *,
    depth: Depth = 3,
    columns: Annotated[Flag, Query(description="Of columns, too.")] = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the edges around a node that may be discovered."""
    found = catalog.finder.lineage(Node.parse(node), depth=depth, columns=columns)
    return answers.answer(request, found)


@routes.get("/lineage/tags", tuple[ColumnTag, ...], raises=(NotFound,))
def get_tags(
    request: Request, catalog: Asking, node: NodeAsked, if_none_match: IfNoneMatch = None
) -> Response:
    """Return the tags on the columns of a node: put there, or carried, and where from."""
    return answers.answer(request, catalog.finder.tags(Node.parse(node)))


@routes.get("/impact", Listed[Reached], raises=(NotFound,))
def get_impact(
    request: Request,
    catalog: Asking,
    node: NodeAsked,
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return everything that is made from a node, the nearest first."""
    start = Node.parse(node)
    edges = catalog.finder.lineage(start, depth=FAR).edges
    reached = sorted(downstream(start, edges).items(), key=lambda found: (found[1], found[0]))
    items = [Reached(node=found, distance=distance) for found, distance in reached]
    return answers.answer(request, paging.cut(request, items, limit=limit, after=after))
