"""Running the online server: sockets first, so that a taken port is an error and not a retry."""

import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from provender.core.clock import frozen_at, utc_now
from provender.core.errors import Unavailable
from provender.online.secrets import KEYRING
from provender.online.store import OnlineStore
from provender.serving.app import OnlineApp
from provender.serving.snapshot import Snapshots, choose_project
from provender.transforms import load_transform

PORT = 6566
"""Feast's."""
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a worker makes its application from: values only, so that it travels to a process.

    ``folder`` keeps the last good manifest; ``repo`` holds the modules of on-demand functions;
    a ``clock`` freezes the time of lookups.
    """

    url: str
    project: str
    folder: Path
    repo: Path
    clock: datetime | None = None

    def __call__(self) -> OnlineApp:
        """Return the application, with a store of its own; nothing is connected yet."""
        KEYRING.look_in(self.folder.parent / "secrets")
        store = OnlineStore(self.url)
        load = partial(load_transform, repo=self.repo)
        snapshots = Snapshots(store, self.project, self.folder, load)
        return OnlineApp(store, snapshots, now=frozen_at(self.clock) if self.clock else utc_now)


def application(
    url: str, *, project: str = "", home: Path, repo: Path, clock: datetime | None = None
) -> Application:
    """Return the application of ``project``, or of the only project that has a manifest.

    Raises:
        NotFound, InvalidInput, Unavailable: as `choose_project`.
    """
    folder = home / "serving"
    with OnlineStore(url) as store:
        chosen = choose_project(store, project, folder)
    return Application(url=url, project=chosen, folder=folder, repo=repo, clock=clock)


def serve(
    make: Application,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    uds: Path | None = None,
    workers: int = 1,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until a signal ends it; ``ready`` is told the address beforehand.

    Raises:
        Unavailable: the port or the socket is taken, or may not be used.
    """
    listener = _listen_at(uds) if uds else _listen(host, port)
    config = uvicorn.Config(
        make,
        factory=True,
        interface="asgi3",
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        workers=workers,
    )
    try:
        with _ending_on_signals():
            if ready is not None:
                ready(_address(listener))
            _run(config, listener)
    finally:
        listener.close()
        if uds:
            uds.unlink(missing_ok=True)


class Ended(Exception):
    """A signal ended the server: what uvicorn passes on when it has finished its requests."""


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Leave the block quietly on SIGTERM and SIGINT, so that what comes after it is done."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    mine = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGTERM, signal.SIGINT) if mine else ()
    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    except (Ended, KeyboardInterrupt):
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(config: uvicorn.Config, listener: socket.socket) -> None:
    if config.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="stop the program that uses it, or choose another port",
        ) from error
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def _listen_at(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if _is_dead_socket(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen at {path}: {error.strerror or error}",
            hint="stop the program that uses it, or choose another path",
        ) from error
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def _is_dead_socket(path: Path) -> bool:
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return bool(probe.connect_ex(str(path)))


def _address(listener: socket.socket) -> str:
    name: Any = listener.getsockname()
    if listener.family is socket.AF_UNIX:
        return f"unix://{name}"
    host = f"[{name[0]}]" if listener.family is socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"
