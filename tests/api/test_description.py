"""The API's description: a promise that is kept, and that people can read."""

import json
from copy import deepcopy
from datetime import date, timedelta
from functools import cache
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from provender.api.app import OPERATIONS, application, description
from provender.api.deprecated import DEPRECATED, SHORTEST_DAYS, Deprecation
from provender.api.identity import local
from provender.api.reference import markdown
from provender.catalog.local import LocalCatalog
from tests.api.compatibility import REFERENCE, SNAPSHOT, breaking, written
from tests.api.conftest import Ask
from tests.api.server import listening

AGREED = json.loads(SNAPSHOT.read_text())


@cache
def described() -> dict[str, Any]:
    """What is promised now: to make it takes half a second."""
    return description()


def test_the_api_is_as_it_was_agreed() -> None:
    assert breaking(AGREED, described()) == []
    assert written(described()) == SNAPSHOT.read_text(), "run: python -m tests.api.compatibility"


def test_the_reference_is_generated_from_it() -> None:
    wanted = markdown(described())
    assert REFERENCE.read_text() == wanted, "run: python -m tests.api.compatibility"


def without(told: dict[str, Any], *path: str) -> None:
    for part in path[:-1]:
        told = told[part]
    del told[path[-1]]


DATASET = ("paths", "/datasets/{name}", "get")
BREAKS: dict[str, Any] = {
    "a route is gone": lambda told: without(told, "paths", "/datasets"),
    "a method is gone": lambda told: without(told, *DATASET),
    "a success is gone": lambda told: without(told, *DATASET, "responses", "200"),
    "a header is gone": lambda told: without(told, *DATASET, "responses", "200", "headers"),
    "a key is gone": lambda told: without(told, "components", "schemas", "Entry", "properties", "urn"),
    "a key may be missing": lambda told: told["components"]["schemas"]["Entry"]["required"].remove("urn"),
    "a key is another type": lambda told: told["components"]["schemas"]["Entry"]["properties"].update(urn={"type": "integer"}),
    "a value of an enum is gone": lambda told: told["components"]["schemas"]["Format"]["enum"].remove("orc"),
    "a parameter is gone": lambda told: told["paths"]["/datasets"]["get"]["parameters"].pop(),
    "a parameter is needed": lambda told: told["paths"]["/datasets"]["get"]["parameters"][0].update(required=True),
    "a key of a body is needed": lambda told: told["components"]["schemas"]["Publish"]["required"].append("note"),
    "a key of a body is gone": lambda told: without(told, "components", "schemas", "Publish", "properties", "note"),
    "a body is needed": lambda told: told["paths"]["/datasets/{name}/retention/expire"]["post"].update(requestBody={"content": {}}),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_what_would_break_a_client_is_seen(what: str) -> None:
    changed = deepcopy(AGREED)
    BREAKS[what](changed)
    assert breaking(AGREED, changed)
    assert breaking(AGREED, AGREED) == []


def test_what_is_added_breaks_nobody() -> None:
    more = deepcopy(AGREED)
    more["paths"]["/new"] = more["paths"]["/datasets"]
    more["components"]["schemas"]["Entry"]["properties"]["colour"] = {"type": "string"}
    more["components"]["schemas"]["Format"]["enum"].append("lance")
    more["components"]["schemas"]["Publish"]["properties"]["colour"] = {"type": "string"}
    assert breaking(AGREED, more) == []


def test_every_operation_is_described_with_its_errors_and_its_body() -> None:
    told = described()
    for operation in OPERATIONS:
        found = told["paths"][operation.path][operation.method.lower()]
        assert found["operationId"] == operation.name
        assert found["summary"].endswith(".")
        assert str(operation.status) in found["responses"]
        for error in operation.raises:
            assert str(error.status) in found["responses"], (operation.name, error)
        assert ("requestBody" in found) == (operation.body is not None)
        if operation.method in ("PUT", "PATCH"):
            assert "413" in found["responses"]


def test_no_body_takes_an_unknown_key() -> None:
    schemas = described()["components"]["schemas"]
    for operation in OPERATIONS:
        if operation.body and operation.body.media == "application/json":
            told = described()["paths"][operation.path][operation.method.lower()]
            schema = told["requestBody"]["content"]["application/json"]["schema"]
            assert schemas[schema["$ref"].rpartition("/")[2]]["additionalProperties"] is False


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loads += [str(found[name]) for name in ("src", "href") if name in found]
        assert tag not in ("script", "style", "iframe")
        assert "style" not in found

    def handle_data(self, data: str) -> None:
        self.text += data


def test_people_can_read_it_and_it_loads_nothing_from_elsewhere(ask: Ask) -> None:
    shown = ask("ops").get("/docs")
    assert shown.headers["content-type"].startswith("text/html")
    assert "default-src 'none'; style-src 'self'" in shown.headers["content-security-policy"]
    page = Page()
    page.feed(shown.text)
    assert page.loads == ["/api/v1/docs.css"]
    assert ask("ops").get("/docs.css").headers["content-type"].startswith("text/css")
    for operation in OPERATIONS:
        assert operation.path in page.text


def test_what_will_go_says_so_and_stays_long_enough(governed_url: str) -> None:
    going = Deprecation(since=date(2026, 1, 1), until=date(2026, 9, 1), instead="GET /search")
    with LocalCatalog(governed_url, actor="person:ops") as catalog:
        app = application(
            lambda actor, request: catalog,
            identify=local("person:ops"),
            deprecated={"list_datasets": going},
        )
        with listening(app) as address:
            old, kept = httpx.get(f"{address}/datasets"), httpx.get(f"{address}/actor")
            told = httpx.get(f"{address}/openapi.json").json()
    assert old.headers["deprecation"] == "@1767225600"
    assert old.headers["sunset"] == "Tue, 01 Sep 2026 00:00:00 GMT"
    assert told["paths"]["/datasets"]["get"]["deprecated"] is True
    assert not {"deprecation", "sunset"} & kept.headers.keys()
    assert "deprecated" not in told["paths"]["/actor"]["get"]
    names = {operation.name for operation in OPERATIONS}
    for name, one in DEPRECATED.items():
        assert name in names
        assert one.until - one.since >= timedelta(days=SHORTEST_DAYS)
