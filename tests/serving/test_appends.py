"""Pushes that wait for the offline store: they keep neither lookups out nor the server from ending."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from provender.online.store import OnlineStore
from tests.online.views import T0, manifest, view
from tests.serving.conftest import Running, Start, child_of
from tests.serving.wires import Wire

ARRIVALS = view({"x": "float64"}, push_sources=("arrivals",))
LOOKUP = {"features": ["weather:x"], "entities": {"origin": ["a"]}}


@pytest.fixture
def serve(start: Start, store: OnlineStore, tmp_path: Path) -> Callable[..., Running]:
    """Start a server with a process beside it that will be stopped before it writes anything."""
    (tmp_path / "feature_store.yaml").write_text("project: flights\n")
    store.publish_manifest(manifest(ARRIVALS))

    def serve(**limits: Any) -> Running:
        return start(repo=str(tmp_path), limits=limits)

    return serve


def pushing(running: Running) -> Wire:
    """Return a connection on which a push to the offline store was sent."""
    df = {"origin": ["a"], "event_timestamp": [T0.isoformat()], "x": [1.0]}
    body = json.dumps({"push_source_name": "arrivals", "df": df, "to": "offline"}).encode()
    wire = Wire(running.address)
    wire.send(b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return wire


@contextmanager
def stopped(running: Running) -> Iterator[int]:
    """Give the process that writes, which does nothing meanwhile, not even end."""
    writer = child_of(running, b"pusher")
    os.kill(writer, signal.SIGSTOP)
    try:
        yield writer
    finally:
        with suppress(ProcessLookupError):
            os.kill(writer, signal.SIGKILL)


def test_pushes_that_wait_keep_no_lookup_out_though_their_clients_hung_up(
    serve: Callable[..., Running],
) -> None:
    running = serve(requests=8, appends=3)
    first = pushing(running)
    with stopped(running):
        for _ in range(12):
            wire = pushing(running)
            time.sleep(0.02)
            wire.close()
        time.sleep(0.2)
        assert running.post("/get-online-features", LOOKUP).status_code == 200
        assert "in_flight 4" in running.client.get("/metrics").text, "3, and the one that asks"
        refused = pushing(running)
        status, headers, body = refused.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"3 pushes to the offline store wait already" in body
        refused.close()
    assert first.answer()[0] == 503
    first.close()


def test_a_process_that_writes_and_does_not_end_does_not_keep_the_server(
    serve: Callable[..., Running],
) -> None:
    running = serve(grace_seconds=0.5)
    wire = pushing(running)
    with stopped(running) as writer:
        running.process.terminate()
        assert running.process.wait(timeout=15) == 0
        assert not Path(f"/proc/{writer}").exists()
    wire.close()
