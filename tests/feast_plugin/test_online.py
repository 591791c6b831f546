"""Feast's online calls on our store: what is written, what comes back, and what never mixes."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    PushSource,
    ValueType,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    String,
    UnixTimestamp,
)

from provender import bootstrap
from provender.core.errors import InvalidInput
from provender.feast_plugin.online import store_of
from provender.online.codec import key_prefix
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, store, view, write

PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE = 1, 2, 3, 4
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


@pytest.fixture
def repo(tmp_path: Path, valkey: str) -> Iterator[FeatureStore]:
    """A Feast store with a project of its own in the shared Valkey."""
    assert valkey
    made = store(tmp_path / "repo", project=f"p{uuid4().hex[:8]}")
    yield made
    store_of(made.config).delete(made.project)


@pytest.fixture
def stats(tmp_path: Path) -> FeatureView:
    empty = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    return view(write(tmp_path / "stats.parquet", empty))


def key(driver: int) -> EntityKey:
    return EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=driver)])


def row(driver: int, value: int | None, at: datetime, created: datetime | None = None) -> Row:
    proto = Value() if value is None else Value(int64_val=value)
    return key(driver), {"value": proto}, at, created


def put(repo: FeatureStore, table: FeatureView, *rows: Row) -> None:
    repo.provider.online_write_batch(repo.config, table, list(rows), None)


def get(repo: FeatureStore, table: FeatureView, driver: int = 1) -> tuple[Any, Any]:
    [(at, found)] = repo.provider.online_read(repo.config, table, [key(driver)], ["value"])
    if found is None:
        return at, None
    return at, found["value"].int64_val if found["value"].WhichOneof("val") else "null"


def lookup(
    repo: FeatureStore, features: Any, **entities: list[Any]
) -> dict[str, tuple[list, list]]:
    keys = [
        dict(zip(entities, values, strict=True)) for values in zip(*entities.values(), strict=True)
    ]
    response = repo.get_online_features(features=features, entity_rows=keys)
    values = response.to_dict()
    names = response.proto.metadata.feature_names.val
    return {
        name: (values[name], list(vector.statuses))
        for name, vector in zip(names, response.proto.results, strict=True)
    }


def freeze(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    monkeypatch.setenv("PROVENDER_CLOCK", instant.isoformat())
    bootstrap.settings.cache_clear()


def test_what_is_written_is_read(repo: FeatureStore, stats: FeatureView) -> None:
    put(repo, stats, row(1, 7, NOON), row(2, None, NOON))
    assert get(repo, stats, 1) == (NOON, 7)
    assert get(repo, stats, 2) == (NOON, "null")
    assert get(repo, stats, 3) == (None, None)


def test_many_keys_come_back_in_their_order(repo: FeatureStore, stats: FeatureView) -> None:
    put(repo, stats, *[row(n, n * 10, NOON) for n in range(50)])
    asked = [key(n) for n in (49, 3, 99, 3, 0)]
    found = repo.provider.online_read(repo.config, stats, asked)
    assert [None if r is None else r["value"].int64_val for _, r in found] == [490, 30, None, 30, 0]


def test_older_rows_do_not_overwrite_and_corrections_do(
    repo: FeatureStore, stats: FeatureView
) -> None:
    put(repo, stats, row(1, 1, NOON, NOON))
    put(repo, stats, row(1, 2, NOON - TICK, NOON + HOUR))
    assert get(repo, stats) == (NOON, 1)
    put(repo, stats, row(1, 3, NOON, NOON + HOUR))
    assert get(repo, stats) == (NOON, 3)
    put(repo, stats, row(1, 4, NOON, NOON))
    assert get(repo, stats) == (NOON, 3)


def test_times_without_a_zone_are_utc(repo: FeatureStore, stats: FeatureView) -> None:
    put(repo, stats, row(1, 1, NOON.replace(tzinfo=None)))
    assert get(repo, stats) == (NOON, 1)


def test_the_async_calls_do_the_same(repo: FeatureStore, stats: FeatureView) -> None:
    async def walk() -> list[Any]:
        online = repo.provider.online_store
        await online.online_write_batch_async(repo.config, stats, [row(1, 7, NOON)], None)
        found = await asyncio.gather(
            *[online.online_read_async(repo.config, stats, [key(n)], ["value"]) for n in (1, 2)]
        )
        await online.close()
        return found

    [[(at, found)], [missing]] = asyncio.run(walk())
    assert (at, found["value"].int64_val) == (NOON, 7)
    assert missing == (None, None)
    assert repo.provider.async_supported.online.read
    assert repo.provider.async_supported.online.write


def test_values_older_than_the_ttl_are_withheld_and_it_is_said(
    repo: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    fresh = view(write(tmp_path / "f.parquet", rows), ttl=HOUR)
    repo.apply([DRIVER, fresh])
    put(repo, fresh, row(1, 7, NOON), row(2, None, NOON))
    freeze(monkeypatch, NOON + HOUR)
    asked = {"driver_id": [1, 2, 3]}
    assert lookup(repo, ["stats:value"], **asked)["value"] == (
        [7, None, None],
        [PRESENT, NULL_VALUE, NOT_FOUND],
    )
    freeze(monkeypatch, NOON + HOUR + TICK)
    assert lookup(repo, ["stats:value"], **asked)["value"] == (
        [None, None, None],
        [OUTSIDE, OUTSIDE, NOT_FOUND],
    )


def test_the_async_lookup_says_why_a_value_is_withheld(
    repo: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    fresh = view(write(tmp_path / "f.parquet", rows), ttl=HOUR)
    repo.apply([DRIVER, fresh])
    put(repo, fresh, row(1, 7, NOON))
    freeze(monkeypatch, NOON + 2 * HOUR)

    async def walk() -> list[int]:
        asked = [{"driver_id": 1}]
        answer = await repo.get_online_features_async(
            ["stats:value"], asked, full_feature_names=True
        )
        await repo.provider.close()
        return list(answer.proto.results[1].statuses)

    assert asyncio.run(walk()) == [OUTSIDE]


def test_the_ttl_can_be_left_unenforced_as_with_feasts_redis_store(
    tmp_path: Path, valkey: str, stats: FeatureView, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert valkey
    lax = store(tmp_path / "lax", project=f"p{uuid4().hex[:8]}", online={"enforce_ttl": False})
    stats.ttl = HOUR
    lax.apply([DRIVER, stats])
    put(lax, stats, row(1, 7, NOON))
    freeze(monkeypatch, NOON + 1000 * HOUR)
    assert lookup(lax, ["stats:value"], driver_id=[1])["value"] == ([7], [PRESENT])


def test_every_type_comes_back_as_it_was(repo: FeatureStore, tmp_path: Path) -> None:
    samples: dict[str, tuple[FeastType, Any]] = {
        "truth": (Bool, True),
        "small": (Int32, -(2**31)),
        "whole": (Int64, 2**53 + 1),
        "single": (Float32, 0.5),
        "double": (Float64, 0.1),
        "text": (String, "naïve ✈"),
        "raw": (Bytes, b"\x00\xff"),
        "instant": (UnixTimestamp, NOON),
        "wholes": (Array(Int64), [1, 2**62]),
        "doubles": (Array(Float64), [0.1, -1.5]),
        "texts": (Array(String), ["a", ""]),
        "document": (Json, {"a": [1, None]}),
    }
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON]})
    table = FeatureView(
        name="types",
        entities=[DRIVER],
        schema=[Field(name=name, dtype=kind) for name, (kind, _) in samples.items()],
        source=FileSource(
            path=write(tmp_path / "t.parquet", frame), timestamp_field="event_timestamp"
        ),
    )
    repo.apply([DRIVER, table])
    written = {name: [value] for name, (_, value) in samples.items()}
    written["document"] = ['{"a": [1, null]}']
    pushed = frame.assign(**written)
    repo.write_to_online_store("types", pushed)
    found = lookup(repo, [f"types:{name}" for name in samples], driver_id=[1])
    for name, (_, value) in samples.items():
        assert found[name] == ([value], [PRESENT]), name


def test_composite_text_and_number_keys_are_told_apart(repo: FeatureStore, tmp_path: Path) -> None:
    place = Entity(name="place", join_keys=["place"], value_type=ValueType.STRING)
    frame = pd.DataFrame(
        {
            "place": ["a,b", "a", "1"],
            "customer_id": [1, 2, 11],
            "event_timestamp": [NOON] * 3,
            "value": [10, 20, 30],
        }
    )
    table = view(write(tmp_path / "f.parquet", frame), entities=[place, CUSTOMER])
    repo.apply([place, CUSTOMER, table])
    repo.write_to_online_store("stats", frame)
    found = lookup(repo, ["stats:value"], place=["1", "a", "a,b", "b"], customer_id=[11, 2, 1, 1])
    assert found["value"][0] == [30, 20, 10, None]


def test_removing_a_view_deletes_its_rows_and_no_others(
    repo: FeatureStore, tmp_path: Path, stats: FeatureView
) -> None:
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    similar = view(write(tmp_path / "g.parquet", frame), name="stats_2")
    repo.apply([DRIVER, stats, similar])
    put(repo, stats, row(1, 1, NOON))
    put(repo, similar, row(1, 2, NOON))
    repo.apply([], objects_to_delete=[stats], partial=False)
    assert get(repo, stats) == (None, None)
    assert get(repo, similar) == (NOON, 2)


def test_projects_with_similar_names_never_touch_each_other(
    tmp_path: Path, valkey: str, stats: FeatureView
) -> None:
    assert valkey
    tail = uuid4().hex[:8]
    risk = store(tmp_path / "risk", project=f"risk{tail}")
    fraud = store(tmp_path / "fraud", project=f"fraud_risk{tail}")
    longer = store(tmp_path / "longer", project=f"risk{tail}_2")
    for number, repo in enumerate((risk, fraud, longer)):
        put(repo, stats, row(1, number, NOON))
    assert [get(repo, stats)[1] for repo in (risk, fraud, longer)] == [0, 1, 2]
    risk.provider.online_store.teardown(risk.config, [stats], [DRIVER])
    assert [get(repo, stats)[1] for repo in (risk, fraud, longer)] == [None, 1, 2]


def test_rows_of_another_layout_are_not_misread(
    repo: FeatureStore, tmp_path: Path, stats: FeatureView
) -> None:
    put(repo, stats, row(1, 7, NOON))
    changed = view(str(tmp_path / "stats.parquet"), dtype=Float64)
    [(at, found)] = repo.provider.online_read(repo.config, changed, [key(1)], ["value"])
    assert (at, found) == (None, None)


def test_a_view_whose_join_keys_are_not_known_is_refused(
    repo: FeatureStore, tmp_path: Path
) -> None:
    untyped = FeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[Field(name="value", dtype=Int64)],
        source=FileSource(path=str(tmp_path / "f.parquet"), timestamp_field="event_timestamp"),
    )
    with pytest.raises(InvalidInput, match="join keys are not known"):
        put(repo, untyped, row(1, 1, NOON))


def test_on_demand_results_are_not_stored(repo: FeatureStore, stats: FeatureView) -> None:
    @on_demand_feature_view(
        sources=[stats],
        entities=[DRIVER],
        schema=[Field(name="double", dtype=Int64), Field(name="driver_id", dtype=Int64)],
        mode="python",
        write_to_online_store=True,
    )
    def doubling(inputs: dict) -> dict:
        return {"double": [None if v is None else 2 * v for v in inputs["value"]]}

    with pytest.raises(InvalidInput, match="cannot be written"):
        put(repo, doubling, row(1, 1, NOON))


def test_key_ttl_seconds_lets_rows_vanish(tmp_path: Path, valkey: str, stats: FeatureView) -> None:
    assert valkey
    brief = store(
        tmp_path / "brief", project=f"p{uuid4().hex[:8]}", online={"key_ttl_seconds": 900}
    )
    put(brief, stats, row(1, 7, NOON))
    online = store_of(brief.config)
    assert online.key_ttl_seconds == 900
    client = online.options.connect()
    [stored] = list(client.scan_iter(match=key_prefix(brief.project, stats.name) + b"{*"))
    assert 0 < client.ttl(stored) <= 900
    client.close()


def test_rows_vanish_by_the_views_ttl_where_that_is_chosen_and_never_in_replays(
    tmp_path: Path, valkey: str, stats: FeatureView, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert valkey
    chosen = {"online_expiry": "view-ttl"}
    brief = store(tmp_path / "brief", project=f"p{uuid4().hex[:8]}", online=chosen)
    stats.ttl = timedelta(hours=2)
    put(brief, stats, row(1, 7, NOON), row(2, 7, datetime.now(UTC)))
    with store_of(brief.config).options.connect() as client:
        keys = sorted(client.scan_iter(match=key_prefix(brief.project, stats.name) + b"{*"))
        old, new = (client.ttl(key) for key in keys)
        assert 3500 < old <= 3600
        assert 3 * 3600 - 100 < new <= 3 * 3600 + 1
        freeze(monkeypatch, NOON)
        client.unlink(*keys)
        put(brief, stats, row(1, 7, NOON), row(2, 7, NOON))
        assert [client.ttl(key) for key in keys] == [-1, -1]
    store_of(brief.config).delete(brief.project)


def test_pushed_rows_are_there_at_once(repo: FeatureStore, tmp_path: Path) -> None:
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    source = FileSource(
        path=write(tmp_path / "f.parquet", frame), timestamp_field="event_timestamp"
    )
    table = FeatureView(
        name="pushed",
        entities=[DRIVER],
        schema=[Field(name="value", dtype=Int64)],
        source=PushSource(name="arrivals", batch_source=source),
    )
    repo.apply([DRIVER, table])
    now = datetime.now(UTC).replace(microsecond=123456)
    for value, at in ((5, now), (6, now - timedelta(seconds=1))):
        repo.push(
            "arrivals",
            pd.DataFrame({"driver_id": [1], "event_timestamp": [at], "value": [value]}),
        )
    assert get(repo, table, 1) == (now, 5)
