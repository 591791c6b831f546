"""The catalog's API and its pages as one application: ``uvicorn --factory provender.asgi:app``."""

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from provender import bootstrap
from provender.api.app import application as api_of
from provender.api.identity import local
from provender.hosts import LOOPBACK_NAMES
from provender.settings import Settings
from provender.web.app import application as pages_of

PREFIX = "/api/v1"


class Site:
    """The API under /api/v1, whatever is in the rest of a path, and the pages for all else."""

    def __init__(self, *, api: ASGIApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            await self._pages(scope, receive, send)
            return
        beneath = {**scope, "root_path": scope.get("root_path", "") + PREFIX}
        await self._api(beneath, receive, send)


def app(chosen: Settings | None = None, *, host: str = "127.0.0.1") -> ASGIApp:
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
    return Site(api=api, pages=pages)


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
