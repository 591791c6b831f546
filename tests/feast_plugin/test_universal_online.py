"""What Feast's own suite asks of an online store, in our words, on its generated data: files and datasets.

All views are materialised once; a lookup at the end of the data is then what the point-in-time
oracle says of that instant.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.errors import FeatureNameCollisionError, FeatureViewNotFoundException
from feast.types import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    Set,
    String,
    UnixTimestamp,
)

from provender import bootstrap
from provender.feast_plugin.online import store_of
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, TICK, store, write
from tests.feast_plugin.universal import (
    ANA,
    CUSTOMERS,
    DRIVERS,
    END,
    LOCATIONS,
    START,
    TTL,
    World,
    in_catalog,
    in_files,
    rounded,
)

UNKNOWN = 9_999
STORED = {
    "driver_stats:conv_rate": ("driver", {"driver_id": "driver_id"}, timedelta(hours=2)),
    "driver_stats:avg_daily_trips": ("driver", {"driver_id": "driver_id"}, timedelta(hours=2)),
    "customer_profile:current_balance": ("customer", {"customer_id": "customer_id"}, TTL),
    "customer_profile:lifetime_trip_count": ("customer", {"customer_id": "customer_id"}, TTL),
    "order:order_is_success": (
        "orders", {"customer_id": "customer_id", "driver_id": "driver_id"}, TTL,
    ),
    "location_stats:temperature": ("location", {"location_id": "location_id"}, TTL),
    "world:num_rides": ("world", {}, TTL),
    "world:avg_ride_length": ("world", {}, TTL),
    "field_mapping:feature_name": ("mapped", {}, TTL),
}  # fmt: skip
ENTITIES = pd.DataFrame(
    [
        {"driver_id": driver, "customer_id": customer, "location_id": location}
        for driver in [*DRIVERS, UNKNOWN]
        for customer in [*CUSTOMERS[:2], UNKNOWN]
        for location in [LOCATIONS[0], UNKNOWN]
    ]
)


@pytest.fixture(params=["files", "catalog"], scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[World]:
    """All views, materialised; every test but those that say so leaves it as it was."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        _configure(patch, folder / "home", valkey_url)
        project = f"u{uuid4().hex[:8]}"
        if request.param == "files":
            made = World(folder, in_files(folder), project=project)
        else:
            make = in_catalog(bootstrap.settings())
            made = World(folder, make, project=project, purpose="research")
        made.store.materialize(START - HOUR, END + TICK)
        made.home = folder / "home"  # type: ignore[attr-defined]
        yield made
        store_of(made.store.config).delete(project)
        bootstrap.settings.cache_clear()


def _configure(patch: pytest.MonkeyPatch, home: Path, url: str) -> None:
    patch.setenv("PROVENDER_HOME", str(home))
    patch.setenv("PROVENDER_REDIS_URL", url)
    patch.setenv("PROVENDER_ACTOR", ANA)
    patch.setenv("PROVENDER_CLOCK", END.isoformat())
    bootstrap.settings.cache_clear()


