"""Servers in other arrangements than the embedded one: a cluster, and a sentinel."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from provender.online.embedded import server_binary

SENTINEL = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor main 127.0.0.1 {primary} {quorum}
"""
QUICK_SENTINEL = """\
sentinel down-after-milliseconds main 600
sentinel failover-timeout main 3000
"""
QUICK_FAILOVER = ["--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"]


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


@dataclass(slots=True)
class Node:
    """A server that can be killed; ``process`` is its."""

    port: int
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)


@contextmanager
def cluster(folder: Path) -> Iterator[list[Node]]:
    """A cluster: three primaries, which share the slots, then the replica of each."""
    with ExitStack() as running:
        nodes: list[Node] = []
        buses: list[int] = []
        for number in range(6):
            home = folder / f"node{number}"
            home.mkdir()
            port, bus = free_port(), free_port()
            options = ["--cluster-enabled", "yes", "--cluster-port", str(bus), *QUICK_FAILOVER]
            nodes.append(Node(port, running.enter_context(started(home, port, *options))))
            buses.append(bus)
        clients = [running.enter_context(node.client()) for node in nodes]
        for number, client in enumerate(clients[:3]):
            last = 16383 if number == 2 else 5461 * number + 5460
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 5461 * number, last)
        for node, bus in zip(nodes[1:], buses[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        wait_until(lambda: all(_known_nodes(client) == 6 for client in clients))
        for primary_, replica in zip(clients[:3], clients[3:], strict=True):
            replica.execute_command(
                "CLUSTER", "REPLICATE", primary_.execute_command("CLUSTER MYID")
            )
        wait_until(lambda: all(_is_synced(client) for client in clients[3:]))
        wait_until(lambda: all(_is_whole(client) for client in clients))
        yield nodes


@contextmanager
def sentinels(folder: Path) -> Iterator[tuple[list[int], list[Node]]]:
    """Three sentinels, by port, and the primary ``main`` they watch with its replica."""
    with ExitStack() as running:
        data: list[Node] = []
        for number in range(2):
            home = folder / f"data{number}"
            home.mkdir()
            port = free_port()
            process = running.enter_context(started(home, port, "--repl-diskless-sync-delay", "0"))
            data.append(Node(port, process))
        replica = running.enter_context(data[1].client())
        replica.replicaof("127.0.0.1", data[0].port)
        wait_until(lambda: _is_synced(replica))
        ports = []
        for number in range(3):
            home = folder / f"sentinel{number}"
            home.mkdir()
            port = free_port()
            config = home / "sentinel.conf"
            text = SENTINEL.format(port=port, folder=home, primary=data[0].port, quorum=2)
            config.write_text(text + QUICK_SENTINEL)
            running.enter_context(_running(str(config), "--sentinel", port=port))
            ports.append(port)
        for port in ports:
            watcher = running.enter_context(redis.Redis(port=port))
            wait_until(lambda watcher=watcher: _others(watcher) == (2, 1))
        yield ports, data


def _known_nodes(client: redis.Redis) -> int:
    lines = client.execute_command("CLUSTER NODES")
    return sum("connected" in one["flags"] or one["connected"] for one in lines.values())


def _is_synced(client: redis.Redis) -> bool:
    return client.info("replication").get("master_link_status") == "up"


def _is_whole(client: redis.Redis) -> bool:
    told = client.execute_command("CLUSTER INFO")
    return told["cluster_state"] == "ok" and told["cluster_slots_ok"] == "16384"


def _others(watcher: redis.Redis) -> tuple[int, int]:
    known = watcher.sentinel_master("main")
    return known["num-other-sentinels"], known["num-slaves"]


def wait_until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Return as soon as ``holds``."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it does not come to hold")
        time.sleep(0.02)


@contextmanager
def sentinel(folder: Path) -> Iterator[int]:
    """A primary called ``main`` with a password, and a sentinel that knows it; give its port."""
    with primary(folder, "--requirepass", "hush") as watched:
        port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(SENTINEL.format(port=port, folder=folder, primary=watched, quorum=1))
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
