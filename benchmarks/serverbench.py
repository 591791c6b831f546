"""Servers under load: a Valkey of their own, ours, Feast's and the null server, in turns on one store.

All are started before the first turn and idle while another has its own; so they share the machine's
mood, not its cores. Ours is started by its command, as users start it.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import psutil

from benchmarks import online_data
from benchmarks.load import Load, Order, told
from benchmarks.online_data import PROJECT, Population
from benchmarks.race import ROOT, environment
from benchmarks.results import Figure, middle
from provender.online.embedded import server_binary

PATH = "/get-online-features"
START_SECONDS = 90.0
FEAST_TUNING = (
    "--no-access-log", "--worker-connections", "2000", "--max-requests", "0",
    "--max-requests-jitter", "0", "--keep-alive-timeout", "60", "--registry_ttl_sec", "300",
)  # fmt: skip
"""Feast's "Online Server Performance Tuning", and no worker is recycled while it is measured."""


@dataclass(slots=True)
class Server:
    """A running server: its process with all children, and where it listens."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """Return its process and the children of it."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        times = [one.cpu_times() for one in self.processes()]
        return sum(one.user + one.system for one in times)

    def peak_mb(self) -> float:
        """Return the most memory that its processes have had, added up."""
        return sum(_peak_mb(one.pid) for one in self.processes())

    def resident_mb(self) -> float:
        return sum(one.memory_info().rss for one in self.processes()) / 1e6

    def open_files(self) -> int:
        return sum(one.num_fds() for one in self.processes())

    def ask(self, body: str, path: str = PATH) -> bytes:
        """Return the answer to one request.

        Raises:
            SystemExit: it is no 200.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise SystemExit(f"{self.name} answers {response.status}: {text!r:.300}")
        return text


@dataclass(slots=True)
class Turns:
    """What one server's loads saw, round by round."""

    loads: list[Load] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    differing: int | None = None

    def figure(self, name: str, measure: str) -> Figure:
        """Return the median of ``measure`` (``rate``, ``p50_ms``, ``p99_ms``…) over the rounds."""
        values = [getattr(load, measure) for load in self.loads]
        return Figure(
            name=name,
            value=middle(values),
            cpu_seconds=middle(self.cpu_seconds),
            peak_mb=round(self.peak_mb, 1),
            differing=self.differing,
            runs=tuple(round(value, 4) for value in values),
        )

    def per_cpu_second(self) -> float:
        """Return the answers per second of the server's processors: a busy machine leaves that alone."""
        return sum(load.answers for load in self.loads) / max(sum(self.cpu_seconds), 0.01)

    def middle(self, measure: str) -> float:
        return median(getattr(load, measure) for load in self.loads)


@contextmanager
def valkey(folder: Path) -> Iterator[int]:
    """A Valkey on a free port, which keeps nothing on disk; give the port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running("valkey", [str(server_binary()), *options, "--dir", str(folder)], folder, port):
        yield port


@contextmanager
def ours(
    folder: Path, store_port: int, *, workers: int = 1, name: str = "ours", **settings: str
) -> Iterator[Server]:
    """Our server over the store, started by its command; ``settings`` are of its environment."""
    port = free_port()
    name = _called(name, workers)
    home = folder / name.replace(" ", "-")
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "provender.cli.main", "serve", "online"]
    options = ["--project", PROJECT, "--port", str(port), "--workers", str(workers)]
    seen = environment(str(home)) | {"PROVENDER_REDIS_URL": url_of(store_port)} | settings
    with running(name, [*command, *options], home, port, env=seen) as server:
        yield server


@contextmanager
def feast(folder: Path, *, workers: int = 1) -> Iterator[Server]:
    """Feast's server over the repository in ``folder``, with its documented tuning."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "feast.cli.cli", "-c", str(folder), "serve"]
    options = ["--port", str(port), "--workers", str(workers), *FEAST_TUNING]
    name = _called("feast", workers)
    with running(name, [*command, *options], folder, port) as server:
        yield server


