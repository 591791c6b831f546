"""Real processes that can be killed: a Valkey server and ours."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import redis

from provender.online.embedded import server_binary
from tests.online.servers import free_port

ROOT = Path(__file__).parents[2]
PROJECT = "faults"


class Valkey:
    """A server on a port of its own, which keeps nothing on disk: killed, it comes back empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command = [str(server_binary()), *fixed, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers, f"the server at {self.port}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks: its connections stay open and silent."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class Served:
    """Our server, started by its command."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self.log = log

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve, without the one that watches them."""
        return [one for one in psutil.Process(self.process.pid).children() if _works(one)]


@contextmanager
def valkey(folder: Path) -> Iterator[Valkey]:
    server = Valkey(folder)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def serving(folder: Path, url: str, *, workers: int = 1, **settings: str) -> Iterator[Served]:
    """Our server over the store at ``url``; ``settings`` are further ``PROVENDER_*`` variables."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PROVENDER_")}
    seen = inherited | {"PROVENDER_REDIS_URL": url, "PROVENDER_HOME": str(folder)} | settings
    command = [sys.executable, "-m", "provender.cli.main", "serve", "online"]
    options = ["--project", PROJECT, "--port", str(port), "--workers", str(workers)]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, *options], cwd=ROOT, env=seen, stdout=out, stderr=out)
    served = Served(process, port, log)
    try:
        wait_for(lambda: _healthy(served), f"our server ({log.read_text()[-500:]})")
        yield served
    finally:
        everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for one in everyone:
            if one.is_running() and one.pid != process.pid:
                one.kill()


def wait_for(met: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Return when ``met`` is.

    Raises:
        TimeoutError: it is not in time.
    """
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready after {seconds:g} s")
        time.sleep(0.02)


def _works(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one, too
        return False


def _healthy(served: Served) -> bool:
    if served.process.poll() is not None:
        raise AssertionError(served.log.read_text()[-2000:])
    try:
        return httpx.get(f"{served.address}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
