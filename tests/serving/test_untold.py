"""Values that no answer could tell, sent to a real server: refused, and never in others' way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from tests.online.test_nesting import nested, stored
from tests.online.views import T0, manifest, view
from tests.serving.conftest import Running, starting

OBJECTS = view({"x": "map<string,json>"}, push_sources=("arrivals",))


@pytest.fixture(scope="module")
def running(valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with OnlineStore(valkey.url) as store:
        store.publish_manifest(manifest(OBJECTS))
    home = tmp_path_factory.mktemp("home")
    repo = home / "repo"
    repo.mkdir()
    (repo / "feature_store.yaml").write_text("project: flights\n")
    with starting(home, valkey.url, repo=str(repo)) as found:
        yield found


def push(running: Running, origin: str, value: Any) -> tuple[int, str]:
    df = {"origin": [origin], "event_timestamp": [T0.isoformat()], "x": [value]}
    answer = running.post("/push", {"push_source_name": "arrivals", "df": df, "to": "online"})
    return answer.status_code, answer.text


@pytest.mark.parametrize("value", [{"a": nested(400)}, "[" * 100_000, f'{{"a": {2**80}}}'])
def test_a_push_that_no_answer_could_tell_is_a_422(running: Running, value: Any) -> None:
    status, text = push(running, "refused", value)
    assert (status, "feature weather:x is map<string,json>" in text) == (422, True), text


def test_a_push_to_offline_that_is_too_deep_to_hand_on_is_a_422(running: Running) -> None:
    body = (
        '{"push_source_name": "arrivals", "to": "offline", "df": {"origin": ["a"], "x": [{}],'
        '"event_timestamp": ["2013-01-01T05:00:00Z"], "more": [%s]}}'
    ) % ("[" * 1000 + "]" * 1000)
    answer = running.client.post("/push", content=body)
    assert (answer.status_code, "nested too deep" in answer.text) == (422, True), answer.text


@pytest.mark.parametrize("many", [1, 20])
def test_a_stored_value_that_cannot_be_told_keeps_no_other_out(
    running: Running, valkey: EmbeddedServer, many: int
) -> None:
    assert push(running, "good", {"a": 1})[0] == 200
    with OnlineStore(valkey.url) as store:
        raw = '{"a":' + "9" * 25 + "}"
        store.write([stored('{"a":"' + "9" * 23 + '"}', raw, project="flights")])
    found = running.features({"origin": ["a", "good"] * many}, features=["weather:x"])
    told = found["results"][1]
    assert told["values"] == [None, {"a": 1}] * many
    assert told["statuses"] == ["NOT_FOUND", "PRESENT"] * many


def test_only_an_entity_value_is_said_not_to_be_echoed(running: Running) -> None:
    body = {"features": ["weather:x"], "entities": {"origin": [2**80]}, "x": float("nan")}
    answer = running.client.post("/get-online-features", content=json.dumps(body))
    assert answer.status_code == 422
    assert "entity column 'origin' cannot be echoed" in answer.text
