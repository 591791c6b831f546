"""Real processes that can be killed: Valkey servers alone, watched by sentinels, in a cluster, and ours."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import redis

from provender.online.embedded import server_binary
from tests.online.servers import free_port

ROOT = Path(__file__).parents[2]
PROJECT = "faults"
SENTINEL = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor main 127.0.0.1 {primary} 2
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
sentinel parallel-syncs main 1
"""


class Valkey:
    """A server on a port of its own, which keeps nothing on disk: killed, it comes back empty."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._options = options
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
        command = [str(server_binary()), *self._options, *fixed]
        if not self._options or not self._options[0].endswith(".conf"):
            command += ["--save", "", "--appendonly", "no"]
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
def valkey(folder: Path, *options: str) -> Iterator[Valkey]:
    server = Valkey(folder, *options)
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


@contextmanager
def sentinels(folder: Path) -> Iterator[tuple[list[Valkey], list[int]]]:
    """A primary called ``main``, a replica, and three sentinels; give the servers and the ports."""
    with ExitStack() as stack:
        primary = stack.enter_context(valkey(folder))
        follow = ["--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0"]
        replica = stack.enter_context(valkey(folder, *follow))
        with replica.client() as client:
            wait_for(
                lambda: client.info("replication")["master_link_status"] == "up", "the replica"
            )
        watchers = [stack.enter_context(_watcher(folder, primary.port)) for _ in range(3)]
        for watcher in watchers:
            with watcher.client() as client:
                wait_for(lambda client=client: _knows_all(client), "a sentinel")
        yield [primary, replica], [watcher.port for watcher in watchers]


@contextmanager
def cluster(folder: Path) -> Iterator[list[Valkey]]:
    """Three primaries, and then a replica of each, in that order."""
    with ExitStack() as stack:
        buses = [free_port() for _ in range(6)]
        nodes = [stack.enter_context(_node(folder, bus)) for bus in buses]
        primaries, replicas = nodes[:3], nodes[3:]
        for node in nodes[1:]:
            with node.client() as client:
                _command(client, "CLUSTER MEET", "127.0.0.1", nodes[0].port, buses[0])
        for number, node in enumerate(primaries):
            first, last = number * 16_384 // 3, (number + 1) * 16_384 // 3 - 1
            with node.client() as client:
                _command(client, "CLUSTER ADDSLOTSRANGE", first, last)
        for node in nodes:
            wait_for(lambda node=node: _info(node, "cluster_known_nodes") == "6", "the cluster")
        for primary, replica in zip(primaries, replicas, strict=True):
            with primary.client() as client, replica.client() as follower:
                name = _command(client, "CLUSTER MYID").decode()
                wait_for(lambda: _follows(follower, name), "a replica of the cluster")  # noqa: B023
        for node in nodes:
            wait_for(lambda node=node: _info(node, "cluster_state") == "ok", "the cluster")
        for replica in replicas:
            with replica.client() as client:
                wait_for(
                    lambda client=client: client.info("replication")["master_link_status"] == "up",
                    "a replica of the cluster",
                )
        yield nodes


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


@contextmanager
def _watcher(folder: Path, primary: int) -> Iterator[Valkey]:
    port = free_port()
    config = folder / f"sentinel-{port}.conf"
    config.write_text(SENTINEL.format(port=port, folder=folder, primary=primary))
    with ExitStack() as stack:
        server = Valkey(folder, str(config), "--sentinel", port=port)
        stack.callback(server.kill)
        yield server


@contextmanager
def _node(folder: Path, bus: int) -> Iterator[Valkey]:
    options = ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
    more = ["--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"]
    with valkey(folder, *options, *more) as node:
        yield node


def _knows_all(client: redis.Redis) -> bool:
    state = _command(client, "SENTINEL MASTER", "main")
    return int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == 2


def _follows(client: redis.Redis, primary: str) -> bool:
    try:
        _command(client, "CLUSTER REPLICATE", primary)
    except redis.ResponseError:  # it does not know that node yet
        return False
    return True


def _info(node: Valkey, name: str) -> str:
    with node.client() as client:
        found: str = client.execute_command("CLUSTER INFO")[name]
        return found


def _command(client: redis.Redis, *parts: str | int):
    return client.execute_command(*parts)


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