@pytest.fixture(autouse=True)
def _at_the_end_of_the_data(
    request: pytest.FixtureRequest, home: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    chosen = home
    if "world" in request.fixturenames:
        chosen = request.getfixturevalue("world").home
    _configure(monkeypatch, chosen, valkey_url)
    yield
    bootstrap.settings.cache_clear()


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def expected(world: World, ref: str) -> list[Any]:
    source, keys, ttl = STORED[ref]
    column = "column_name" if source == "mapped" else ref.partition(":")[2]
    spine = ENTITIES.assign(event_timestamp=pd.Timestamp(END))
    return rounded(world.expected(spine, source, keys, ttl, column))


@pytest.mark.parametrize("full", [True, False], ids=["full", "short"])
def test_what_is_looked_up_is_what_was_known_at_that_instant(world: World, full: bool) -> None:
    answer = world.store.get_online_features(
        list(STORED), rows(ENTITIES), full_feature_names=full
    ).to_dict()
    for ref in STORED:
        name = ref.replace(":", "__") if full else ref.partition(":")[2]
        assert rounded(answer[name]) == expected(world, ref), ref
    assert any(
        value is None for value in answer["driver_stats__conv_rate" if full else "conv_rate"]
    )
    for key in ENTITIES:
        assert answer[key] == list(ENTITIES[key])


def test_documents_maps_and_structs_come_back_whole(world: World) -> None:
    asked = [f"driver_stats:{n}" for n in ("driver_metadata", "driver_config", "driver_profile")]
    answer = world.store.get_online_features(asked, [{"driver_id": DRIVERS[0]}]).to_dict()
    frame = world.data["driver"]
    mine = frame[(frame["driver_id"] == DRIVERS[0]) & (frame["event_timestamp"] <= END)]
    latest = mine.sort_values(["event_timestamp", "created"]).iloc[-1]
    for name in ("driver_metadata", "driver_profile"):
        assert {k: str(v) for k, v in answer[name][0].items()} == {
            k: str(v) for k, v in dict(latest[name]).items()
        }
    assert isinstance(answer["driver_config"][0], dict)


def test_rows_and_columns_of_entities_are_asked_alike(world: World) -> None:
    asked = ["driver_stats:conv_rate", "order:order_is_success"]
    columns = {name: list(ENTITIES[name]) for name in ("driver_id", "customer_id")}
    by_columns = world.store.get_online_features(asked, columns).to_dict()
    by_rows = world.store.get_online_features(
        asked, rows(ENTITIES[["driver_id", "customer_id"]])
    ).to_dict()
    assert by_columns == by_rows


def test_the_awaited_lookup_answers_the_same(world: World) -> None:
    async def walk() -> Any:
        answer = await world.store.get_online_features_async(list(STORED), rows(ENTITIES))
        await world.store.provider.close()
        return answer.to_dict()

    answer = asyncio.run(walk())
    for ref in STORED:
        assert rounded(answer[ref.partition(":")[2]]) == expected(world, ref), ref


def test_what_is_computed_needs_its_inputs_not_to_be_asked_for(world: World) -> None:
    entities = [{"driver_id": driver, "val_to_add": 5} for driver in DRIVERS]
    both = world.store.get_online_features(
        ["plus:plus_100", "plus:plus_value", "driver_stats:conv_rate"], entities
    ).to_dict()
    alone = world.store.get_online_features(["plus:plus_100", "plus:plus_value"], entities)
    assert alone.to_dict().keys() == {"driver_id", "plus_100", "plus_value"}
    assert alone.to_dict()["plus_100"] == both["plus_100"]
    assert both["plus_100"] == pytest.approx([rate + 100 for rate in both["conv_rate"]])
    assert both["plus_value"] == pytest.approx([rate + 5 for rate in both["conv_rate"]])


def test_one_view_is_asked_for_both_ends_of_a_way(world: World) -> None:
    service = world.store.get_feature_service("both_ends")
    ways = [{"origin_id": 1, "destination_id": 2}, {"origin_id": UNKNOWN, "destination_id": 1}]
    answer = world.store.get_online_features(service, ways, full_feature_names=True).to_dict()
    single = world.store.get_online_features(
        ["location_stats:temperature"], [{"location_id": n} for n in (1, 2, UNKNOWN)]
    ).to_dict()["temperature"]
    first, second, nothing = single
    assert nothing is None
    assert answer["origin__temperature"] == [first, None]
    assert answer["destination__temperature"] == [second, first]
    with pytest.raises(FeatureNameCollisionError):
        world.store.get_online_features(service, ways)


def test_names_that_are_not_there_are_refused(world: World) -> None:
    entity = [{"driver_id": DRIVERS[0]}]
    with pytest.raises(FeatureViewNotFoundException):
        world.store.get_online_features(["driver_stat:conv_rate"], entity)
    with pytest.raises(KeyError):
        world.store.get_online_features(["driver_stats:conv_rates"], entity)
    with pytest.raises(KeyError):
        world.store.get_online_features(["driver_stats:conv_rate"], [{"nothing": 1}])


def test_older_rows_that_are_written_later_change_nothing(world: World) -> None:
    key = UNKNOWN + 1

    def known() -> Any:
        answer = world.store.get_online_features(
            ["location_stats:temperature"], [{"location_id": key}]
        )
        return answer.to_dict()["temperature"][0]

    def put(temperature: int, age: timedelta) -> None:
        frame = pd.DataFrame({"location_id": [key], "temperature": [temperature]})
        stamps = {"event_timestamp": [END - age], "created": [END - age]}
        entity = world.data["location"].dtypes
        given = frame.assign(**{k: v for k, v in stamps.items() if k in entity})
        world.store.provider.online_write_batch(
            world.store.config,
            world.store.get_feature_view("location_stats"),
            protobufs(given),
            None,
        )

    put(20, HOUR)
    put(10, 2 * HOUR)
    assert known() == 20
    put(30, timedelta())
    assert known() == 30


def protobufs(frame: pd.DataFrame) -> list[Any]:
    """Rows as Feast's provider hands them to an online store."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return [
        (
            EntityKey(
                join_keys=["location_id"], entity_values=[Value(int64_val=int(row["location_id"]))]
            ),
            {"temperature": Value(int32_val=int(row["temperature"]))},
            row["event_timestamp"].to_pydatetime(),
            None,
        )
        for row in frame.to_dict("records")
    ]


def test_pushed_rows_are_served_at_once(tmp_path: Path) -> None:
    made = World(tmp_path, in_files(tmp_path), project=f"u{uuid4().hex[:8]}")
    pushed = pd.DataFrame(
        {"location_id": [1], "temperature": [4], "event_timestamp": [END], "created": [END]}
    )
    made.store.push("pushed", pushed)
    found = made.store.get_online_features(["pushed_stats:temperature"], [{"location_id": 1}])
    assert found.to_dict()["temperature"] == [4]
    made.store.write_to_online_store("pushed_stats", pushed.assign(temperature=[5]))
    found = made.store.get_online_features(["pushed_stats:temperature"], [{"location_id": 1}])
    assert found.to_dict()["temperature"] == [5]
    store_of(made.store.config).delete(made.store.project)


def test_a_view_that_was_deleted_and_applied_again_has_no_rows(tmp_path: Path) -> None:
    made = World(tmp_path, in_files(tmp_path), project=f"u{uuid4().hex[:8]}")
    asked = (["location_stats:temperature"], [{"location_id": 1}])
    made.store.materialize(START - HOUR, END + TICK, feature_views=["location_stats"])
    assert made.store.get_online_features(*asked).to_dict()["temperature"] != [None]
    table = made.store.get_feature_view("location_stats")
    service = made.store.get_feature_service("both_ends")
    made.store.apply([], objects_to_delete=[table, service], partial=False)
    with pytest.raises(FeatureViewNotFoundException):
        made.store.get_online_features(*asked)
    made.store.apply([table])
    answer = made.store.get_online_features(*asked)
    assert answer.to_dict()["temperature"] == [None]
    assert list(answer.proto.results[1].statuses) == [3]
    store_of(made.store.config).delete(made.store.project)


KINDS: dict[str, tuple[FeastType, pa.DataType, Any]] = {
    "int32": (Int32, pa.int32(), -(2**31)),
    "int64": (Int64, pa.int64(), 2**53 + 1),
    "float": (Float32, pa.float32(), 0.5),
    "double": (Float64, pa.float64(), 0.1),
    "text": (String, pa.string(), "naïve ✈"),
    "truth": (Bool, pa.bool_(), True),
    "raw": (Bytes, pa.binary(), b"\x00\xff"),
    "instant": (UnixTimestamp, pa.timestamp("us", "UTC"), NOON),
    "int32s": (Array(Int32), pa.list_(pa.int32()), [1, -1]),
    "int64s": (Array(Int64), pa.list_(pa.int64()), [2**53 + 1]),
    "floats": (Array(Float32), pa.list_(pa.float32()), [0.5, 1.5]),
    "doubles": (Array(Float64), pa.list_(pa.float64()), [0.1]),
    "texts": (Array(String), pa.list_(pa.string()), ["a", ""]),
    "truths": (Array(Bool), pa.list_(pa.bool_()), [True, False]),
    "raws": (Array(Bytes), pa.list_(pa.binary()), [b"\x00"]),
    "instants": (Array(UnixTimestamp), pa.list_(pa.timestamp("us", "UTC")), [NOON]),
    "int64_set": (Set(Int64), pa.list_(pa.int64()), {3, 1}),
    "text_set": (Set(String), pa.list_(pa.string()), {"a", "b"}),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Any]:
    """A view with a feature of every type, materialised: one row with values, one with nulls."""
    folder = tmp_path_factory.mktemp("kinds")
    with pytest.MonkeyPatch.context() as patch:
        _configure(patch, folder / "home", valkey_url)
        columns = {
            name: pa.array([list(value) if isinstance(value, set) else value, None], kind)
            for name, (_, kind, value) in KINDS.items()
        }
        stamps = pa.array([NOON, NOON], pa.timestamp("us", "UTC"))
        table = pa.table({"driver_id": [1, 2], "event_timestamp": stamps, **columns})
        source = FileSource(
            path=write(folder / "kinds.parquet", table), timestamp_field="event_timestamp"
        )
        fields = [Field(name=name, dtype=kind) for name, (kind, _, _) in KINDS.items()]
        made = store(folder / "repo", project=f"u{uuid4().hex[:8]}")
        made.apply(
            [DRIVER, FeatureView(name="kinds", entities=[DRIVER], schema=fields, source=source)]
        )
        made.materialize(NOON - HOUR, NOON + HOUR)
        yield made
        store_of(made.config).delete(made.project)
        bootstrap.settings.cache_clear()


@pytest.mark.parametrize("name", KINDS)
def test_every_type_is_materialised_and_comes_back_as_it_was(kinds: Any, name: str) -> None:
    found = kinds.get_online_features([f"kinds:{name}"], [{"driver_id": 1}, {"driver_id": 2}])
    assert found.to_dict()[name] == [KINDS[name][2], None]
    assert list(found.proto.results[1].statuses) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "keys"),
    [(ValueType.INT64, [1, 2**40]), (ValueType.STRING, ["a", "ü}{,"]), (ValueType.INT32, [1, -1])],
)
def test_entities_are_of_numbers_and_of_text(
    tmp_path: Path, kind: ValueType, keys: list[Any]
) -> None:
    feast_type = {ValueType.INT64: Int64, ValueType.INT32: Int32, ValueType.STRING: String}[kind]
    entity = Entity(name="thing", join_keys=["thing_id"], value_type=kind)
    frame = pd.DataFrame({"thing_id": keys, "event_timestamp": [END] * 2, "value": [1, 2]})
    table = FeatureView(
        name="things",
        entities=[entity],
        schema=[Field(name="thing_id", dtype=feast_type), Field(name="value", dtype=Int64)],
        source=FileSource(
            path=write(tmp_path / "f.parquet", frame), timestamp_field="event_timestamp"
        ),
    )
    made = store(tmp_path / "repo", project=f"u{uuid4().hex[:8]}")
    made.apply([entity, table, FeatureService(name="s", features=[table])])
    made.materialize(END - HOUR, END + HOUR)
    service = made.get_feature_service("s")
    found = made.get_online_features(service, [{"thing_id": key} for key in reversed(keys)])
    assert found.to_dict() == {"thing_id": keys[::-1], "value": [2, 1]}
    store_of(made.config).delete(made.project)
