"""Retrieval without a spine: every key and instant between a start and an end."""

import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureService, FeatureStore, FeatureView, Field
from feast.types import Int64

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.clock import utc_now
from provender.core.errors import Denied, InvalidInput
from provender.feast_plugin.repo import apply
from provender.feast_plugin.windows import window
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, rows, store, view, write

DAY = timedelta(days=1)


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def applied(repo: FeatureStore, *views: FeatureView) -> FeatureStore:
    repo.apply([DRIVER, CUSTOMER, *views])
    return repo


def ask(repo: FeatureStore, *features: str, **options: object) -> list[tuple[object, ...]]:
    answer = repo.get_historical_features(features=list(features), **options).to_arrow()
    return [tuple(row.values()) for row in answer.to_pylist()]


def test_the_spine_is_every_key_and_instant_once_with_both_ends(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON - HOUR - TICK, 1),
            (1, NOON - HOUR, 2),
            (2, NOON - HOUR, 3),
            (1, NOON, 4),
            (1, NOON, 5),
            (1, NOON + TICK, 6),
            (None, NOON, 7),
            (1, None, 8),
        ),
    )
    applied(repo, view(path))
    answer = ask(repo, "stats:value", start_date=NOON - HOUR, end_date=NOON)
    assert answer == [(1, NOON - HOUR, 2), (2, NOON - HOUR, 3), (1, NOON, 5)]


def test_what_is_finer_than_a_microsecond_is_in_the_window_as_it_is_in_the_join(
    repo: FeatureStore, tmp_path: Path
) -> None:
    noon = int(NOON.timestamp()) * 1_000_000_000
    at = pa.array([noon - 600, noon + 600, noon + 1_600], pa.timestamp("ns", "UTC"))
    made = pa.table({"driver_id": [1, 1, 1], "event_timestamp": at, "value": [1, 2, 3]})
    applied(repo, view(write(tmp_path / "f.parquet", made)))
    answer = ask(repo, "stats:value", start_date=NOON, end_date=NOON)
    assert answer == [(1, NOON, 2)]


def test_several_views_of_the_same_keys_are_answered_at_the_instants_of_all(
    repo: FeatureStore, tmp_path: Path
) -> None:
    one = write(tmp_path / "one.parquet", rows((1, NOON, 7), (1, NOON + 2 * HOUR, 9)))
    two = write(tmp_path / "two.parquet", rows((1, NOON + HOUR, 8), (1, NOON + 2 * HOUR, 10)))
    applied(repo, _named(one, "one", "a"), _named(two, "two", "b"))
    answer = ask(repo, "one:a", "two:b", start_date=NOON, end_date=NOON + 2 * HOUR)
    assert answer == [(1, NOON, 7, None), (1, NOON + HOUR, 7, 8), (1, NOON + 2 * HOUR, 9, 10)]


def test_a_view_with_other_keys_adds_rows_that_are_null_in_those_it_lacks(
    repo: FeatureStore, tmp_path: Path
) -> None:
    drivers = write(tmp_path / "d.parquet", rows((1, NOON, 7)))
    customers = write(
        tmp_path / "c.parquet", rows((5, NOON, 8), columns="customer_id event_timestamp value")
    )
    applied(
        repo,
        _named(drivers, "drivers", "a"),
        _named(customers, "customers", "b", entities=[CUSTOMER]),
    )
    answer = repo.get_historical_features(
        features=["drivers:a", "customers:b"], start_date=NOON, end_date=NOON
    ).to_arrow()
    assert answer.column_names == ["customer_id", "driver_id", "event_timestamp", "a", "b"]
    found = sorted((tuple(row.values()) for row in answer.to_pylist()), key=str)
    assert found == [(5, None, NOON, None, 8), (None, 1, NOON, 7, None)]


def test_a_view_without_keys_adds_rows_only_where_it_is_alone(
    repo: FeatureStore, tmp_path: Path
) -> None:
    rate = write(
        tmp_path / "r.parquet", rows((NOON - HOUR, 3), (NOON, 4), columns="event_timestamp value")
    )
    drivers = write(tmp_path / "d.parquet", rows((1, NOON, 7)))
    applied(repo, _named(drivers, "drivers", "a"), _named(rate, "rate", "b", entities=[]))
    between = {"start_date": NOON - HOUR, "end_date": NOON}
    assert ask(repo, "drivers:a", "rate:b", **between) == [(1, NOON, 7, 4)]
    assert ask(repo, "rate:b", **between) == [(NOON - HOUR, 3), (NOON, 4)]


