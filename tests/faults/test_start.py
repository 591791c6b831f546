"""A server that starts while the store accepts and says nothing, or lets nobody in at all."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from provender.online.store import OnlineStore
from tests.faults.oracle import MANIFEST
from tests.faults.processes import PROJECT, wait_for
from tests.online.proxy import Proxy
from tests.serving.conftest import Running, starting

BOUND_SECONDS = 4.0
"""Two that the server may take, and as much for a busy machine; it was twenty."""
ASKED = {"features": ["load:share"], "entities": {"entity": [1]}}


@contextmanager
def black_hole() -> Iterator[int]:
    """A port where connections are neither taken nor refused: the queue of those that wait is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def health(running: Running) -> httpx.Response:
    return running.client.get("/health")


@pytest.fixture
def published(redis_server):
    with OnlineStore(redis_server.url) as store:
        store.publish_manifest(MANIFEST)
    return redis_server


def test_a_start_on_a_silent_store_says_so_within_seconds_and_recovers_by_itself(
    published, tmp_path, say
):
    with Proxy(published.port) as proxy:
        proxy.swallowing = True
        with starting(tmp_path, proxy.url, project=PROJECT) as running:
            started = time.perf_counter()
            found = health(running)
            taken = time.perf_counter() - started
            say(f"started on a silent store: /health after {taken:.2f} s")
            assert taken < BOUND_SECONDS
            assert found.status_code == 503
            assert "does not answer" in found.json()["snapshot"]["problem"]
            assert not found.json()["store"]["ok"]
            status, _, message = running.error("/get-online-features", ASKED)
            assert (status, "does not answer" in message) == (503, True)
            assert running.client.get("/ready").status_code == 503
            proxy.swallowing = False
            wait_for(lambda: health(running).status_code == 200, "the manifest")
            wait_for(lambda: running.client.get("/ready").status_code == 200, "readiness")
            assert running.post("/get-online-features", ASKED).status_code == 200


def seconds_to_health(folder: Path, url: str) -> tuple[float, httpx.Response]:
    """Return how long two workers take to tell how they are, from nothing, and what they tell."""
    started = time.perf_counter()
    with starting(folder, url, project="", workers=2) as running:
        found = health(running)
        return time.perf_counter() - started, found


def test_a_start_with_two_workers_and_no_project_named_is_bounded_too(published, tmp_path):
    usual, _ = seconds_to_health(tmp_path, published.url)
    with Proxy(published.port) as proxy:
        proxy.swallowing = True
        taken, found = seconds_to_health(tmp_path, proxy.url)
    assert taken < 2 * usual + BOUND_SECONDS
    assert (found.status_code, found.json()["status"]) == (200, "degraded")
    assert found.json()["snapshot"]["digest"] == MANIFEST.digest


def test_a_start_on_a_store_that_lets_nobody_in_says_so_within_seconds(tmp_path, say):
    with (
        black_hole() as port,
        starting(tmp_path, f"redis://127.0.0.1:{port}/0", project=PROJECT) as running,
    ):
        started = time.perf_counter()
        found = health(running)
        taken = time.perf_counter() - started
        say(f"started on a black hole: /health after {taken:.2f} s")
        assert taken < BOUND_SECONDS
        assert found.status_code == 503
        assert "does not answer" in found.json()["snapshot"]["problem"]
