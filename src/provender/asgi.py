"""The catalog's API and its pages as one application: ``uvicorn --factory provender.asgi:app``."""

import gc
import sys
from collections.abc import Collection
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from provender import bootstrap
from provender.api.app import application as api_of
from provender.api.gate import Gate
from provender.api.guard import is_embedded
from provender.api.identity import either, governed, local
from provender.api.logs import FORMATS, Log
from provender.api.metrics import Metrics
from provender.api.traces import Traces, provider_to
from provender.api.watching import Observer, Watch
from provender.catalog.local import LocalCatalog
from provender.core.clock import utc_now
from provender.core.errors import Misconfigured
from provender.core.identity import LOCAL, Identity, Mode
from provender.hosts import LOOPBACK_NAMES, host_name
from provender.sdk.gateway import LakeGateway
from provender.settings import Settings
from provender.web.app import application as pages_of
from provender.web.visitors import signed_in

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


def app(
    chosen: Settings | None = None, *, host: str = "127.0.0.1", catalog: LocalCatalog | None = None
) -> ASGIApp:
    """Return the API under /api/v1 and the pages under /, over the ``catalog`` of the settings.

    Whoever takes everybody for one actor, as `local` mode does, answers on loopback and to its
    names only. Numbers about both are at /metrics.

    Raises:
        Misconfigured: it would be reached from elsewhere in a mode that is not for that.
    """
    chosen = chosen or bootstrap.settings()
    check_reach(chosen, host)
    hosts = names_of(chosen)
    catalog = catalog or bootstrap.local_catalog(chosen)
    mode = mode_of(chosen)
    identify = local(chosen.actor)
    if not mode.is_local:
        provider = bootstrap.identity_provider(chosen)
        known = either(catalog.identify, provider.identify if provider else None)
        identify = governed(known, anonymous=mode.anonymous)

    def speaks(identity: Identity, request: str) -> LocalCatalog:
        return catalog.as_actor(identity, request=request)

    gate = gate_of(chosen)
    api = api_of(speaks, identify=identify, hosts=hosts, mode=mode, gate=gate)
    visitors = None if mode.is_local else signed_in(catalog.as_actor, catalog, identify, mode=mode)
    metrics = Metrics()
    metrics.gauge("connections_in_use", "Connections to the database in use.", catalog.in_use)
    metrics.gauge("retrievals", "Retrievals of rows at work.", lambda: gate.inside)
    pages = pages_of(catalog, hosts=hosts, visitors=visitors)
    return _watched(Site(api=api, pages=pages, metrics=metrics, hosts=hosts), chosen, metrics)


def gate_of(chosen: Settings) -> Gate:
    """Return the gate to the lake of these settings."""
    return Gate(
        LakeGateway(chosen),
        chosen.spill,
        at_once=chosen.retrieve_at_once,
        seconds=chosen.retrieve_seconds,
        largest=chosen.retrieve_megabytes << 20,
    )


def mode_of(chosen: Settings) -> Mode:
    """Return how the server of these settings knows who asks, as it tells everybody."""
    if chosen.mode == "local":
        return LOCAL
    public = urlsplit(chosen.public_url)
    host = public.netloc.lower() if public.scheme == "https" else ""
    return Mode(mode=chosen.mode, anonymous=chosen.anonymous, public_host=host)


def names_of(chosen: Settings) -> Collection[str]:
    """Return the names that the server of these settings is asked by."""
    public = host_name(urlsplit(chosen.public_url).netloc)
    return LOOPBACK_NAMES | ({public} if public and chosen.mode == "governed" else frozenset())


def check_reach(chosen: Settings, host: str) -> None:
    """Check that a server on ``host`` is in a mode that is for whoever can reach it there.

    Raises:
        Misconfigured: it is not.
    """
    public = urlsplit(chosen.public_url)
    if host in LOOPBACK_NAMES or host_name(public.netloc) in LOOPBACK_NAMES:
        return
    if chosen.mode == "local":
        raise Misconfigured(
            f"in local mode everybody who reaches {host} would be {chosen.actor}",
            hint="listen on 127.0.0.1, or set PROVENDER_MODE=governed, see docs/how-to/run-governed.md",
        )
    if public.scheme != "https":
        raise Misconfigured(
            f"on {host} tokens would travel in the clear",
            hint="let a proxy speak TLS, and set PROVENDER_PUBLIC_URL to its https:// address",
        )


def _watched(site: ASGIApp, chosen: Settings, metrics: Metrics) -> ASGIApp:
    """What looks at every request from outside: numbers, lines and spans."""
    observers: list[Observer] = [metrics]
    actor = chosen.actor if chosen.mode == "local" else ""
    if chosen.log_format != "off":
        write = FORMATS[chosen.log_format]
        observers.append(Log(sys.stderr, write=write, clock=utc_now, actor=actor))
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
