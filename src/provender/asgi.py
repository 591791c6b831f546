"""The catalog's API and its pages as one application: ``uvicorn --factory provender.asgi:app``."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from provender import bootstrap
from provender.api.app import application as api_of
from provender.api.identity import local
from provender.api.logs import FORMATS, Log
from provender.api.metrics import Metrics
from provender.api.traces import Traces, provider_to
from provender.api.watching import Observer, Watch
from provender.core.clock import utc_now
from provender.hosts import LOOPBACK_NAMES
from provender.settings import Settings
from provender.web.app import application as pages_of


def app(chosen: Settings | None = None, *, host: str = "127.0.0.1") -> Starlette:
    """Return the API under /api/v1 and the pages under /, over the catalog of the settings.

    Listening on a loopback ``host`` they answer to loopback names only. Numbers about both are
    at /metrics.
    """
    hosts = LOOPBACK_NAMES if host in LOOPBACK_NAMES else None
    chosen = chosen or bootstrap.settings()
    catalog = bootstrap.local_catalog(chosen)
    api = api_of(
        lambda actor, request: catalog.as_actor(actor, request=request),
        identify=local(chosen.actor),
        hosts=hosts,
    )
    pages = pages_of(catalog, hosts=hosts)
    metrics = Metrics()
    metrics.gauge("connections_in_use", "Connections to the database in use.", catalog.in_use)
    return Starlette(
        routes=[
            Route("/metrics", metrics.answer),
            Mount("/api/v1", api),
            Mount("/", pages),
        ],
        middleware=_watching(chosen, metrics),
    )


def _watching(chosen: Settings, metrics: Metrics) -> list[Middleware]:
    """What looks at every request from outside: numbers, lines and spans."""
    observers: list[Observer] = [metrics]
    if chosen.log_format != "off":
        write = FORMATS[chosen.log_format]
        observers.append(Log(sys.stderr, write=write, clock=utc_now, actor=chosen.actor))
    watching = [Middleware(Watch, observers=observers)]
    if chosen.otel_endpoint:
        watching.append(Middleware(Traces, provider=provider_to(chosen.otel_endpoint)))
    return watching


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serve both until the process is told to stop."""
    uvicorn.run(
        app(settings, host=host),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )
