import json
from typing import Any

import pytest

from provender.online.store import OnlineStore
from tests.serving.conftest import Running, Start, flights

EPOCH = "1970-01-01T00:00:00Z"
NOON = "2013-01-01T05:00:00Z"


def test_the_answer_is_feasts_to_the_letter(shared: Running, filled: OnlineStore) -> None:
    shared.until_covered()
    features = ["weather:temp", "weather:count", "weather:word"]
    body = {"features": features, "entities": {"origin": ["JFK", "LGA", "EWR"]}}
    answer = shared.post("/get-online-features", body)
    late = "2013-01-01T04:59:59.001500Z"
    stamps = [NOON, late, EPOCH]
    expected = {
        "results": [
            {
                "values": ["JFK", "LGA", "EWR"],
                "statuses": ["PRESENT"] * 3,
                "event_timestamps": [EPOCH] * 3,
            },
            {
                "values": [1.0, "NaN", None],
                "statuses": ["PRESENT", "PRESENT", "NOT_FOUND"],
                "event_timestamps": stamps,
            },
            {
                "values": [2**53 + 1, None, None],
                "statuses": ["PRESENT", "NULL_VALUE", "NOT_FOUND"],
                "event_timestamps": stamps,
            },
            {
                "values": ["ü", "", None],
                "statuses": ["PRESENT", "PRESENT", "NOT_FOUND"],
                "event_timestamps": stamps,
            },
        ],
        "metadata": {"feature_names": ["origin", "temp", "count", "word"]},
    }
    assert answer.text == json.dumps(expected, separators=(",", ":"), ensure_ascii=False)
    assert answer.headers["content-type"] == "application/json"


def test_every_type_has_its_json(shared: Running, filled: OnlineStore) -> None:
    features = ["weather:blob", "weather:ok", "weather:seen", "weather:tags", "route:delay"]
    answer = shared.features({"origin": ["JFK"], "dest": ["SFO"]}, features=features)
    values = [result["values"][0] for result in answer["results"]]
    assert values == ["JFK", "SFO", "AP8=", True, 1356998401, ["a", None], 0.10000000149011612]


def test_a_service_answers_in_its_order_and_wins_over_features(
    shared: Running, filled: OnlineStore
) -> None:
    shared.until_covered()
    entities = {"dest": ["SFO"], "origin": ["JFK"]}
    answer = shared.features(
        entities,
        feature_service="delay",
        features=["no:such"],
        full_feature_names=True,
        include_feature_view_version_metadata=True,
    )
    names = ["dest", "origin", "weather__temp", "route__delay"]
    views = [{"name": "weather"}, {"name": "route"}]
    assert answer["metadata"] == {"feature_names": names, "feature_view_metadata": views}


def test_on_demand_features_are_computed_with_epoch_timestamps(
    shared: Running, filled: OnlineStore
) -> None:
    entities = {"origin": ["JFK", "EWR"], "hour": [5, 6]}
    answer = shared.features(entities, features=["departure:warm"])
    assert answer["metadata"]["feature_names"] == ["origin", "warm"]
    assert answer["results"][1] == {
        "values": [6.0, None],
        "statuses": ["PRESENT", "NULL_VALUE"],
        "event_timestamps": [EPOCH, EPOCH],
    }
    text = shared.post(
        "/get-online-features", {"entities": entities, "features": ["departure:warm"]}
    ).text
    assert '"values":[6.0,null]' in text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"features": ["wether:temp"]}, (404, "FeatureViewNotFoundException", "mean weather?")),
        ({"features": ["weather:tmp"]}, (404, "FeastObjectNotFoundException", "mean temp?")),
        ({"feature_service": "dely"}, (404, "FeatureServiceNotFoundException", "mean delay?")),
        ({"features": ["temp"]}, (422, "FeastError", "write view:feature")),
        ({"features": []}, (422, "FeastError", "no features are asked for")),
        ({"features": ["weather:temp", "weather:temp"]}, (422, "FeastError", "comes from both")),
        ({"features": ["route:delay"]}, (422, "FeastError", "no join key 'dest'")),
        ({"features": ["departure:warm"]}, (422, "FeastError", "no request column 'hour'")),
        (
            {"features": ["weather:temp"], "entities": {"origin": [[1]]}},
            (422, "FeastError", "join key origin"),
        ),
        (
            {"features": ["weather:temp"], "entities": {"origin": ["a"], "dest": []}},
            (422, "FeastError", "different lengths"),
        ),
        (
            {"features": ["weather:temp"], "entities": {"origin": ["a"] * 250_001}},
            (422, "FeastError", "ask for fewer entities"),
        ),
    ],
)
def test_a_users_mistake_is_a_feast_error_and_no_500(
    shared: Running, store: OnlineStore, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    status, name, message = expected
    found = shared.error("/get-online-features", {"entities": {"origin": ["JFK"]}, **body})
    assert found[:2] == (status, name)
    assert message in found[2]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"entities": 1}',
        b'{"entities": {"origin": "JFK"}}',
        b'{"entities": {}, "features": "weather:temp"}',
        b'{"entities": {}, "features": [1]}',
        b'{"entities": {}, "full_feature_names": 3}',
        b"[" * 100_000,
        b"NaN" + b"[" * 100_000,
        b"\xff\xfe",
        b'{"entities": {"\\ud800": [1]}}',
    ],
)
def test_a_body_that_is_no_request_is_a_422(shared: Running, body: bytes) -> None:
    answer = shared.client.post("/get-online-features", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"


def test_numbers_too_large_to_echo_are_refused(shared: Running, filled: OnlineStore) -> None:
    body = b'{"features":["weather:temp"],"entities":{"origin":["a","b"],"hour":[NaN,1e400]}}'
    assert shared.client.post("/get-online-features", content=body).status_code == 200
    huge = b'{"features":["departure:warm"],"entities":{"origin":["a"],"hour":[1%s],"x":[NaN]}}'
    answer = shared.client.post("/get-online-features", content=huge % (b"0" * 40))
    assert answer.status_code == 422


def test_a_closed_feature_is_a_403(start: Start, store: OnlineStore) -> None:
    store.publish_manifest(flights(project="shut", closed={"weather:temp": "tagged personal"}))
    body = {"entities": {"origin": ["JFK"]}, "features": ["weather:temp"]}
    found = start(project="shut").error("/get-online-features", body)
    assert found[:2] == (403, "FeastPermissionError")
    assert "tagged personal" in found[2]


def test_unknown_paths_and_methods_have_their_status(shared: Running) -> None:
    assert shared.client.get("/").status_code == 404
    assert shared.client.get("/push").status_code == 405
    answer = shared.error("/materialize", {"start_ts": "2013-01-01"})
    assert answer[:2] == (501, "FeastError")
    assert "provender features materialize" in answer[2]


def test_a_body_over_the_limit_is_a_413(shared: Running) -> None:
    answer = shared.client.post("/get-online-features", content=b" " * (9 << 20))
    assert answer.status_code == 413
    assert shared.client.get("/health").status_code == 200


def test_a_push_reaches_every_view_of_its_source(shared: Running, store: OnlineStore) -> None:
    row = {name: [None] for name in ("blob", "count", "ok", "seen", "tags", "word")}
    frame = {"origin": {"0": "JFK"}, "temp": [2], "event_timestamp": ["2013-01-01T04:00:00"], **row}
    answer = shared.post("/push", {"push_source_name": "weather_push", "df": frame, "to": "online"})
    assert (answer.status_code, answer.content) == (200, b"")
    values = shared.features(
        {"origin": ["JFK"]}, features=["weather:temp", "also:temp"], full_feature_names=True
    )
    assert [result["values"] for result in values["results"][1:]] == [[2.0], [2.0]]


def test_an_older_push_does_not_overwrite(shared: Running, filled: OnlineStore) -> None:
    frame = {"origin": ["JFK"], "dest": ["SFO"], "event_timestamp": ["2012-01-01"], "delay": [9.0]}
    body = {"feature_view_name": "route", "df": frame}
    answer = shared.post("/write-to-online-store", body)
    assert (answer.status_code, answer.text) == (200, "null")
    answer = shared.features(frame | {"delay": [0]}, features=["route:delay"])
    assert answer["results"][-1]["values"] == [0.10000000149011612]


def test_rows_from_after_now_are_refused(shared: Running, filled: OnlineStore) -> None:
    frame = {"origin": ["JFK"], "dest": ["SFO"], "event_timestamp": ["2999-01-01"], "delay": [9.0]}
    body = {"feature_view_name": "route", "df": frame}
    answer = shared.post("/write-to-online-store", body)
    assert answer.status_code == 422
    assert "a row of feature view route is from 2999-01-01" in answer.text
    answer = shared.features(frame | {"delay": [0]}, features=["route:delay"])
    assert answer["results"][-1]["values"] == [0.10000000149011612]


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("/push", {"push_source_name": "wether"}, (422, "PushSourceNotFoundException")),
        ("/push", {"to": "offline"}, (501, "FeastError")),
        ("/push", {"to": "nowhere"}, (422, "FeastError")),
        ("/push", {"df": {"origin": ["a"]}}, (422, "FeastError")),
        ("/write-to-online-store", {"feature_view_name": "rout"}, (404, "FeatureView")),
        ("/write-to-online-store", {"df": {"origin": ["a"]}}, (422, "FeastError")),
    ],
)
def test_rows_that_cannot_be_written_are_refused(
    shared: Running, store: OnlineStore, path: str, change: dict[str, Any], expected: Any
) -> None:
    good = {"push_source_name": "weather_push", "feature_view_name": "route", "df": {}}
    status, name, _ = shared.error(path, {**good, **change})
    assert status == expected[0]
    assert name.startswith(expected[1])
    assert store.count("flights") == 0


