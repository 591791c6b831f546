"""What one client, one request or too many of them may not do to the others."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from provender.core.serving import ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.servers import primary
from tests.online.views import T0
from tests.serving.conftest import ALSO, Running, Start, flights
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
    with pytest.raises(TimeoutError):
        send_for_ever(deaf, lookup(body=large.encode()))
    assert running.client.get("/health").status_code == 200
    assert resident_kib(running.process.pid) - before < 64 << 10
    time.sleep(1.5)
    with pytest.raises(ConnectionError):
        send_for_ever(deaf, b"x")
    deaf.close()


def send_for_ever(wire: Wire, data: bytes) -> None:
    while True:
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
    time.sleep(0.5)
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


def test_keys_under_way_count_too(start: Start, frozen: Frozen) -> None:
    running = start(url=frozen.url, limits={"keys": 100, "deadline": 20.0})
    frozen.stop()
    wire = Wire(running.address)
    many = {**BODY, "entities": {"origin": ["JFK"] * 60}}
    wire.send(lookup(body=json.dumps(many).encode()))
    time.sleep(0.5)
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
