"""The catalog's API and its pages as one application: ``uvicorn --factory provender.asgi:app``."""

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from provender import bootstrap
from provender.api.app import application as api_of
from provender.api.identity import local
from provender.hosts import LOOPBACK_NAMES
from provender.settings import Settings
from provender.web.app import application as pages_of


def app(chosen: Settings | None = None, *, host: str = "127.0.0.1") -> Starlette:
    """Return the API under /api/v1 and the pages under /, over the catalog of the settings.

    Listening on a loopback ``host`` they answer to loopback names only.
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
    return Starlette(routes=[Mount("/api/v1", api), Mount("/", pages)])


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