def test_nothing_is_written_where_one_of_the_views_cannot_take_the_rows(
    shared: Running, store: OnlineStore
) -> None:
    frame = {"origin": ["JFK"], "temp": [2], "event_timestamp": ["2013-01-01"]}
    status, _, message = shared.error("/push", {"push_source_name": "weather_push", "df": frame})
    assert (status, "'blob' is missing" in message) == (422, True)
    assert store.count("flights") == 0


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/push", {"push_source_name": "mixed_push"}),
        ("/write-to-online-store", {"feature_view_name": "closed"}),
    ],
)
def test_views_that_the_server_may_not_write_take_no_rows(
    shared: Running, store: OnlineStore, path: str, to: dict[str, str]
) -> None:
    frame = {"origin": ["JFK"], "temp": [2], "event_timestamp": ["2013-01-01"]}
    status, name, message = shared.error(path, {**to, "df": frame})
    assert (status, name) == (403, "FeastPermissionError")
    assert "closed takes no rows over HTTP: service:online may not publish a.b" in message
    assert store.count("flights") == 0


def test_missing_rows_may_be_told_as_feasts_redis_store_does(
    start: Start, filled: OnlineStore
) -> None:
    running = start(compat={"missing_status": True})
    answer = running.features(
        {"origin": ["JFK", "EWR"]}, features=["weather:temp", "weather:count"]
    )
    assert [result["statuses"] for result in answer["results"]] == [["PRESENT"] * 2] * 3
    assert answer["results"][1]["values"] == [1.0, None]


def test_a_part_of_the_join_keys_may_find_nothing_instead_of_failing(
    start: Start, filled: OnlineStore
) -> None:
    running = start(compat={"partial_keys": True})
    answer = running.features({"origin": ["JFK", "EWR"]}, features=["route:delay"])
    delay = answer["metadata"]["feature_names"].index("delay")
    assert answer["results"][delay] == {
        "values": [None, None],
        "statuses": ["NOT_FOUND"] * 2,
        "event_timestamps": [EPOCH] * 2,
    }
    body = {"entities": {"other": ["JFK"]}, "features": ["route:delay"]}
    assert running.error("/get-online-features", body)[0] == 422
