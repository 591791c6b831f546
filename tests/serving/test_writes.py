"""Rows that clients write online, over a store that answers, is silent, or was emptied."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from provender.core.errors import Unavailable
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.store import OnlineStore
from provender.serving.rows import OnlineRows
from tests.online.views import T0
from tests.serving.conftest import WIDE, Running, flights, starting

ROW: dict[str, list[Any]] = {
    "origin": ["JFK"],
    "blob": [None],
    "count": [1],
    "ok": [True],
    "seen": [None],
    "tags": [None],
    "temp": [1.5],
    "word": ["x"],
    "event_timestamp": ["2012-01-01"],
}
PUSH = {"push_source_name": "weather_push", "df": ROW}
WRITE = {"feature_view_name": "weather", "df": ROW}
SECONDS = 1.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with embedded_server(tmp_path_factory.mktemp("own")) as server, OnlineStore(server.url) as made:
        made.publish_manifest(flights())
        yield server


@pytest.fixture(scope="module")
def running(own: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = {"write_seconds": SECONDS}
    with starting(tmp_path_factory.mktemp("home"), own.url, limits=limits) as found:
        yield found


@contextmanager
def silent(server: EmbeddedServer) -> Iterator[None]:
    """Have the store accept connections and say nothing."""
    with redis.Redis.from_url(server.url) as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def timed(running: Running, path: str, body: Any) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = httpx.post(running.address + path, json=body, timeout=60)
    return answer, time.monotonic() - began


def test_rows_for_a_silent_store_are_a_503_within_the_deadline_however_many_wait(
    running: Running, own: EmbeddedServer
) -> None:
    assert running.post("/push", PUSH).status_code == 200
    with silent(own), ThreadPoolExecutor(6) as clients:
        asked = [("/push", PUSH), ("/write-to-online-store", WRITE)] * 3
        found = list(clients.map(lambda one: timed(running, *one), asked))
    for answer, seconds in found:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert seconds < 4 * SECONDS
    said = {json.loads(answer.json())["message"].rpartition(";")[2] for answer, _ in found}
    assert all("none" in one and "written online" in one for one in said), said
    assert running.post("/push", PUSH).status_code == 200


def test_many_pushes_share_connections_and_claims(running: Running, own: EmbeddedServer) -> None:
    assert running.post("/push", PUSH).status_code == 200
    with redis.Redis.from_url(own.url) as client:
        before = _counted(client)
        for _ in range(50):
            assert running.post("/push", PUSH).status_code == 200
        after = _counted(client)
    new = {name: after[name] - before.get(name, 0) for name in after}
    assert new["connections"] <= 2
    assert new.get("script|load", 0) <= 2
    assert new["evalsha"] == 100, "a call for each of the two views"


def _counted(client: Any) -> dict[str, int]:
    calls = client.info("commandstats").items()
    counted = {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in calls}
    return counted | {"connections": client.info("stats")["total_connections_received"]}


def test_an_emptied_store_is_claimed_again_and_connections_that_ended_are_no_error(
    running: Running, own: EmbeddedServer
) -> None:
    assert running.post("/push", PUSH).status_code == 200
    with redis.Redis.from_url(own.url) as client, OnlineStore(own.url) as store:
        client.flushall()
        client.script_flush()
        client.client_kill_filter(_type="normal", skipme=True)
        store.publish_manifest(flights())
        deadline = time.monotonic() + 5
        while client.hlen("provender:prefixes") < 2:
            assert running.post("/push", PUSH).status_code == 200
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert store.count("flights", "weather") == 1


def test_sigterm_ends_a_server_whose_pushes_get_no_answer(
    own: EmbeddedServer, tmp_path: Path
) -> None:
    with starting(tmp_path, own.url) as running:
        assert running.post("/push", PUSH).status_code == 200
        with silent(own), ThreadPoolExecutor(6) as clients:
            asked: list[Future[Any]] = [
                clients.submit(timed, running, "/push", PUSH) for _ in range(6)
            ]
            time.sleep(1.5)
            running.process.terminate()
            assert running.process.wait(timeout=10) == 0
            assert {one.result()[0].status_code for one in asked} == {503}


def test_rows_that_may_be_written_or_not_are_told_as_such(own: EmbeddedServer) -> None:
    with redis.Redis.from_url(own.url) as client:
        client.acl_setuser(
            "clerk", enabled=True, passwords=["+quill"], keys=["*"], commands=["+@all", "-evalsha"]
        )
    encoder = ColumnEncoder("flights", WIDE)
    pairs = [encoder.encode(ROW, now=T0)]
    with OnlineStore(own.url.replace("unix://", "unix://clerk:quill@")) as store:
        rows = OnlineRows(store, seconds=SECONDS, replaying=True)
        with pytest.raises(Unavailable, match="the rows may be written online or not") as told:
            rows.write([encoder], pairs, rows.due())
        assert "again, which is safe" in told.value.hint
        rows.close()
    with OnlineStore(own.url) as store:
        rows = OnlineRows(store, seconds=SECONDS, replaying=True)
        assert rows.write([encoder], pairs, rows.due()) == 1
        with pytest.raises(Unavailable, match="none was written online"):
            rows.write([encoder], pairs, time.monotonic())
        rows.close()
