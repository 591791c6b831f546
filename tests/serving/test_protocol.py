"""What goes over the wire, byte by byte, against a running server."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from provender.online.store import OnlineStore
from tests.serving.conftest import Running
from tests.serving.wires import BODY, HEALTH, Wire, lookup


@pytest.fixture
def wire(shared: Running, filled: OnlineStore) -> Iterator[Wire]:
    opened = Wire(shared.address)
    yield opened
    opened.close()


def test_pipelined_requests_are_answered_in_their_order(wire: Wire) -> None:
    unknown = json.dumps({"features": ["x:y"], "entities": {"origin": ["JFK"]}}).encode()
    wire.send(
        (lookup() + HEALTH + lookup(body=unknown) + b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n") * 50
    )
    statuses = [wire.answer()[0] for _ in range(200)]
    assert statuses == [200, 200, 404, 404] * 50


def test_thousands_of_pipelined_requests_are_all_answered(wire: Wire) -> None:
    wire.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 3000 + lookup())
    assert {wire.answer()[0] for _ in range(3000)} == {404}
    assert wire.answer()[0] == 200


def test_a_request_may_come_byte_by_byte(wire: Wire) -> None:
    for byte in lookup(b"X-Long: " + b"y" * 50) + HEALTH:
        wire.send(bytes([byte]))
    status, headers, body = wire.answer()
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["results"][1]["values"] == [1.0]
    assert wire.answer()[0] == 200


def test_a_chunked_body_is_read(wire: Wire) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    head = b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.send(head + chunks + b"0\r\n\r\n" + lookup())
    assert [wire.answer()[0], wire.answer()[0]] == [200, 200]


def test_a_client_is_told_to_go_on_before_it_sends_its_body(wire: Wire) -> None:
    request = lookup(b"Expect: 100-continue")
    wire.send(lookup() + request[: -len(BODY)])
    assert wire.answer()[0] == 200
    assert wire.answer()[0] == 100
    wire.send(BODY)
    assert wire.answer()[0] == 200


@pytest.mark.parametrize(
    ("expectation", "size", "status"), [(b"100-continue", 9 << 20, 413), (b"gold", 2, 417)]
)
def test_a_body_that_is_not_wanted_is_refused_before_it_is_sent(
    wire: Wire, expectation: bytes, size: int, status: int
) -> None:
    head = b"POST /push HTTP/1.1\r\nHost: x\r\nExpect: %b\r\nContent-Length: %d\r\n\r\n"
    wire.send(head % (expectation, size))
    found = wire.answer()
    assert (found[0], found[1]["connection"]) == (status, "close")
    assert wire.answer()[0] == 0


def test_head_has_the_headers_of_get_and_no_body(wire: Wire) -> None:
    wire.send(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n" + HEALTH)
    status, headers, _ = wire.answer(head=True)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert int(headers["content-length"]) > 100
    assert wire.answer()[0] == 200


@pytest.mark.parametrize(
    ("version", "headers", "expected"),
    [
        (b"1.0", b"", ("close", 0)),
        (b"1.0", b"Connection: keep-alive\r\n", ("keep-alive", 200)),
        (b"1.1", b"Connection: close\r\n", ("close", 0)),
        (b"1.1", b"", (None, 200)),
    ],
)
def test_a_connection_is_kept_as_its_client_wants(
    wire: Wire, version: bytes, headers: bytes, expected: tuple[str | None, int]
) -> None:
    wire.send(b"GET /health HTTP/%b\r\nHost: x\r\n%b\r\n" % (version, headers))
    status, found, _ = wire.answer()
    assert (status, found.get("connection")) == (200, expected[0])
    if expected[1]:
        wire.send(HEALTH)
    assert wire.answer()[0] == expected[1]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"POST /push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /push HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"b" * (17 << 10) + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"b" * (200 << 10), 431),
        (b"GET /" + b"a" * (200 << 10), 431),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(
    wire: Wire, shared: Running, request_bytes: bytes, status: int
) -> None:
    wire.send(request_bytes)
    found = wire.answer()
    assert (found[0], found[1]["connection"]) == (status, "close")
    assert wire.answer()[0] == 0
    assert shared.client.get("/health").status_code == 200


def test_answers_owed_before_a_broken_request_are_still_given(wire: Wire) -> None:
    wire.send(lookup() + HEALTH + b"nonsense\r\n\r\n")
    assert [wire.answer()[0] for _ in range(4)] == [200, 200, 400, 0]


def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for(wire: Wire) -> None:
    wire.send(
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nSM\r\n"
    )
    assert [wire.answer()[0], wire.answer()[0]] == [200, 0]


def test_a_client_that_has_said_all_is_still_answered(wire: Wire) -> None:
    wire.send(lookup() * 3)
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.answer()[0] for _ in range(4)] == [200, 200, 200, 0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/health?x=1", 200),
        (b"http://x/health", 200),
        (b"/he%61lth", 200),
        (b"*", 404),
        (b"//", 404),
        (b"/health/", 404),
        (b"/%ff%00", 404),
    ],
)
def test_targets_are_read_in_every_form(wire: Wire, path: bytes, status: int) -> None:
    wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert wire.answer()[0] in ({status} if path != b"*" else {404, 400})


def test_the_methods_that_a_path_takes_are_told(wire: Wire) -> None:
    wire.send(b"DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, _ = wire.answer()
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    wire.send(b"HEAD /push HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, _ = wire.answer(head=True)
    assert (status, headers["allow"]) == (405, "POST")


def test_web_pages_may_not_write_nor_ask(shared: Running) -> None:
    """A page that is open in a browser can send text to any port of the machine it runs on."""
    page = {"origin": "https://evil.example", "content-type": "text/plain"}
    for path in ("/push", "/get-online-features"):
        answer = shared.client.post(path, content=b"{}", headers=page)
        assert (answer.status_code, "Origin" in answer.text) == (403, True)
    assert shared.client.get("/health", headers=page).status_code == 200


def test_a_known_head_is_answered_as_it_was_the_first_time(wire: Wire) -> None:
    origins = [["JFK"], ["LGA"], ["JFK"], ["nowhere"], ["JFK", "LGA"]]
    bodies = [
        json.dumps({"features": ["weather:temp"], "entities": {"origin": asked}}).encode()
        for asked in origins
    ]
    first = []
    for number, body in enumerate(bodies):
        wire.send(lookup(b"X-First: %d" % number, body=body))
        first.append(wire.answer()[2])
    for _ in range(2):
        for body, right in zip(bodies, first, strict=True):
            wire.send(lookup(body=body))
            assert wire.answer()[2] == right


def test_a_request_with_a_known_head_may_still_come_in_pieces(wire: Wire) -> None:
    request = lookup(b"X-Pieces: yes")
    for cut in (1, 20, len(request) - len(BODY), len(request) - 1):
        for whole in (request, request + HEALTH):
            wire.send(request)
            assert wire.answer()[0] == 200
            wire.send(whole[:cut])
            time.sleep(0.02)
            wire.send(whole[cut:])
            assert wire.answer()[0] == 200
    wire.send(HEALTH)
    assert [wire.answer()[0] for _ in range(5)] == [200] * 5


def test_a_known_head_in_the_midst_of_a_request_is_no_request(wire: Wire) -> None:
    known = lookup(b"X-Midst: yes")
    wire.send(known)
    assert wire.answer()[0] == 200
    wire.send(b"P")
    time.sleep(0.02)
    wire.send(known)
    assert wire.answer()[0] == 400
    assert wire.answer()[0] == 0


def test_a_known_head_as_the_body_of_another_request_is_a_body(wire: Wire) -> None:
    known = lookup(b"X-Body: yes")
    wire.send(known)
    assert wire.answer()[0] == 200
    wire.send(lookup(body=known)[: -len(known)])
    time.sleep(0.02)
    wire.send(known)
    assert wire.answer()[0] == 422
    wire.send(known)
    assert wire.answer()[0] == 200


def test_a_chunked_head_is_no_known_head(wire: Wire) -> None:
    head = b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    for _ in range(3):
        wire.send(head + body)
        assert wire.answer()[0] == 200
