"""T32: the policy of now costs a lookup at most a millisecond at its 99th percentile, and no round trip.

Two servers as users start them, over one catalog and one store: one asks which lease is in force with
every lookup, one serves by the policy as it was applied. They are asked in turns, request by request.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from provender.online.store import OnlineStore
from tests.online.servers import primary
from tests.serving.governed import FEATURES, Asker, govern, serving
from tests.stress import times

LOOKUPS = times(1000)
BLOCKS = 10
"""On a machine that others use too, the median of so many differences: a pause hits one of them."""
ATTEMPTS = 3
"""What costs more than is allowed does so each time; what else the machine does, does not."""
ALLOWED_MS = 1.0


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that is reached by TCP: it tells connections apart by their ports."""
    with primary(tmp_path_factory.mktemp("valkey")) as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def servers(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asker]]:
    home: Path = tmp_path_factory.mktemp("overhead")
    url = f"sqlite:///{home / 'catalog.db'}"
    with OnlineStore(redis_url) as store:
        govern(url, store)
    with (
        serving(home / "on", url, redis_url) as on,
        serving(home / "off", url, redis_url, online_policy="applied") as off,
    ):
        askers = {"on": Asker(on), "off": Asker(off)}
        yield askers
        for asker in askers.values():
            asker.close()


def asked(asker: Asker) -> float:
    """Return how many milliseconds one lookup took."""
    began = time.perf_counter()
    assert asker.ask(*FEATURES[:10]) == (200, str([7] * 10))
    return (time.perf_counter() - began) * 1000


def test_the_policy_of_now_costs_at_most_a_millisecond(servers: dict[str, Asker]) -> None:
    for asker in servers.values():
        for _ in range(200):
            asked(asker)
    told = []
    for _ in range(ATTEMPTS):
        over = [differing(servers) for _ in range(BLOCKS)]
        told.append(
            f"{LOOKUPS} lookups each: p99 {median(over):+.3f} ms, "
            f"of {BLOCKS} from {min(over):+.3f} to {max(over):+.3f}"
        )
        logging.getLogger(__name__).info(told[-1])
        if median(over) <= ALLOWED_MS:
            return
    raise AssertionError(told)


def test_the_policy_of_now_takes_no_round_trip_more(
    servers: dict[str, Asker], redis_url: str
) -> None:
    trips: dict[str, int] = {}
    for name, asker in servers.items():
        with watched(redis_url) as commands:
            for _ in range(100):
                asked(asker)
        trips[name] = of_lookups(commands)
    assert trips == {"on": 100, "off": 100}


def differing(servers: dict[str, Asker]) -> float:
    """Return by how much the 99th percentile with the policy is above that without, in milliseconds."""
    took: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(LOOKUPS // BLOCKS):
        for name in sorted(servers, reverse=number % 2 == 0):
            took[name].append(asked(servers[name]))
    return p99(took["on"]) - p99(took["off"])


def p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]


@contextmanager
def watched(redis_url: str) -> Iterator[list[tuple[str, str]]]:
    """Who sent which command to the store meanwhile: the connection, and the text."""
    seen: list[tuple[str, str]] = []
    with OnlineStore(redis_url) as store, store.commands() as client, client.monitor() as monitor:
        begun = threading.Event()

        def listen() -> None:
            for said in monitor.listen():
                if said["command"] == "ECHO the end":
                    return
                seen.append((f"{said['client_address']}:{said['client_port']}", said["command"]))
                begun.set()

        listener = threading.Thread(target=listen)
        listener.start()
        with OnlineStore(redis_url) as other, other.commands() as caller:
            caller.echo("the beginning")
            assert begun.wait(10)
            yield seen
            caller.echo("the end")
        listener.join(10)


def of_lookups(commands: list[tuple[str, str]]) -> int:
    """Return how many commands the connections that read rows sent, but for the probe of each second."""
    sent = defaultdict(list)
    for connection, command in commands:
        sent[connection].append(command)
    rows = [some for some in sent.values() if any("{1}" in command for command in some)]
    probes = [c for some in rows for c in some if "provender:probe" in c and "{1}" not in c]
    return sum(map(len, rows)) - len(probes)  # one that came with a lookup is no trip of its own
