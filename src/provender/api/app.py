"""The application: the table of routes, what stands before it, and how its errors are told."""

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from provender.api import (
    access,
    answers,
    audit,
    breakglass,
    contracts,
    datasets,
    declarations,
    editing,
    erasures,
    governance,
    inbox,
    lineage,
    models,
    projects,
    reference,
    requests,
    retention,
    retrieval,
    search,
    tokens,
    training,
    versions,
)
from provender.api.deprecated import DEPRECATED, Deprecations
from provender.api.description import describe
from provender.api.errors import answer_error, request_id
from provender.api.gate import Gate
from provender.api.guard import Guard
from provender.api.identity import Identify, local
from provender.api.parameters import known, only_known
from provender.api.routes import Operation
from provender.api.turns import turns_of
from provender.core.bounds import AT_ONCE, LOOKS_AT_ONCE
from provender.core.errors import ProvenderError
from provender.core.identity import LOCAL, Identity, Mode
from provender.core.protocols import Library
from provender.core.turns import Turns

PARTS = (
    datasets,
    versions,
    editing,
    contracts,
    retention,
    erasures,
    inbox,
    projects,
    training,
    models,
    retrieval,
    access,
    requests,
    breakglass,
    governance,
    declarations,
    search,
    lineage,
    audit,
    tokens,
)
OPERATIONS: tuple[Operation, ...] = tuple(
    operation for part in PARTS for operation in part.routes.operations
)
Speaks = Callable[[Identity, str], Library]
"""The catalog as spoken to by whoever asks, in a request of that id."""


def application(
    speaks: Speaks,
    *,
    identify: Identify,
    hosts: Collection[str] | None = None,
    deprecated: Deprecations = DEPRECATED,
    mode: Mode = LOCAL,
    gate: Gate | None = None,
) -> FastAPI:
    """Return the API over a catalog; ``identify`` says who asks, as ``mode`` tells everybody.

    ``hosts`` are the names it may be asked by; None is any. Rows come through the ``gate``.
    """
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        middleware=[Middleware(Guard, hosts=hosts, deprecated=deprecated)],
        exception_handlers={
            RequestValidationError: answer_error,
            HTTPException: answer_error,
            ProvenderError: answer_error,
            Exception: answer_error,
        },
    )
    for operation in OPERATIONS:
        app.add_api_route(
            operation.pattern,
            operation.endpoint,
            methods=[operation.method],
            deprecated=operation.name in deprecated or None,
            response_model=None,
            dependencies=[Depends(step) for step in _before(operation)],
        )
    app.state.changes, app.state.looks = Turns(AT_ONCE), Turns(LOOKS_AT_ONCE)
    app.state.mode = mode
    app.state.identify = identify
    app.state.gate = gate
    app.state.library = lambda request: speaks(request.state.identity, request_id(request))
    _add_description(app)
    return app


def _before(operation: Operation) -> list[Callable[..., Any]]:
    """What is done before anything of a request is read."""
    first: list[Callable[..., Any]] = [] if operation.open else [known]
    waits = turns_of(operation)
    return [*first, only_known, *([waits] if waits else [])]


def description(mode: Mode = LOCAL) -> dict[str, Any]:
    """Return the description of the API of a server in ``mode``, without a catalog."""

    def speaks(identity: Identity, request: str) -> Library:
        raise AssertionError("a description is asked for no catalog")

    app = application(speaks, identify=local("service:nobody"), mode=mode)
    return describe(app, OPERATIONS, mode)


def _add_description(app: FastAPI) -> None:
    @cache
    def whole() -> dict[str, Any]:
        return describe(app, OPERATIONS, app.state.mode)

    def openapi(request: Request) -> Response:
        return JSONResponse(whole())

    def docs(request: Request) -> Response:
        style = answers.address(request, "docs.css")
        return HTMLResponse(reference.page(whole(), style=style))

    def style(request: Request) -> Response:
        return Response(reference.STYLE, media_type="text/css")

    for path, show in (("/openapi.json", openapi), ("/docs", docs), ("/docs.css", style)):
        app.add_route(path, show, methods=["GET"], include_in_schema=False)
