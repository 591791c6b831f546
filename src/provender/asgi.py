"""The catalog's API and its pages as one application: ``uvicorn --factory provender.asgi:app``."""

import gc
import sys
from collections.abc import Collection

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from provender import bootstrap
from provender.api.app import application as api_of
from provender.api.guard import is_embedded
from provender.api.identity import local
from provender.api.logs import FORMATS, Log
from provender.api.metrics import Metrics
from provender.api.traces import Traces, provider_to
from provender.api.watching import Observer, Watch
from provender.core.clock import utc_now
from provender.hosts import LOOPBACK_NAMES, host_name
from provender.settings import Settings
from provender.web.app import application as pages_of

PREFIX = "/api/v1"


class Site:
    """The API under /api/v1, whatever is in the rest of a path, and the pages for all else."""

    def __init__(
        self,
        *,
        api: ASGIApp,
        pages: ASGIApp,
        metrics: Metrics | None = None,
        hosts: Collection[str] | None = None,
    ) -> None:
        self._api = api
        self._pages = pages
        self._hosts = hosts
        self._metrics = Route("/metrics", metrics.answer) if metrics else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            scope["root_path"] = scope.get("root_path", "") + PREFIX
            await self._api(scope, receive, send)
            return
        headers = Headers(raw=list(scope.get("headers", ())))
        if is_embedded(headers):
            refusal = PlainTextResponse("another site's page asked for this\n", 403)
            await refusal(scope, receive, send)
        elif self._metrics is not None and path == self._metrics.path:
            scope["route"] = self._metrics
            if self._hosts is not None and host_name(headers.get("host", "")) not in self._hosts:
                refusal = PlainTextResponse("this server does not answer to that name\n", 421)
                await refusal(scope, receive, send)
                return
            await self._metrics.handle(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


def app(chosen: Settings | None = None, *, host: str = "127.0.0.1") -> ASGIApp:
    """Return the API under /api/v1 and the pages under /, over the catalog of the settings.

    Listening on a loopback ``host`` they answer to loopback names only; the API, which takes
    everybody for the actor of the settings, wherever it listens. Numbers about both are at
    /metrics.
    """
    hosts = LOOPBACK_NAMES if host in LOOPBACK_NAMES else None
    chosen = chosen or bootstrap.settings()
    catalog = bootstrap.local_catalog(chosen)
    api = api_of(
        lambda actor, request: catalog.as_actor(actor, request=request),
        identify=local(chosen.actor),
        hosts=LOOPBACK_NAMES,
    )
    metrics = Metrics()
    metrics.gauge("connections_in_use", "Connections to the database in use.", catalog.in_use)
    pages = pages_of(catalog, hosts=hosts)
    return _watched(Site(api=api, pages=pages, metrics=metrics, hosts=hosts), chosen, metrics)


def _watched(site: ASGIApp, chosen: Settings, metrics: Metrics) -> ASGIApp:
    """What looks at every request from outside: numbers, lines and spans."""
    observers: list[Observer] = [metrics]
    if chosen.log_format != "off":
        write = FORMATS[chosen.log_format]
        observers.append(Log(sys.stderr, write=write, clock=utc_now, actor=chosen.actor))
    traced = site
    if chosen.otel_endpoint:
        traced = Traces(site, provider=provider_to(chosen.otel_endpoint))
    return Watch(traced, observers=observers)


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serve both until the process is told to stop."""
    site = app(settings, host=host)
    gc.collect()
    gc.freeze()  # what is there now stays: a request need not wait until it is walked through
    try:
        uvicorn.run(
            site,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
        )
    finally:
        gc.unfreeze()