def test_a_renamed_join_key_goes_by_its_new_name(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    stats = view(path)
    applied(repo, stats)
    renamed = stats.with_name("renamed").with_join_key_map({"driver_id": "chauffeur"})
    service = FeatureService(name="s", features=[renamed])
    repo.apply([service])
    answer = repo.get_historical_features(
        features=service, start_date=NOON, end_date=NOON
    ).to_arrow()
    assert answer.to_pylist() == [{"chauffeur": 1, "event_timestamp": NOON, "value": 7}]


def test_the_ttl_and_created_timestamps_count_as_with_any_spine(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON, NOON + HOUR, 7),
            (1, NOON + 2 * HOUR, NOON + 2 * HOUR, 8),
            columns="driver_id event_timestamp created value",
        ),
    )
    applied(repo, view(path, created="created"))
    between = {"start_date": NOON, "end_date": NOON + 2 * HOUR}
    assert [row[-1] for row in ask(repo, "stats:value", **between)] == [7, 8]
    by_then = ask(repo, "stats:value", filter_by_created_timestamp=True, **between)
    assert [row[-1] for row in by_then] == [None, 8]


def test_nothing_between_start_and_end_is_said_so(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    with pytest.raises(InvalidInput, match="no row of stats is from 2024-06-01T13"):
        ask(repo, "stats:value", start_date=NOON + HOUR, end_date=NOON + DAY)
    with pytest.raises(InvalidInput, match="is after the end"):
        ask(repo, "stats:value", start_date=NOON + HOUR, end_date=NOON)


def test_keys_of_one_name_and_two_types_are_refused(repo: FeatureStore, tmp_path: Path) -> None:
    one = write(tmp_path / "one.parquet", rows((1, NOON, 7)))
    two = write(tmp_path / "two.parquet", rows(("x", NOON, 8)))
    applied(repo, _named(one, "one", "a"), _named(two, "two", "b"))
    with pytest.raises(InvalidInput, match="driver_id"):
        ask(repo, "one:a", "two:b", start_date=NOON, end_date=NOON)


def test_start_and_end_have_defaults(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    week, day = view(path, ttl=7 * DAY), view(path, name="day", ttl=DAY)
    assert window([week, day], None, NOON, utc_now) == (NOON - 7 * DAY, NOON)
    assert window([view(path)], None, NOON, utc_now) == (NOON - 30 * DAY, NOON)
    naive = NOON.replace(tzinfo=None)
    assert window([week], naive - HOUR, naive, utc_now) == (NOON - HOUR, NOON)
    assert window([week], NOON, None, lambda: NOON + DAY) == (NOON, NOON + DAY)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_now_is_the_end_that_feast_gives_whatever_the_machines_zone(
    repo: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    now = utc_now()
    path = write(
        tmp_path / "f.parquet", rows((1, now - timedelta(minutes=5), 7), (1, now + HOUR, 8))
    )
    applied(repo, view(path, ttl=DAY))
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert [row[-1] for row in ask(repo, "stats:value", start_date=now - HOUR)] == [7]
            assert [row[-1] for row in ask(repo, "stats:value")] == [7]
    finally:
        time.tzset()


def test_a_frozen_clock_ends_the_window(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVENDER_CLOCK", NOON.isoformat())
    bootstrap.settings.cache_clear()
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7), (1, NOON + HOUR, 8)))
    repo = applied(store(tmp_path / "repo"), view(path, ttl=DAY))
    assert [row[-1] for row in ask(repo, "stats:value", start_date=NOON - DAY)] == [7]
    assert home


def test_keys_and_instants_of_governed_rows_come_out_with_a_permit_only(
    tmp_path: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = governed.repository(tmp_path / "governed")
    apply(folder, catalog, online, settings=settings)
    feast_store = FeatureStore(repo_path=str(folder))
    between = {"start_date": NOON, "end_date": NOON + DAY}
    job = feast_store.get_historical_features(features=["trips:value"], **between)
    assert job.to_arrow().column("driver_id").to_pylist() == [1, 2, 3]
    assert catalog.records.training_set(job.training_set).row_count == 3
    monkeypatch.setenv("PROVENDER_ACTOR", governed.MAX)
    bootstrap.settings.cache_clear()
    with pytest.raises(Denied, match=r"shop.trips"):
        feast_store.get_historical_features(features=["trips:value"], **between)


def test_a_key_that_is_protected_does_not_come_out(
    tmp_path: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    definitions = governed.DEFINITIONS.replace(
        'join_keys=["driver_id"], value_type=ValueType.INT64',
        'join_keys=["home_address"], value_type=ValueType.STRING',
    )
    folder = governed.repository(tmp_path / "governed", definitions=definitions)
    apply(folder, catalog, online, settings=settings)
    with pytest.raises(Denied, match="home_address"):
        FeatureStore(repo_path=str(folder)).get_historical_features(
            features=["trips:value"], start_date=NOON, end_date=NOON + DAY
        )


def _named(path: str, name: str, feature: str, **more: object) -> FeatureView:
    made = view(path, feature, name=name, field_mapping={"value": feature}, **more)
    assert Field(name=feature, dtype=Int64) in made.schema
    return made


def test_a_spine_and_a_start_are_not_taken_together(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    spine = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON]})
    with pytest.raises(ValueError, match="both entity_df and start_date"):
        repo.get_historical_features(spine, features=["stats:value"], start_date=NOON)
