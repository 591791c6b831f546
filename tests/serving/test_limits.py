"""What one client, one request or too many of them may not do to the others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from provender.core.serving import ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.servers import primary
from tests.online.views import T0
from tests.serving.conftest import ALSO, Running, Start, flights
from tests.serving.test_metrics import scrape
from tests.serving.wires import HEALTH, Wire, lookup

BODY = {"features": ["also:temp"], "entities": {"origin": ["JFK"]}}
ASKED = lookup(body=json.dumps(BODY).encode())


class Frozen:
    """A Valkey of its own that can be stopped, as if the network hung."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(self.url) as client:
            self.pid = int(client.info("server")["process_id"])

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Frozen]:
    folder = tmp_path / "own"
    folder.mkdir()
    with primary(folder) as port:
        found = Frozen(port)
        with OnlineStore(found.url) as store:
            fill(store, flights())
        yield found
        found.go_on()


def fill(store: OnlineStore, manifest: ServingManifest) -> None:
    store.publish_manifest(manifest)
    columns = {"origin": ["JFK"], "temp": [1.5], "event_timestamp": [T0]}
    store.write(ColumnEncoder("flights", ALSO).encode(columns))


def value(running: Running) -> float:
    answer = running.features(BODY["entities"], features=BODY["features"])
    return float(answer["results"][1]["values"][0])


@pytest.mark.parametrize(
    ("beginning", "limits"),
    [
        (b"GET /hea", {"header_seconds": 0.3}),
        (ASKED[:-5], {"body_seconds": 0.3}),
        (
            b"POST /push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            {"body_seconds": 0.3},
        ),
    ],
)
def test_a_client_that_takes_its_time_is_cut_off(
    start: Start, store: OnlineStore, beginning: bytes, limits: dict[str, float]
) -> None:
    running = start(limits=limits)
    slow = [Wire(running.address) for _ in range(20)]
    for wire in slow:
        wire.send(beginning)
    assert running.client.get("/health").status_code == 200
    for wire in slow:
        status, headers, _ = wire.answer()
        assert (status, headers["connection"], wire.answer()[0]) == (408, "close", 0)
        wire.close()


def test_a_drop_now_and_then_does_not_keep_a_request_open(start: Start, store: OnlineStore) -> None:
    running = start(limits={"header_seconds": 0.5})
    wire = Wire(running.address)
    began = time.monotonic()
    wire.socket.settimeout(0.05)
    for byte in b"GET /health HTTP/1.1\r\nHost: " + b"x" * 400:
        wire.send(bytes([byte]))
        try:
            said = wire.socket.recv(100)
        except TimeoutError:
            continue
        assert said.startswith(b"HTTP/1.1 408")
        break
    assert time.monotonic() - began < 5
    wire.close()


def test_idle_connections_end_and_used_ones_do_not(start: Start, store: OnlineStore) -> None:
    running = start(limits={"idle_seconds": 1.0})
    idle, used = Wire(running.address), Wire(running.address)
    for _ in range(8):
        used.send(HEALTH)
        assert used.answer()[0] == 200
        time.sleep(0.25)
    assert idle.answer()[0] == 0
    used.send(HEALTH)
    assert used.answer()[0] == 200
    idle.close()
    used.close()


def test_a_client_that_does_not_read_is_cut_off_and_costs_little(
    start: Start, store: OnlineStore
) -> None:
    running = start(limits={"undrained_seconds": 0.5})
    entities = [f"{index:0100d}" for index in range(2000)]
    large = json.dumps({"features": ["also:temp"], "entities": {"origin": entities}})
    before = resident_kib(running.process.pid)
    deaf = Wire(running.address)
    deaf.socket.settimeout(0.5)
    with pytest.raises(ConnectionError):
        send_for_ever(deaf, lookup(body=large.encode()))
    assert resident_kib(running.process.pid) - before < 64 << 10
    assert running.client.get("/health").status_code == 200
    deaf.close()


