"""The catalog's pages as one ASGI application: ``uvicorn --factory provender.asgi:app``."""

import uvicorn
from starlette.applications import Starlette

from provender import bootstrap
from provender.hosts import LOOPBACK_NAMES
from provender.settings import Settings
from provender.web.app import application


def app(chosen: Settings | None = None, *, host: str = "127.0.0.1") -> Starlette:
    """Return the pages over the catalog of the settings.

    Listening on a loopback ``host`` they answer to loopback names only.
    """
    hosts = LOOPBACK_NAMES if host in LOOPBACK_NAMES else None
    return application(bootstrap.catalog(chosen), hosts=hosts)


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serve the pages until the process is told to stop."""
    uvicorn.run(
        app(settings, host=host),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )
