"""How views become joins: keys under other names, ties, and names of every kind."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, ValueType
from feast.types import Int64, UnixTimestamp

from provender.core.errors import InvalidInput
from provender.feast_plugin.spine import Entities
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def applied(repo: FeatureStore, *views: FeatureView) -> FeatureStore:
    repo.apply([DRIVER, CUSTOMER, *views])
    return repo


def answer(repo: FeatureStore, spine: object, features: object, **more: object) -> pa.Table:
    return repo.get_historical_features(spine, features=features, **more).to_arrow()


@pytest.mark.parametrize("asked", [["b"], ["b", "a"], ["a", "b"]])
def test_which_row_wins_a_tie_does_not_depend_on_the_features_asked(
    repo: FeatureStore, tmp_path: Path, asked: list[str]
) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows((1, NOON, 1, 9), (1, NOON, 2, 3), columns="driver_id event_timestamp a b"),
    )
    applied(repo, view(path, "a", "b"))
    spine = rows((1, NOON), columns="driver_id event_timestamp")
    found = answer(repo, spine, [f"stats:{name}" for name in asked])
    assert found.column("b").to_pylist() == [3]


PAIRS = [(d, c, NOON, 10 * d + c) for d in (1, 2) for c in (1, 2)]


@pytest.mark.parametrize(
    "renamed",
    [
        {},
        {"driver_id": "d"},
        {"customer_id": "c"},
        {"driver_id": "d", "customer_id": "c"},
        {"driver_id": "customer_id", "customer_id": "driver_id"},
    ],
)
def test_join_keys_are_found_under_the_names_they_have_in_the_spine(
    repo: FeatureStore, tmp_path: Path, renamed: dict[str, str]
) -> None:
    path = write(
        tmp_path / "f.parquet", rows(*PAIRS, columns="driver_id customer_id event_timestamp value")
    )
    pairs = view(path, entities=[DRIVER, CUSTOMER])
    applied(repo, pairs)
    used = pairs.with_join_key_map(renamed).with_name("pair") if renamed else pairs
    service = FeatureService(name="service", features=[used])
    repo.apply([service])
    names = [renamed.get("driver_id", "driver_id"), renamed.get("customer_id", "customer_id")]
    spine = pd.DataFrame(
        [(d, c, NOON) for d in (2, 1, 3) for c in (1, 2)], columns=[*names, "event_timestamp"]
    )
    found = answer(repo, spine, service)
    assert found.column("value").to_pylist() == [21, 22, 11, 12, None, None]


def test_one_view_is_joined_three_times_with_its_own_keys_each(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet", rows(*PAIRS, columns="driver_id customer_id event_timestamp value")
    )
    pairs = view(path, entities=[DRIVER, CUSTOMER])
    applied(repo, pairs)
    uses = [
        pairs.with_name("own"),
        pairs.with_name("other driver").with_join_key_map({"driver_id": "driver 2"}),
        pairs.with_name("all_other").with_join_key_map(
            {"driver_id": "driver 2", "customer_id": "customer 2"}
        ),
    ]
    service = FeatureService(name="service", features=uses)
    repo.apply([service])
    spine = pd.DataFrame(
        [(1, 2, 2, 1, NOON)],
        columns=["driver_id", "customer_id", "driver 2", "customer 2", "event_timestamp"],
    )
    found = answer(repo, spine, service, full_feature_names=True)
    assert found.select([5, 6, 7]).to_pylist() == [
        {"own__value": 12, "other driver__value": 22, "all_other__value": 21}
    ]


@pytest.mark.parametrize(
    ("first", "second"), [("driver_id", "customer_id"), ("customer_id", "driver_id")]
)
def test_views_of_different_keys_stand_side_by_side(
    repo: FeatureStore, tmp_path: Path, first: str, second: str
) -> None:
    views = {
        "driver_id": view(write(tmp_path / "d.parquet", rows((1, NOON, 7))), name="d"),
        "customer_id": view(
            write(
                tmp_path / "c.parquet", rows((1, NOON, 8), columns="customer_id event_timestamp x")
            ),
            "x",
            name="c",
            entities=[CUSTOMER],
        ),
    }
    applied(repo, *views.values())
    spine = pd.DataFrame({first: [1], second: [1], "event_timestamp": [NOON]})
    found = answer(repo, spine, ["c:x", "d:value"])
    assert found.select(["x", "value"]).to_pylist() == [{"x": 8, "value": 7}]


@pytest.mark.parametrize(
    "name",
    [
        "select", "order", "rid", "t", "k0", "f0", "s0", "event_at", "known_at", "spine",
        "source_0", "o0_0", "größe", "値", "a b", 'quo"te', "o'clock", "semi;colon", "x_y", "a.b",
        "%s", "{x}", "c", "e", "now", "row",
    ],
)  # fmt: skip
def test_features_keys_and_labels_can_have_any_name(
    repo: FeatureStore, tmp_path: Path, name: str
) -> None:
    table = pa.table({f"{name} key": [1], "seen": [NOON], name: [7], "made": [NOON]})
    key = Entity(name="thing", join_keys=[f"{name} key"], value_type=ValueType.INT64)
    made = view(
        write(tmp_path / "f.parquet", table),
        name,
        name="stats",
        entities=[key],
        timestamp="seen",
        created="made",
    )
    repo.apply([key, made])
    spine = pd.DataFrame({f"{name} key": [1, 2], f"{name} label": ["x", "y"], "at": [NOON, NOON]})
    for options in ({}, {"filter_by_created_timestamp": True}):
        found = answer(repo, spine, [f"stats:{name}"], **options)
        assert found.column_names == [f"{name} key", f"{name} label", "at", name]
        assert found.column(name).to_pylist() == [7, None]
    between = {"start_date": NOON, "end_date": NOON}
    assert answer(repo, None, [f"stats:{name}"], **between).column(name).to_pylist() == [7]


def test_names_that_differ_in_case_are_different(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    spine = pd.DataFrame(
        {"driver_id": [1], "DRIVER_ID": [2], "event_timestamp": [NOON], "VALUE": ["label"]}
    )
    assert answer(repo, spine, ["stats:value"]).to_pylist() == [
        {"driver_id": 1, "DRIVER_ID": 2, "event_timestamp": NOON, "VALUE": "label", "value": 7}
    ]


def test_source_columns_that_differ_in_case_only_are_never_mixed_up(
    repo: FeatureStore, tmp_path: Path
) -> None:
    table = pa.table({"driver_id": [1], "event_timestamp": [NOON], "Value": [7], "value": [8]})
    applied(repo, view(write(tmp_path / "f.parquet", table)))
    spine = rows((1, NOON), columns="driver_id event_timestamp")
    with pytest.raises(InvalidInput, match="no column value"):
        answer(repo, spine, ["stats:value"])


def test_timestamps_of_the_source_can_be_features_too(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows((1, NOON, NOON + HOUR, 7), columns="driver_id seen made value"),
    )
    stats = FeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="seen", dtype=UnixTimestamp),
            Field(name="made", dtype=UnixTimestamp),
        ],
        source=view(path, timestamp="seen", created="made").batch_source,
    )
    applied(repo, stats)
    spine = rows((1, NOON + HOUR), columns="driver_id event_timestamp")
    found = answer(repo, spine, ["stats:made"])
    assert found.column("made").to_pylist() == [NOON + HOUR]


def test_a_spine_with_a_column_twice_is_refused(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    twice = pa.Table.from_arrays(
        [pa.array([1]), pa.array([1]), pa.array([NOON])],
        names=["driver_id", "driver_id", "event_timestamp"],
    )
    with pytest.raises(InvalidInput, match="twice: driver_id"):
        answer(repo, Entities(twice), ["stats:value"])