def send_for_ever(wire: Wire, data: bytes) -> None:
    """Send, and read nothing, until the server cuts the connection."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            wire.send(data)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_lookup_is_answered_by_its_deadline_whatever_the_store_does(
    start: Start, frozen: Frozen
) -> None:
    running = start(url=frozen.url, limits={"deadline": 0.5})
    assert value(running) == 1.5
    frozen.stop()
    began = time.monotonic()
    status, name, message = running.error("/get-online-features", BODY)
    assert (status, name) == (503, "FeastError")
    assert "does not answer" in message or "did not answer within 0.5 s" in message
    assert 0.3 < time.monotonic() - began < 3
    frozen.go_on()
    deadline = time.monotonic() + 10
    while running.post("/get-online-features", BODY).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert value(running) == 1.5


def test_what_is_too_much_is_refused_at_once_and_the_rest_is_answered(
    start: Start, frozen: Frozen
) -> None:
    running = start(url=frozen.url, limits={"requests": 8, "deadline": 20.0})
    assert value(running) == 1.5
    frozen.stop()
    admitted = [Wire(running.address) for _ in range(8)]
    for wire in admitted:
        wire.send(ASKED)
    wait_until_under_way(running, 8)
    began = time.monotonic()
    answer = running.post("/get-online-features", BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert json.loads(answer.json())["class"] == "FeastError"
    assert "8 requests for 8 keys are under way" in answer.text
    unread = running.client.post("/push", content=b"this is no JSON")
    assert unread.status_code == 503, "a body is looked at only where there is room"
    assert time.monotonic() - began < 5
    frozen.go_on()
    for wire in admitted:
        status, _, body = wire.answer()
        assert (status, json.loads(body)["results"][1]["values"]) == (200, [1.5])
        wire.close()
    assert value(running) == 1.5


def wait_until_under_way(running: Running, lookups: int) -> None:
    deadline = time.monotonic() + 15
    while scrape(running)["in_flight",] != lookups + 1:  # the question itself is one
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keys_under_way_count_too(start: Start, frozen: Frozen) -> None:
    running = start(url=frozen.url, limits={"keys": 100, "deadline": 20.0})
    assert value(running) == 1.5
    frozen.stop()
    wire = Wire(running.address)
    many = {**BODY, "entities": {"origin": ["JFK"] * 60}}
    wire.send(lookup(body=json.dumps(many).encode()))
    wait_until_under_way(running, 1)
    assert running.error("/get-online-features", many)[0] == 503
    frozen.go_on()
    assert wire.answer()[0] == 200
    assert running.post("/get-online-features", many).status_code == 200
    wire.close()


def test_a_request_for_too_many_features_is_refused(shared: Running, store: OnlineStore) -> None:
    body = {"features": ["also:temp"] * 10_001, "entities": {"origin": ["JFK"]}}
    status, name, message = shared.error("/get-online-features", body)
    assert (status, name) == (422, "FeastError")
    assert "10001 features are more than 10000" in message


def test_a_request_for_too_many_values_is_refused(start: Start, store: OnlineStore) -> None:
    running = start(limits={"request_cells": 20})
    body = {"features": ["also:temp", "weather:count"], "entities": {"origin": ["JFK"] * 10}}
    assert running.post("/get-online-features", body).status_code == 200
    body["entities"] = {"origin": ["JFK"] * 11}
    status, _, message = running.error("/get-online-features", body)
    assert (status, "11 entities x 2 features are more than 20 values" in message) == (422, True)
    computed = {
        "features": ["departure:warm"],
        "entities": {"origin": ["JFK"] * 21, "hour": [1] * 21},
    }
    assert running.error("/get-online-features", computed)[0] == 422


def test_no_answer_is_owed_for_ever_and_counted_as_under_way(
    start: Start, store: OnlineStore
) -> None:
    running = start(limits={"requests": 4})
    for path, field in (("/get-online-features", "entities"), ("/push", "df")):
        strange = b'{"push_source_name": "weather_push", "%b": {"\\ud800NaN": 5}}' % field.encode()
        for _ in range(8):
            answer = running.client.post(path, content=strange)
            assert answer.status_code == 422, answer.text
    assert running.post("/get-online-features", BODY).status_code == 200
    assert scrape(running)["in_flight",] == 1


def test_a_client_that_reads_slowly_gets_its_answer(start: Start, store: OnlineStore) -> None:
    running = start(limits={"undrained_seconds": 1.5, "deadline": 20.0})
    entities = [f"{index:0100d}" for index in range(60_000)]
    large = json.dumps({"features": ["also:temp"], "entities": {"origin": entities}})
    slow = Wire(running.address)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    slow.send(lookup(body=large.encode()))
    head = slow.stream.readline()
    began, size = time.monotonic(), 0
    while (line := slow.stream.readline().strip()) != b"":
        if line.lower().startswith(b"content-length"):
            size = int(line.split()[1])
    read = 0
    while read < size and (part := slow.stream.read(min(128 << 10, size - read))):
        read += len(part)
        time.sleep(0.05)
    assert (head.split()[1], read) == (b"200", size)
    assert time.monotonic() - began > 2.5, "it took longer than a client may read nothing"
    slow.close()


def test_bodies_that_are_still_coming_are_bounded_together(
    start: Start, store: OnlineStore
) -> None:
    running = start(limits={"bodies_bytes": 3 << 20})
    wires = [Wire(running.address) for _ in range(4)]
    for wire in wires:
        wire.send(b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
        wire.send(b" " * (1 << 20))
    refused = [wire for wire in wires if wire is wires[-1]]
    assert [wire.answer()[0] for wire in refused] == [503]
    for wire in wires:
        wire.close()
    assert running.post("/get-online-features", BODY).status_code == 200


def test_no_more_connections_are_taken_than_files_may_be_open() -> None:
    program = (
        "import resource; from provender.serving.limits import Limits, fitting\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))\n"
        "print(fitting(Limits()).connections, resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "print(fitting(Limits(connections=10)).connections)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["136 (200, 200)", "10"]
    assert "at most 136 connections" in done.stderr
