"""Clients of the first version, before a server of now; and clients of now, before a later server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from provender.client.errors import as_raised
from provender.core.datasets import Entry, Listed, Release
from provender.core.errors import NotFound, ProvenderError, Unavailable
from provender.values import adapter
from tests.api.exchanges import RECORDED, requests, send
from tests.api.server import catalog_api
from tests.catalog.world import Clock

EXCHANGES = json.loads(RECORDED.read_text())


def test_what_the_first_client_sent_is_answered_as_it_was_and_perhaps_with_more(
    governed_url: str,
) -> None:
    with catalog_api(governed_url, clock=Clock()) as api, httpx.Client(base_url=api) as client:
        for exchange in EXCHANGES:
            answered = send(client, exchange)
            where = f"{exchange['method']} {exchange['path']}"
            assert answered.status_code == exchange["status"], (where, answered.text)
            found = answered.json() if answered.content else None
            assert list(missing(exchange["answer"], found, where)) == []


def missing(old: Any, new: Any, where: str) -> Iterator[str]:
    """What an old answer has and a new one lacks, or has of another kind."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, part in old.items():
            if key not in new:
                yield f"{where}.{key} is gone"
            else:
                yield from missing(part, new[key], f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for before, after in zip(old, new, strict=False):
            yield from missing(before, after, f"{where}[]")
        if old and not new:
            yield f"{where} is empty"
    elif None not in (old, new) and _kind(old) is not _kind(new):
        yield f"{where} was {old!r} and is {new!r}"


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def test_what_is_missing_is_seen() -> None:
    old = {"a": [{"b": 1}], "c": "x"}
    assert list(missing(old, {"a": [{"b": 1.0, "d": 2}], "c": None}, "")) == []
    assert len(list(missing(old, {"a": [{}], "c": 3}, ""))) == 2
    assert list(missing(old, {"a": [], "c": "x"}, "")) == [".a is empty"]


def test_the_recording_is_of_every_request() -> None:
    asked = [{key: one[key] for key in ("method", "path", "body")} for one in EXCHANGES]
    assert asked == [{key: one[key] for key in ("method", "path", "body")} for one in requests()]


MAPS = ("column_descriptions", "column_tags")
"""Keys whose values have keys that are data."""


def more(value: Any) -> Any:
    """A value as a later server may send it: with keys that nobody knows yet."""
    if isinstance(value, list):
        return [more(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {key: part if key in MAPS else more(part) for key, part in value.items()}
    return kept | {"news": {"of": [1]}}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/datasets/aviation.flights", Entry),
        ("/datasets/aviation.flights/versions/1", Release),
        ("/datasets/aviation.flights/versions?limit=1", Listed[Release]),
    ],
)
def test_a_client_reads_what_a_later_server_says_more(path: str, kind: Any) -> None:
    (answer,) = (
        one["answer"] for one in EXCHANGES if one["path"] == path and one["method"] == "GET"
    )
    read = adapter(kind)
    assert read.validate_json(json.dumps(more(answer))) == read.validate_json(json.dumps(answer))


def test_an_error_of_a_later_server_is_an_error_of_ours() -> None:
    told = {"code": "tired", "message": "the catalog sleeps", "hint": "wait", "news": 1}
    error = as_raised(503, json.dumps({"error": told}).encode(), url="http://there")
    assert type(error) is ProvenderError
    assert (error.message, error.hint) == ("the catalog sleeps", "wait")
    known = as_raised(404, json.dumps({"error": told | {"code": "not-found"}}).encode(), url="u")
    assert type(known) is NotFound
    for body in (b"", b"<html>", b"[]", b'{"error": 1}'):
        assert type(as_raised(502, body, url="http://there")) is Unavailable
