"""The application of the pages: addresses, answers in HTML or JSON, and errors in words."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import nullcontext
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from provender.core.bounds import AT_ONCE, LOOKS_AT_ONCE
from provender.core.clock import Clock, utc_now
from provender.core.digest import plain
from provender.core.errors import Denied, NotFound, ProvenderError, Unauthenticated
from provender.core.identity import How, Identity
from provender.core.protocols import Library
from provender.core.turns import Turns
from provender.web import (
    audit,
    browsing,
    columns,
    contracts,
    datasets,
    differences,
    edits,
    erasures,
    features,
    inbox,
    keyring,
    models,
    people,
    policy,
    projects,
    remembrance,
    requests,
    rights,
    search,
    signing,
    taxonomy,
    tracing,
    training,
    versions,
)
from provender.web.forms import OF_NOBODY, ActionFunction, check_form, read, received
from provender.web.guard import Guard, Twins, wants_json
from provender.web.page import Elsewhere, Page, PageFunction, Visit
from provender.web.templates import Templates
from provender.web.visitors import SIGNING, Visitor, Visitors, check_csrf, everybody, is_secure

PAGES: tuple[tuple[str, PageFunction], ...] = (
    ("/", browsing.home),
    ("/search", search.results),
    ("/suggest", search.suggestions),
    ("/datasets", browsing.datasets),
    ("/datasets/{name}", datasets.dataset),
    ("/datasets/{name}/column", columns.column),
    ("/datasets/{name}/contract", contracts.contract),
    ("/datasets/{name}/diff", differences.difference),
    ("/datasets/{name}/edit", edits.form),
    ("/datasets/{name}/history", remembrance.history),
    ("/datasets/{name}/why", requests.why),
    ("/datasets/{name}/access", rights.rights),
    ("/datasets/{name}/versions", versions.versions),
    ("/datasets/{name}/versions/{number}", versions.version),
    ("/features", projects.features),
    ("/features/{name}", features.view),
    ("/services/{name}", features.service),
    ("/projects/{name}", projects.project),
    ("/entities/{name}", projects.entity),
    ("/saved-datasets/{name}", projects.saved),
    ("/training-sets", training.training_sets),
    ("/training-sets/{id}", training.training_set),
    ("/models", models.models),
    ("/models/{name}", models.model),
    ("/lineage", tracing.lineage),
    ("/tags", taxonomy.tags),
    ("/tags/{name}", taxonomy.tag),
    ("/glossary", taxonomy.glossary),
    ("/glossary/{name}", taxonomy.term),
    ("/people/{id}", people.person),
    ("/inbox", inbox.inbox),
    ("/policy", policy.policy),
    ("/requests", requests.requests),
    ("/requests/new", requests.form),
    ("/requests/{id}", requests.request),
    ("/audit", audit.events),
    ("/erasures", erasures.erasures),
    ("/erasures/{id}", erasures.erasure),
    ("/tokens", keyring.tokens),
    ("/sign-in", signing.form),
)
OPEN = frozenset({"/sign-in"})
"""Pages and forms of people who are not known yet."""
ACTIONS: tuple[tuple[str, ActionFunction], ...] = (
    ("/datasets/{name}/edit", edits.save),
    ("/datasets/{name}/rename", edits.rename),
    ("/datasets/{name}/versions/{number}/state", edits.state),
    ("/inbox/{id}/settle", inbox.settle),
    ("/tokens", keyring.create),
    ("/tokens/{id}/revoke", keyring.revoke),
    ("/sign-in", signing.sign_in),
    ("/sign-out", signing.sign_out),
    ("/grants/{id}/revoke", rights.revoke),
    ("/grants/{id}/renew", rights.renew),
    ("/requests/new", requests.make),
    ("/requests/{id}/answer", requests.answer),
)
STATIC = Path(__file__).parent / "static"
Endpoint = Callable[[Request], Response]
AsyncEndpoint = Callable[[Request], Awaitable[Response]]


def application(
    catalog: Library,
    *,
    clock: Clock = utc_now,
    hosts: Collection[str] | None = None,
    visitors: Visitors | None = None,
) -> Starlette:
    """Return the pages of ``catalog``: to ``visitors``, else to the actor that it speaks for.

    ``hosts`` are the names it may be asked by; None is any. A page on this machine's loopback
    address should answer to loopback names only, so that no other site's script can read it.
    """
    site = Site(catalog, clock, visitors or _of_one(catalog))
    pages = (
        (path, site.entrance(show) if path in OPEN else site.endpoint(show)) for path, show in PAGES
    )
    posts = (
        (path, site.action(do, known=path not in OPEN, waits=not path.endswith("/revoke")))
        for path, do in ACTIONS
    )
    app = Starlette(
        routes=[
            *(Route(path, answer, methods=["GET"]) for path, answer in pages),
            *(Route(path, answer, methods=["POST"]) for path, answer in posts),
            Route("/healthz", site.health, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts), Middleware(Twins)],
        exception_handlers={
            ProvenderError: site.explain,
            HTTPException: site.explain,
            Exception: site.explain,
        },
    )
    app.state.visitors = site.visitors
    return app


class Site:
    """Turns page functions into endpoints, and errors into pages."""

    def __init__(self, catalog: Library, clock: Clock, visitors: Visitors) -> None:
        self._catalog = catalog
        self._clock = clock
        self.visitors = visitors
        self._templates = Templates(STATIC)
        self._changes, self._looks = Turns(AT_ONCE), Turns(LOOKS_AT_ONCE)

    def endpoint(self, show: PageFunction) -> AsyncEndpoint:
        """Return an endpoint that works in a thread, since the catalog is synchronous."""

        def work(request: Request, visitor: Visitor) -> Response:
            with visitor.catalog.at_once() as catalog:
                visit = self._visit(request, replace(visitor, catalog=catalog))
                return self._answer(visit, show(visit))

        async def answer(request: Request) -> Response:
            visitor = await run_in_threadpool(self.visitors.known, request)
            async with self._looks.of(visitor.identity.actor):
                return await run_in_threadpool(work, request, visitor)

        return answer

    def entrance(self, show: PageFunction) -> Endpoint:
        """Return an endpoint for whoever is not known yet."""

        def answer(request: Request) -> Response:
            visit = self._visit(request, self._visitor(request))
            return self._answer(visit, show(visit))

        return answer

    def action(
        self, do: ActionFunction, *, known: bool = True, waits: bool = True
    ) -> AsyncEndpoint:
        """Return an endpoint that takes a form of ours, and does what it says in a thread.

        It ``waits`` while others of the same actor are at work: whatever ends something does not.

        It was made for who sends it: for somebody who is ``known``, else for a browser.
        """

        def work(request: Request, visitor: Visitor | None, body: bytes) -> Response:
            token, form = read(body)
            signing = SIGNING.read(request, self.visitors.mode)
            check_csrf(token, visitor.secret if visitor else signing)
            visit = self._visit(request, visitor)
            return self._answer(visit, do(visit, form))

        async def answer(request: Request) -> Response:
            check_form(request)
            if not known:
                body = await received(request, largest=OF_NOBODY)
                return await run_in_threadpool(work, request, None, body)
            visitor = await run_in_threadpool(self.visitors.known, request)
            turn = self._changes.of(visitor.identity.actor) if waits else nullcontext()
            async with turn:
                return await run_in_threadpool(work, request, visitor, await received(request))

        return answer

    def _visit(self, request: Request, visitor: Visitor | None) -> Visit:
        return Visit(visitor, request, self._clock(), self.visitors)

    def health(self, request: Request) -> Response:
        """Say whether the catalog can be read."""
        _ = self._catalog.actor
        return JSONResponse({"status": "ok"})

    def explain(self, request: Request, error: Exception) -> Response:
        """Answer an error with its words, its hint and its status."""
        shown = _in_words(request, error)
        if wants_json(request.scope):
            return _json({"error": shown}, status=shown["status"])
        if isinstance(error, Unauthenticated) and _may_sign_in(request, self.visitors):
            return RedirectResponse(signing.address(request), status_code=303)
        visit = self._visit(request, self._visitor(request))
        page = Page(
            template="error.html",
            title=str(shown["title"]),
            facts=shown,
            fragment="_error.html",
            status=shown["status"],
        )
        return self._answer(visit, page)

    def _visitor(self, request: Request) -> Visitor | None:
        """Who visits; None if nobody knows."""
        try:
            return self.visitors.known(request)
        except ProvenderError:
            return None

    def _answer(self, visit: Visit, page: Page | Elsewhere) -> Response:
        answer = self._answered(visit, page)
        for cookie, value in page.cookies:
            answer.set_cookie(
                cookie.called(visit.request, visit.mode),
                value or "",
                max_age=cookie.seconds if value else 0,
                secure=is_secure(visit.request, visit.mode),
                httponly=True,
                samesite="lax",
            )
        return answer

    def _answered(self, visit: Visit, page: Page | Elsewhere) -> Response:
        if isinstance(page, Elsewhere):
            return RedirectResponse(page.address, status_code=308 if page.permanent else 303)
        if wants_json(visit.request.scope):
            return _json(page.facts, status=page.status)
        return HTMLResponse(self._templates.render(page, visit), status_code=page.status)


def _of_one(catalog: Library) -> Visitors:
    return everybody(catalog, Identity(actor=catalog.actor.id, how=How.LOCAL))


def _may_sign_in(request: Request, visitors: Visitors) -> bool:
    """Whether somebody looks at a page who can go and sign in; no script, no program."""
    asks = request.method in ("GET", "HEAD") and "authorization" not in request.headers
    return visitors.sessions is not None and asks and "hx-request" not in request.headers


def _json(facts: Any, *, status: int) -> Response:
    return JSONResponse(plain(facts), status_code=status)


def _in_words(request: Request, error: Exception) -> dict[str, Any]:
    """Return what an error page says; of an error that nobody foresaw, nothing of its inside."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        error = NotFound(f"there is no page {request.url.path}", hint="search, or begin at /")
    if isinstance(error, ProvenderError):
        status, code, message, hint = error.status, error.code, error.message, error.hint
    elif isinstance(error, HTTPException):
        status, code, message, hint = error.status_code, "http", error.detail, "begin at /"
    else:
        status, code = int(HTTPStatus.INTERNAL_SERVER_ERROR), "error"
        message, hint = "something went wrong on the server", "the server's log says what"
    return {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "code": code,
        "message": message,
        "hint": hint,
        "facts": error.facts if isinstance(error, Denied) else (),
    }
