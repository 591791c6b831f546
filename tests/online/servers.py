"""Servers in other arrangements than the embedded one: a cluster, and a sentinel."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from provender.online.embedded import server_binary

SENTINEL = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor main 127.0.0.1 {primary} 1
"""


@contextmanager
def cluster_node(folder: Path) -> Iterator[int]:
    """A cluster of one node, which serves all slots; give its port."""
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    with primary(folder, *options) as port:
        with redis.Redis(port=port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                time.sleep(0.02)
        yield port


@contextmanager
def sentinel(folder: Path) -> Iterator[int]:
    """A primary called ``main`` with a password, and a sentinel that knows it; give its port."""
    with primary(folder, "--requirepass", "hush") as watched:
        port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(SENTINEL.format(port=port, folder=folder, primary=watched))
        with _running(str(config), "--sentinel", port=port):
            yield port


@contextmanager
def primary(folder: Path, *options: str) -> Iterator[int]:
    """A server of its own on a free port; give the port."""
    port = free_port()
    with started(folder, port, *options):
        yield port


@contextmanager
def started(folder: Path, port: int, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server on ``port`` that keeps nothing on disk; give its process."""
    fixed = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with _running(*fixed, *options, port=port) as process:
        yield process


@contextmanager
def _running(*arguments: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [str(server_binary()), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.02)
    raise TimeoutError("the server does not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
