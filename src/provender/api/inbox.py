"""What waits for a steward, and is settled."""

from typing import Annotated

from fastapi import Query, Request, Response

from provender.api import answers, conditions, named, paging
from provender.api.parameters import After, Asking, Id, IfMatch, IfNoneMatch, Limit, Text
from provender.api.routes import Routes
from provender.core.datasets import Listed
from provender.core.errors import (
    Conflict,
    Denied,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from provender.core.tasks import Task

routes = Routes("inbox")
Kind = Annotated[Text, Query(max_length=50, description="Tasks of that kind only.")]


@routes.get("/inbox", Listed[Task], raises=(NotFound,))
def list_tasks(
    request: Request,
    catalog: Asking,
    kind: Kind = "",
    limit: Limit = 50,
    after: After = "",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what waits for the caller, the most urgent kind first."""
    found = catalog.desk.inbox(kind=kind, limit=limit, after=paging.place(request, after))
    return answers.answer(request, paging.paged(request, found))


@routes.post(
    "/inbox/{id}/settle",
    None,
    status=204,
    raises=(NotFound, Denied, Conflict, PreconditionFailed, PreconditionRequired),
)
def settle_task(
    request: Request,
    catalog: Asking,
    id: Id,  # noqa: A002 - the word of the field
    if_match: IfMatch = None,
) -> Response:
    """Let a task wait no more; If-Match is its revision in quotes, such as "3"."""
    catalog.desk.settle(id, expected=conditions.expected(if_match, named.thing("task", id)))
    return answers.nothing()