@contextmanager
def null(folder: Path, answer: bytes) -> Iterator[Server]:
    """A server that answers everything with ``answer``."""
    port = free_port()
    path = folder / f"answer-{port}.json"
    path.write_bytes(answer)
    command = [sys.executable, "-m", "benchmarks.nullserver", str(port), str(path)]
    with running("null", command, folder, port) as server:
        yield server


@contextmanager
def running(
    name: str, command: Sequence[str], folder: Path, port: int, *, env: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run ``command`` while the block runs, from when it listens at ``port``.

    Raises:
        SystemExit: it ends instead, or does not listen.
    """
    log = folder / f"{name.replace(' ', '-')}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out, env=env or environment(str(folder))
        )
    server = Server(name, process, port, log)
    try:
        _wait(server)
        yield server
    finally:
        _end(server)


def fill_feast(population: Population, folder: Path, store_port: int) -> None:
    """Let a process of its own write the population with Feast; importing Feast is left to it.

    Raises:
        SystemExit: it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    online_data.save(population, folder)
    command = ["-W", "ignore", "-m", "benchmarks.online_data", str(folder), str(store_port)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT, env=environment(str(folder)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"Feast's rows cannot be written: {done.stderr[-600:]}")


def differing(server: Server, order: Order) -> int:
    """Ask everything once; return in how many cells the answers are not the right ones."""
    return sum(
        _cells_unlike(told(server.ask(body, order.path)), right)
        for body, right in zip(order.bodies, order.expected, strict=True)
    )


def turn(server: Server, order: Order, turns: Turns, folder: Path) -> Load:
    """Let the load have its turn on ``server`` and note what was seen.

    Raises:
        SystemExit: an answer was wrong, or none came.
    """
    path = folder / "order.json"
    path.write_text(json.dumps(asdict(order)))
    worked = server.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", str(path)],
        cwd=ROOT, env=environment(str(folder)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the load on {server.name} failed: {done.stderr[-600:]}")
    load = Load(**json.loads(done.stdout))
    if not load.sound:
        raise SystemExit(
            f"{server.name}: {load.wrong} of {load.checked} answers wrong; errors {load.errors}"
        )
    turns.loads.append(load)
    turns.cpu_seconds.append(server.cpu_seconds() - worked)
    turns.peak_mb = max(turns.peak_mb, server.peak_mb())
    return load


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _called(name: str, workers: int) -> str:
    return name if workers == 1 else f"{name}, {workers} workers"


def _cells_unlike(
    found: dict[str, list[list[object]]], right: dict[str, list[list[object]]]
) -> int:
    if found == right:
        return 0
    unlike = 0
    for name in found.keys() | right.keys():
        one, other = found.get(name, [[]] * 3), right.get(name, [[]] * 3)
        rows = max(len(one[0]), len(other[0]))
        cells = [list(zip(*column, strict=True)) for column in (one, other)]
        unlike += sum(cells[0][row : row + 1] != cells[1][row : row + 1] for row in range(rows))
    return unlike


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    where = urlsplit(server.address)
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with socket.socket() as probe:
            if not probe.connect_ex((str(where.hostname), server.port)):
                return
        time.sleep(0.05)
    text = server.log.read_text(errors="replace")[-600:]
    raise SystemExit(f"{server.name} does not start: {text}")


def _end(server: Server) -> None:
    """End it, and kill what is still there 10 seconds later."""
    everyone = server.processes() if server.process.poll() is None else []
    server.process.terminate()
    try:
        server.process.wait(10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    for one in everyone:
        if one.is_running():
            one.kill()


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


CORES = os.cpu_count() or 1
LOAD_GENERATOR = (
    f"benchmarks.load, asyncio protocols on uvloop in one process, closed loop, "
    f"on the same {CORES} cores as the servers and the store"
)
