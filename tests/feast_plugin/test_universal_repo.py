"""What is handed to Feast's universal suite makes stores that work, as the suite makes them of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from feast import FeatureStore, FeatureView, Field, RepoConfig
from feast.feature_logging import LoggingDestination
from feast.types import Int64

from provender import bootstrap
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows
from tests.feast_plugin.universal_repo import (
    AVAILABLE_OFFLINE_STORES,
    AVAILABLE_ONLINE_STORES,
    Files,
)

MATCHING = "driver_id ts_1 created_ts value"


@pytest.fixture
def files() -> Iterator[Files]:
    provider, creator = AVAILABLE_OFFLINE_STORES[0]
    assert provider == "local"
    made = creator(f"suite_{uuid4().hex[:6]}", fixture_request=None)
    yield made
    made.teardown()
    assert not made.folder.exists()


@pytest.fixture
def repo(
    files: Files, tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FeatureStore]:
    """A store as the suite configures it, with one view; the day is the one after its data."""
    assert valkey
    monkeypatch.setenv("PROVENDER_CLOCK", (NOON + timedelta(days=1)).isoformat())
    bootstrap.settings.cache_clear()
    online, creator = AVAILABLE_ONLINE_STORES["redis"]
    assert creator is None
    config = RepoConfig(
        project=files.project_name,
        provider="local",
        registry=str(tmp_path / "registry.db"),
        offline_store=files.create_offline_store_config(),
        online_store=online,
        batch_engine="local",
        repo_path=str(tmp_path),
        entity_key_serialization_version=3,
    )
    source = files.create_data_source(
        rows((1, NOON, NOON, 7), (1, NOON, NOON + HOUR, 8), columns=MATCHING), "stats"
    )
    made = FeatureStore(config=config)
    view = FeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[Field(name="driver_id", dtype=Int64), Field(name="value", dtype=Int64)],
        source=source,
        ttl=HOUR,
    )
    made.apply([DRIVER, view])
    yield made
    made.teardown()


def test_rows_of_any_age_are_looked_up(repo: FeatureStore) -> None:
    repo.materialize(NOON - HOUR, NOON + HOUR)
    found = repo.get_online_features(["stats:value"], [{"driver_id": 1}, {"driver_id": 2}])
    assert found.to_dict()["value"] == [8, None]


def test_answers_are_saved_and_logs_have_a_place(repo: FeatureStore, files: Files) -> None:
    spine = rows((1, NOON), columns="driver_id event_timestamp")
    saved = repo.create_saved_dataset(
        from_=repo.get_historical_features(spine, features=["stats:value"]),
        name="saved",
        storage=files.create_saved_dataset_destination(),
    )
    assert list(saved.to_df()["value"]) == [8]
    assert isinstance(files.create_logged_features_destination(), LoggingDestination)


def test_a_spine_may_be_selected_from_a_source(repo: FeatureStore, files: Files) -> None:
    spine = rows((1, NOON), columns="driver_id event_timestamp")
    orders = files.create_data_source(spine, "orders", None, timestamp_field="event_timestamp")
    repo.apply([orders])
    query = f"SELECT driver_id, event_timestamp FROM {orders.table}"
    joined = repo.get_historical_features(query, features=["stats:value"]).to_df()
    assert list(joined["value"]) == [8]
