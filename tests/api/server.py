"""A real server of the API, in a thread of the tests."""

import atexit
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from provender.api.app import application
from provender.api.errors import request_id
from provender.api.identity import governed
from provender.asgi import Site, gate_of
from provender.catalog.checkpoints import Sealing
from provender.catalog.local import LocalCatalog
from provender.core.clock import Clock, utc_now
from provender.core.identity import LOCAL, How, Identity, Mode
from provender.core.protocols import Library
from provender.hosts import LOOPBACK_NAMES
from provender.settings import Settings


def by_test_token(request: Request) -> Identity:
    """Who a test says it is: servers of ours take no such word."""
    _, _, actor = request.headers.get("authorization", "").partition(" ")
    return Identity(actor=actor or "person:ops", how=How.LOCAL)


@contextmanager
def catalog_api(
    url: str,
    *,
    clock: Clock = utc_now,
    identify: Callable[[Request], Identity] = by_test_token,
    governs: bool = False,
    anonymous: bool = False,
    sealing: Sealing | None = None,
) -> Iterator[str]:
    """The address of the API over the catalog at ``url``, for as long as the block runs.

    It lies where it lies in our server, under /api/v1. Where it ``governs`` it wants real tokens.
    """
    with ExitStack() as stack:
        catalog = stack.enter_context(
            LocalCatalog(url, actor="service:api", clock=clock, sealing=sealing)
        )
        home = Path(stack.enter_context(TemporaryDirectory()))
        api = the_api(governs, anonymous)
        api.state.library = lambda request: catalog.as_actor(
            request.state.identity, request=request_id(request)
        )
        api.state.gate = gate_of(Settings(home=home))
        api.state.identify = (
            governed(catalog.identify, anonymous=anonymous) if governs else identify
        )
        front = the_front()
        front.show(Site(api=api, pages=api))
        try:
            yield f"{front.address}/api/v1"
        finally:
            front.show(None)


@cache
def the_api(governs: bool, anonymous: bool) -> FastAPI:
    """The API of no catalog yet: to add its operations to one takes a third of a second."""
    return application(
        no_catalog,
        identify=by_test_token,
        hosts=LOOPBACK_NAMES,
        mode=Mode(mode="governed", anonymous=anonymous) if governs else LOCAL,
    )


def no_catalog(identity: Identity, request: str) -> Library:
    raise AssertionError("no catalog was given to the API")


class Front:
    """A server that shows one application after the other: starting one takes a third of a second."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self.address = ""

    def show(self, app: ASGIApp | None) -> None:
        assert app is None or self._app is None, "one application at a time"
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)


@cache
def the_front() -> Front:
    """The server of this process, up until its end."""
    front = Front()
    up = listening(front)
    front.address = up.__enter__()
    atexit.register(up.__exit__, None, None, None)
    return front


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """The address of ``app``, behind a real HTTP server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
