"""What Feast's own suite asks of an offline store, on its own generated data: files and datasets alike.

Six sources, eight views (composite keys, none at all, mapped fields, one view under two names, pushed),
an on-demand view with request data; spines as frame, query and window; saved and read back.
"""

import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
)
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Int32, String

from provender import bootstrap
from tests.feast_plugin.plain import store
from tests.feast_plugin.universal import (
    ANA,
    END,
    START,
    TTL,
    Make,
    World,
    in_catalog,
    in_files,
    micros,
    rounded,
)

KINDS = ["files", "catalog"]


@dataclass(frozen=True)
class Bare:
    """A store without any view, and what makes its sources."""

    make: Make
    store: FeatureStore


@pytest.fixture(params=KINDS, scope="module")
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, World]:
    """The folder of a world, and that world; no test changes its views."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "files":
        return folder, World(folder, in_files(folder))
    with pytest.MonkeyPatch.context() as patch:
        at_home(folder / "home", patch)
        made = World(folder, in_catalog(bootstrap.settings()), purpose="research")
    bootstrap.settings.cache_clear()
    return folder, made


@pytest.fixture
def world(made: tuple[Path, World], home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    folder, world = made
    if (folder / "home").exists():
        at_home(folder / "home", monkeypatch)
    return world


@pytest.fixture(params=KINDS)
def bare(
    request: pytest.FixtureRequest, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Bare:
    if request.param == "files":
        return Bare(in_files(tmp_path), store(tmp_path / "repo"))
    at_home(home, monkeypatch)
    make = in_catalog(bootstrap.settings())
    return Bare(make, store(tmp_path / "repo", purpose="research"))


def at_home(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PROVENDER_HOME", str(home))
    patch.setenv("PROVENDER_ACTOR", ANA)
    bootstrap.settings.cache_clear()


STORED = {
    "driver_stats:conv_rate": ("driver", {"driver_id": "driver_id"}, timedelta(hours=2)),
    "driver_stats:avg_daily_trips": ("driver", {"driver_id": "driver_id"}, timedelta(hours=2)),
    "customer_profile:current_balance": ("customer", {"customer_id": "customer_id"}, TTL),
    "customer_profile:lifetime_trip_count": ("customer", {"customer_id": "customer_id"}, TTL),
    "order:order_is_success": (
        "orders", {"customer_id": "customer_id", "driver_id": "driver_id"}, TTL,
    ),
    "world:num_rides": ("world", {}, TTL),
    "world:avg_ride_length": ("world", {}, TTL),
    "field_mapping:feature_name": ("mapped", {}, TTL),
}  # fmt: skip
COMPUTED = ["plus:plus_100", "plus:rounded", "plus:plus_value"]


@pytest.mark.parametrize("full", [True, False])
def test_stored_and_computed_features_are_those_of_the_oracle(world: World, full: bool) -> None:
    spine = world.spine("order_id")
    answer = world.store.get_historical_features(
        spine, features=[*STORED, *COMPUTED], full_feature_names=full
    ).to_arrow()
    for ref, (source, keys, ttl) in STORED.items():
        name = ref.replace(":", "__") if full else ref.partition(":")[2]
        column = "column_name" if source == "mapped" else ref.partition(":")[2]
        expected = world.expected(spine, source, keys, ttl, column)
        assert rounded(answer.column(name).to_pylist()) == rounded(expected), name
    rates = answer.column("driver_stats__conv_rate" if full else "conv_rate").to_pylist()
    hundreds = answer.column("plus__plus_100" if full else "plus_100").to_pylist()
    for rate, hundred in zip(rates, hundreds, strict=True):
        assert hundred == (None if rate is None else pytest.approx(rate + 100))
    assert answer.num_rows == len(spine)


def test_one_view_is_asked_for_both_ends_of_a_way(world: World) -> None:
    spine = world.spine("origin_id", "destination_id")
    service = world.store.get_feature_service("both_ends")
    answer = world.store.get_historical_features(spine, features=service, full_feature_names=True)
    for end in ("origin", "destination"):
        expected = world.expected(
            spine, "location", {f"{end}_id": "location_id"}, TTL, "temperature"
        )
        assert answer.to_arrow().column(f"{end}__temperature").to_pylist() == expected


def test_a_query_over_the_orders_is_the_same_spine_as_their_frame(world: World) -> None:
    table = getattr(world.sources["orders"], "table", "orders")
    columns = "customer_id, driver_id, order_id, event_timestamp"
    features = [ref for ref in STORED if not ref.startswith("driver")]
    by_query = world.store.get_historical_features(
        f"SELECT {columns} FROM {table} ORDER BY order_id", features=features
    ).to_arrow()
    frame = world.data["orders"][columns.split(", ")].sort_values("order_id")
    by_frame = world.store.get_historical_features(frame, features=features).to_arrow()
    assert by_query.select(features_of(features)).equals(by_frame.select(features_of(features)))
    assert by_query.column("order_id").to_pylist() == by_frame.column("order_id").to_pylist()


def test_a_saved_dataset_is_what_was_retrieved(world: World, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    job = world.store.get_historical_features(world.spine("order_id"), features=list(STORED))
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved"))
    saved = world.store.create_saved_dataset(job, "mine", storage, allow_overwrite=True)
    assert saved.to_arrow().equals(job.to_arrow())


def test_without_a_spine_every_row_of_the_window_is_there(world: World) -> None:
    answer = world.store.get_historical_features(
        features=["location_stats:temperature"],
        start_date=(START + timedelta(hours=1)).replace(tzinfo=None),
        end_date=END,
    ).to_arrow()
    frame = world.data["location"]
    inside = frame[frame["event_timestamp"] >= START + timedelta(hours=1)]
    pairs = {
        (key, micros(at))
        for key, at in zip(inside.location_id, inside.event_timestamp, strict=True)
    }
    found = [
        (key, micros(at))
        for key, at in zip(*(answer.column(n).to_pylist() for n in (0, 1)), strict=True)
    ]
    assert sorted(found) == sorted(pairs)


def features_of(refs: list[str]) -> list[str]:
    return [ref.partition(":")[2] for ref in refs]


NOW = datetime.now().replace(microsecond=0, second=0, minute=0)  # noqa: DTZ005  # naive, as there
DAY = timedelta(days=1)


def applied_stats(
    bare: Bare, rows: list[tuple[Any, ...]], *fields: Field, key: str = "driver_id"
) -> None:
    """Apply a view whose entity says no type, and whose schema need not say its key."""
    frame = pd.DataFrame(rows, columns=[key, "avg_daily_trips", "event_timestamp", "created"])
    mapping = {} if key == "driver_id" else {key: "driver_id"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        driver = Entity(name="driver", join_keys=["driver_id"])
    stats = FeatureView(
        name="trips",
        entities=[driver],
        schema=[Field(name="avg_daily_trips", dtype=Int32), *fields],
        source=bare.make("stats", frame, mapping),
    )
    bare.store.apply([driver, stats])


def trips(bare: Bare, spine: pd.DataFrame | None, **window: datetime) -> pd.DataFrame:
    return bare.store.get_historical_features(
        spine, features=["trips:avg_daily_trips"], **window
    ).to_df()


def test_backfilled_rows_count_by_their_event_timestamp(bare: Bare) -> None:
    applied_stats(
        bare,
        [
            (1001, 10, NOW, NOW),
            (1001, 20, NOW, NOW + DAY),
            (1002, 30, NOW, NOW + DAY),
            (1002, 40, NOW + DAY, NOW),
        ],
    )
    spine = pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [NOW + 2 * DAY] * 2})
    assert list(trips(bare, spine)["avg_daily_trips"]) == [20, 40]


def test_a_mapped_key_may_be_declared_as_another_type(bare: Bare) -> None:
    applied_stats(
        bare,
        [(1001, 20, NOW, NOW + DAY), (1002, 40, NOW + DAY, NOW)],
        Field(name="driver_id", dtype=String),
        key="id",
    )
    spine = pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [NOW + 2 * DAY] * 2})
    assert list(trips(bare, spine)["avg_daily_trips"]) == [20, 40]


def test_a_window_has_the_latest_rows_and_none_outside(bare: Bare) -> None:
    rows = [
        (key, trip, at, at)
        for key in (1001, 1002)
        for trip, at in ((1, NOW - 2 * DAY), (2, NOW - DAY), (3, NOW), (4, NOW + DAY))
    ]
    applied_stats(bare, rows)
    window = {"start_date": NOW - 3 * DAY, "end_date": NOW + timedelta(hours=1)}
    found = trips(bare, None, **window)
    assert sorted(zip(found.driver_id, found.avg_daily_trips, strict=True)) == [
        (key, trip) for key in (1001, 1002) for trip in (1, 2, 3)
    ]


@pytest.mark.parametrize("full", [True, False])
def test_only_the_computed_features_that_are_asked_for_come_out(world: World, full: bool) -> None:
    answer = world.store.get_historical_features(
        world.spine(), features=COMPUTED[:2], full_feature_names=full
    ).to_df()
    names = [name.replace(":", "__") if full else name.partition(":")[2] for name in COMPUTED]
    assert [name in answer.columns for name in names] == [True, True, False]


def test_a_feature_that_its_view_does_not_have_is_feasts_error(world: World) -> None:
    with pytest.raises(KeyError):
        world.store.get_historical_features(world.spine(), features=["world:conv_rate"])
