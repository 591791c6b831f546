"""Feast's own quickstart, as `feast init` writes it, with two lines of its configuration changed."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import feast
import pandas as pd
import pytest
from feast import FeatureStore
from feast.data_source import PushMode
from feast.repo_config import load_repo_config
from feast.repo_operations import apply_total

from provender.feast_plugin.online import store_of

TEMPLATE = Path(feast.__file__).parent / "templates" / "local"
PLAIN_FEAST = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What ``feast init`` leaves behind, on our two stores."""
    name = f"quick_{uuid4().hex[:8]}"
    folder = tmp_path / name
    shutil.copytree(TEMPLATE, folder)
    monkeypatch.syspath_prepend(str(folder))
    import_module("bootstrap").bootstrap()
    yaml = (folder / "feature_repo" / "feature_store.yaml").read_text()
    yaml = yaml.replace("project: my_project", f"project: {name}")
    yaml = yaml.replace(
        "online_store:\n    type: sqlite\n    path: data/online_store.db\n",
        "online_store:\n    type: provender.feast_plugin.online.ProvenderOnlineStore\n"
        "offline_store:\n    type: provender.feast_plugin.offline.ProvenderOfflineStore\n",
    )
    (folder / "feature_repo" / "feature_store.yaml").write_text(yaml)
    monkeypatch.syspath_prepend(str(folder / "feature_repo"))
    yield folder / "feature_repo"
    for module in ("bootstrap", "feature_definitions", "test_workflow"):
        sys.modules.pop(module, None)


def online(store: FeatureStore, features: Any) -> dict[str, list[Any]]:
    rows = [
        {"driver_id": driver, "val_to_add": 1000 + n, "val_to_add_2": 2000 + 2 * n}
        for n, driver in enumerate((1001, 1002))
    ]
    return store.get_online_features(features, rows).to_dict()


@PLAIN_FEAST
def test_the_quickstart_works_from_apply_to_push(
    project: Path, valkey: str, home: Path, tmp_path: Path
) -> None:
    assert valkey
    with chdir(project):
        config = load_repo_config(project, project / "feature_store.yaml")
        apply_total(config, project, skip_source_validation=False)
        store = FeatureStore(repo_path=str(project))

        now = pd.Timestamp.now("UTC")
        spine = pd.DataFrame(
            {
                "driver_id": [1001, 1002, 1003],
                "event_timestamp": [datetime(2021, 4, 12, 10, 59, 42), now, now],  # noqa: DTZ001
                "label_driver_reported_satisfaction": [1, 5, 3],
                "val_to_add": [1, 2, 3],
                "val_to_add_2": [10, 20, 30],
            }
        ).assign(event_timestamp=lambda frame: pd.to_datetime(frame["event_timestamp"], utc=True))
        training = store.get_historical_features(
            spine,
            features=[
                "driver_hourly_stats:conv_rate",
                "driver_hourly_stats:avg_daily_trips",
                "transformed_conv_rate:conv_rate_plus_val1",
            ],
        ).to_df()
        assert list(training["driver_id"]) == [1001, 1002, 1003]
        assert not training["conv_rate"].isna().any()
        added = training["conv_rate"] + training["val_to_add"]
        assert training["conv_rate_plus_val1"].equals(added.rename("conv_rate_plus_val1"))

        store.materialize_incremental(end_date=datetime.now())  # noqa: DTZ005 - as in the quickstart
        asked = [
            "driver_hourly_stats:acc_rate",
            "driver_hourly_stats:conv_rate",
            "driver_hourly_stats:driver_metadata",
            "driver_hourly_stats:driver_config",
            "driver_hourly_stats:driver_profile",
        ]
        served = online(store, asked)
        latest = training.set_index("driver_id")
        assert served["conv_rate"][1] == latest["conv_rate"][1002]
        assert set(served["driver_metadata"][0]) == {"vehicle_type", "rating"}
        assert set(served["driver_profile"][0]) == {"name", "age"}
        assert "max_distance_km" in served["driver_config"][0]
        computed = online(store, store.get_feature_service("driver_activity_v1"))
        assert computed["conv_rate_plus_val1"][1] == pytest.approx(served["conv_rate"][1] + 1001)

        event = pd.DataFrame(
            {
                "driver_id": [1001],
                "event_timestamp": [datetime.now()],  # noqa: DTZ005
                "created": [datetime.now()],  # noqa: DTZ005
                "conv_rate": [1.0],
                "acc_rate": [1.0],
                "avg_daily_trips": [1000],
                "driver_metadata": [{"vehicle_type": "truck", "rating": "5.0"}],
                "driver_config": ['{"max_distance_km": 500, "preferred_zones": ["north"]}'],
                "driver_profile": [{"name": "driver_1001_updated", "age": "30"}],
            }
        )
        store.push("driver_stats_push_source", event, to=PushMode.ONLINE_AND_OFFLINE)
        fresh = online(store, store.get_feature_service("driver_activity_v3"))
        assert fresh["conv_rate"] == [1.0, pytest.approx(served["conv_rate"][1])]
        assert fresh["driver_profile"][0] == {"name": "driver_1001_updated", "age": "30"}
        assert fresh["conv_rate_plus_val1"][0] == 1001.0

        store.provider.online_store.teardown(store.config, [], [])
        assert store_of(store.config).count(store.project) == 0
    assert not (home / "catalog.db").exists()
    assert not (home / "lake").exists()
    assert tmp_path.exists()
