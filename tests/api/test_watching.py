"""Metrics, logs and spans of a server: what they say, and that nothing a client sent is in them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from provender.api.deprecated import DEPRECATED
from provender.api.guard import Guard
from provender.api.logs import FORMATS, Log, redacted
from provender.api.metrics import Metrics
from provender.api.traces import Traces, bare_provider, provider_to
from provender.api.watching import Watch
from provender.asgi import app
from provender.catalog.db import open_database, transaction
from provender.settings import Settings
from tests.api.server import the_front

CANARY = "canary-7f3a-do-not-tell"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANY = 40


def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


def fail(request: Request) -> Response:
    raise RuntimeError(f"cannot understand {request.headers.get('authorization')}")


class Watched:
    """A small application with routes of its own, looked at by everything."""

    def __init__(self, write: str = "json") -> None:
        self.lines = StringIO()
        self.metrics = Metrics()
        self.spans = InMemorySpanExporter()
        provider = bare_provider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        log = Log(self.lines, write=FORMATS[write], clock=lambda: NOW, actor="person:ana")
        inner = Starlette(
            routes=[Route("/hello/{name}", hello, methods=["GET", "POST"]), Route("/fail", fail)],
            middleware=[Middleware(Guard, hosts=None, deprecated=DEPRECATED)],
        )
        outer = Starlette(
            routes=[Mount("/api/v1", inner)],
            middleware=[
                Middleware(Watch, observers=[self.metrics, log]),
                Middleware(Traces, provider=provider),
            ],
        )
        self.app = outer

    def said(self, count: int) -> list[dict[str, object]]:
        """The lines of ``count`` requests: the last one may come after its answer."""
        wait_for(lambda: self.lines.getvalue().count("\n") >= count)
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]

    @property
    def numbers(self) -> dict[str, float]:
        lines = self.metrics.page().decode().splitlines()
        split = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name: float(value) for name, _, value in split}


def wait_for(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


@contextmanager
def asking(asked: ASGIApp) -> Iterator[httpx.Client]:
    """A client of a real server of the application."""
    front = the_front()
    front.show(asked)
    try:
        with httpx.Client(base_url=front.address, timeout=30) as client:
            yield client
    finally:
        front.show(None)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def client(watched: Watched) -> Iterator[httpx.Client]:
    with asking(watched.app) as client:
        yield client


def test_a_request_is_one_line_and_one_count_by_its_route(watched: Watched, client: httpx.Client):
    answer = client.get("/api/v1/hello/flights?q=1", headers={"x-request-id": "r-1"})
    assert answer.text == "hello"
    (line,) = watched.said(1)
    ms = line.pop("ms")
    assert isinstance(ms, float)
    assert line == {
        "at": "2026-03-01T12:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "request_id": "r-1",
        "actor": "person:ana",
        "method": "GET",
        "route": "/api/v1/hello/{name}",
        "status": 200,
        "bytes": 5,
    }
    name = (
        'provender_catalog_requests_total{method="GET",route="/api/v1/hello/{name}",status="200"}'
    )
    assert watched.numbers[name] == 1
    took = 'provender_catalog_request_seconds_count{method="GET",route="/api/v1/hello/{name}"}'
    assert watched.numbers[took] == 1


def test_addresses_and_methods_that_nobody_knows_make_no_numbers_of_their_own(
    watched: Watched, client: httpx.Client
):
    for number in range(MANY):
        client.get(f"/api/v1/nothing/{number}")
        client.request(("PROPFIND", "MKCOL", "LOCK", "SEARCH")[number % 4], "/elsewhere")
    requests = [name for name in watched.numbers if name.startswith("provender_catalog_requests_t")]
    assert len(requests) <= 3
    assert {line["route"] for line in watched.said(2 * MANY)} <= {"unmatched", "/api/v1"}


def test_an_error_that_nobody_expected_is_told_by_its_kind_and_places(
    watched: Watched, client: httpx.Client
):
    answer = client.get("/api/v1/fail", headers={"authorization": f"Bearer {CANARY}"})
    assert answer.status_code == 500
    (line,) = watched.said(1)
    assert (line["level"], line["status"], line["error"]) == ("error", 500, "RuntimeError")
    where = line["where"]
    assert isinstance(where, list)
    assert where[0].startswith("api/test_watching.py:")
    assert where[0].endswith(" fail")


def test_a_line_for_people_says_the_same():
    watched = Watched("text")
    with asking(watched.app) as client:
        client.get("/api/v1/hello/flights", headers={"x-request-id": "r-1"})
    wait_for(lambda: watched.lines.getvalue().endswith("\n"))
    line = watched.lines.getvalue()
    assert line.startswith("2026-03-01T12:00:00.000+00:00 level=info event=request request_id=r-1 ")
    assert "method=GET route=/api/v1/hello/{name} status=200" in line


def test_a_span_says_what_the_line_says_and_is_a_part_of_the_clients(
    watched: Watched, client: httpx.Client
):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.get("/api/v1/hello/x", headers={"traceparent": parent, "x-request-id": "r-1"})
    watched.said(1)
    (span,) = watched.spans.get_finished_spans()
    assert span.name == "GET /api/v1/hello/{name}"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/v1/hello/{name}",
        "http.response.status_code": 200,
        "provender.request_id": "r-1",
    }
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


def test_nothing_that_a_client_sends_is_in_lines_numbers_or_spans(
    watched: Watched, client: httpx.Client
):
    for path in ("/api/v1/hello/x", f"/api/v1/{CANARY}", "/api/v1/fail", f"/{CANARY}"):
        for method in ("GET", "POST"):
            client.request(
                method,
                f"{path}?token={CANARY}",
                headers={"authorization": f"Bearer {CANARY}", "cookie": f"session={CANARY}"},
                json={"description": CANARY},
            )
    watched.said(8)
    spans = watched.spans.get_finished_spans()
    assert len(spans) == 8
    told = [watched.lines.getvalue(), watched.metrics.page().decode()]
    told += [span.to_json() for span in spans]
    assert [text.count(CANARY) for text in told] == [0] * len(told)


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIAIOSFODNN7EXAMPLE",
        "Bearer abc.def",
        "sk-proj-0123456789abcdef",
    ],
)
def test_what_has_the_shape_of_a_token_is_not_written(token: str):
    assert redacted(f"for {token}") == "for [hidden]"
    assert redacted("person:ana 0123456789abcdef0123456789abcdef") == (
        "person:ana 0123456789abcdef0123456789abcdef"
    )


@pytest.fixture
def settings(governed_sqlite: str, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        catalog_url=governed_sqlite,
        actor="person:sam",
        log_format="json",
    )


def test_the_server_counts_and_logs_what_it_answers_and_tells_no_secret(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    with asking(app(settings)) as client:
        assert client.get("/api/v1/datasets/aviation.flights").status_code == 200
        assert client.get("/datasets/aviation.flights").status_code == 200
        hidden = {"authorization": f"Bearer {CANARY}", "cookie": f"a={CANARY}"}
        client.get(f"/api/v1/search?q={CANARY}", headers=hidden)
        client.get(f"/search?q={CANARY}", headers=hidden)
        client.get(f"/api/v1/datasets/x.{CANARY}", headers=hidden)
        edit = client.patch(
            "/api/v1/datasets/aviation.flights",
            json={"description": CANARY},
            headers={**hidden, "if-match": "*"},
        )
        assert edit.status_code in (200, 412, 422, 428)
        page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    counted = 'provender_catalog_requests_total{method="GET",route="/api/v1/datasets/{name}"'
    assert f'{counted},status="200"}} 1.0' in page.text
    assert "provender_catalog_connections_in_use " in page.text
    assert "provender_catalog_retrievals 0.0" in page.text
    told = ""
    while told.count("\n") < 7:
        told += capsys.readouterr().err
    lines = [json.loads(line) for line in told.splitlines()]
    assert len(lines) == 7
    assert lines[0]["route"] == "/api/v1/datasets/{name}"
    assert lines[0]["actor"] == "person:sam"
    assert all(line["request_id"] for line in lines if line["route"].startswith("/api/"))
    assert [text.count(CANARY) for text in (told, page.text)] == [0, 0]


def test_versions_that_were_published_over_http_are_counted():
    watched = Watched()
    inner = Starlette(
        routes=[
            Route(
                "/datasets/{name}/versions", lambda r: Response(status_code=201), methods=["POST"]
            )
        ]
    )
    outer = Watch(Starlette(routes=[Mount("/api/v1", inner)]), observers=[watched.metrics])
    with asking(outer) as client:
        client.post("/api/v1/datasets/aviation.flights/versions")
    wait_for(lambda: watched.numbers["provender_catalog_versions_published_total"] == 1)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of something that takes spans, and what it took."""
    took: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            took.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", took
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_reach_the_collector_of_the_settings(collector: tuple[str, list[bytes]]):
    address, took = collector
    provider = provider_to(address)
    with asking(Traces(Starlette(routes=[Route("/hello", hello)]), provider=provider)) as client:
        client.get("/hello")
    wait_for(lambda: provider.force_flush() and bool(took))
    provider.shutdown()
    (body,) = took
    request = ExportTraceServiceRequest.FromString(body)
    (resource,) = request.resource_spans
    service = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert service["service.name"] == "provender-catalog"
    assert [span.name for span in resource.scope_spans[0].spans] == ["GET /hello"]


def test_errors_of_the_database_do_not_say_what_somebody_wrote(governed_url: str):
    engine = open_database(governed_url)
    wanted = text("SELECT 1 FROM nothing WHERE name = :name")
    with pytest.raises(DBAPIError) as error, transaction(engine) as db:
        db.execute(wanted, {"name": CANARY})
    engine.dispose()
    assert CANARY not in str(error.value)
