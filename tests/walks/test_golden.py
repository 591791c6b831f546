"""The golden values of the flights, through the SDK and through plain Feast calls: no cell differs."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.clock import utc_now
from provender.core.datasets import Format
from provender.core.policy import Action, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.duck import DuckEngine
from provender.offline.spine import Spine

GOLDEN = Path(__file__).parents[1] / "demo" / "golden"
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
TTL = timedelta(hours=3)
INSTANT = pa.timestamp("us", tz="UTC")


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture(scope="session")
def cases():
    return json.loads((GOLDEN / "weather_at_departure.json").read_text())["rows"]


@pytest.fixture(scope="session")
def departures(cases):
    return pa.table(
        {
            "case": [case["case"] for case in cases],
            "origin": [case["origin"] for case in cases],
            "event_timestamp": pa.array([instant(case["ts"]) for case in cases], INSTANT),
        }
    )


@pytest.fixture(scope="session")
def by_hour_stamp(derived, tmp_path_factory):
    """The naive table: stamped with the start of the hour that it sums up."""
    table = derived["weather_hourly"]
    stamp = pa.array(
        [t - timedelta(minutes=51) for t in table["event_timestamp"].to_pylist()], INSTANT
    )
    place = table.schema.get_field_index("event_timestamp")
    path = tmp_path_factory.mktemp("naive") / "weather.parquet"
    pq.write_table(table.set_column(place, "event_timestamp", stamp), path)
    return path


def differences(cases, rows, semantics):
    """Return every cell that is not the golden one, as (case, column, ours, golden)."""
    found = []
    for case, row in zip(cases, rows, strict=True):
        for column in WEATHER:
            expected = case[f"{semantics}_{column}"]
            if row[column] != expected:
                found.append((case["case"], column, row[column], expected))
    return found


@pytest.mark.parametrize(("semantics", "known_by_then"), [("O", False), ("K", True)])
def test_weather_at_departure_through_the_sdk(
    workspace, cases, departures, semantics, known_by_then
):
    answer = workspace.training_set(
        departures, features=[f"weather:{name}" for name in WEATHER], known_by_then=known_by_then
    )
    assert len(cases) == 16
    assert differences(cases, answer.arrow().to_pylist(), semantics) == []


def test_weather_by_hour_stamp_through_the_engine(cases, departures, by_hour_stamp, tmp_path):
    join = ViewJoin(
        view="weather",
        table=Table(format=Format.PARQUET, location=str(by_hour_stamp)),
        keys=(("origin", "origin"),),
        features=tuple((name, name) for name in WEATHER),
        event_timestamp="event_timestamp",
        ttl=TTL,
    )
    now = utc_now()
    permit = Permit(
        decision="dec_test", actor="person:ana", action=Action.READ, purpose="",
        columns=frozenset(), decided_at=now,
    )  # fmt: skip
    plan = PointInTimePlan(event_timestamp="event_timestamp", joins=(join,))
    answer = DuckEngine(tmp_path).run(plan, Spine(departures), permit, now=now)
    assert differences(cases, answer.table().to_pylist(), "H") == []


@pytest.mark.parametrize(("semantics", "known_by_then"), [("H", False), ("O", False), ("K", True)])
def test_weather_at_departure_through_plain_feast(
    as_ana, cases, departures, by_hour_stamp, derived, tmp_path, semantics, known_by_then
):
    store = plain_store(tmp_path, by_hour_stamp if semantics == "H" else written(derived, tmp_path))
    options = {"filter_by_created_timestamp": True} if known_by_then else {}
    frame = store.get_historical_features(
        entity_df=departures.to_pandas(),
        features=[f"weather:{name}" for name in WEATHER],
        **options,
    ).to_arrow()
    assert frame.column("case").to_pylist() == departures.column("case").to_pylist()
    assert differences(cases, frame.to_pylist(), semantics) == []


def written(derived, folder):
    path = folder / "weather.parquet"
    pq.write_table(derived["weather_hourly"], path)
    return path


def plain_store(folder, path):
    """A Feast repository with no catalog: a file, a view, our two stores by name."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.repo_config import RepoConfig
    from feast.types import Float64, String

    store = FeatureStore(
        config=RepoConfig(
            project="golden",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "provender.feast_plugin.offline.ProvenderOfflineStore"},
            online_store={"type": "provender.feast_plugin.online.ProvenderOnlineStore"},
            entity_key_serialization_version=3,
        )
    )
    origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
    view = FeatureView(
        name="weather",
        entities=[origin],
        ttl=TTL,
        schema=[
            Field(name="origin", dtype=String),
            *(Field(name=n, dtype=Float64) for n in WEATHER),
        ],
        source=FileSource(
            path=str(path),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
        online=False,
    )
    store.apply([origin, view])
    return store


@pytest.fixture(scope="session")
def flights_of_the_week():
    return json.loads((GOLDEN / "rolling_at_t60.json").read_text())


ROLLING = {
    "dep_n_1h": "origin_ops", "dep_delay_mean_1h": "origin_ops", "dep_late_share_1h": "origin_ops",
    "dep_n_3h": "origin_ops", "dep_delay_mean_3h": "origin_ops", "arr_n_28d": "route",
    "arr_delay_mean_28d": "route", "last_arr_delay": "tail_last", "last_dest": "tail_last",
}  # fmt: skip


def rolling_spine(golden):
    columns = {
        name: [flight[name] for flight in golden]
        for name in ("carrier", "origin", "dest", "tailnum")
    }
    return pa.table(
        columns | {"event_timestamp": pa.array([instant(f["t"]) for f in golden], INSTANT)}
    )


def rolling_differences(golden, rows):
    """A count of nothing is no row of the table: null for the golden 0; a mean of nothing is null."""
    found = []
    for flight, row in zip(golden, rows, strict=True):
        for name in ROLLING:
            ours = (row[name] or 0) if "_n_" in name else row[name]
            if ours != flight[name]:
                found.append((flight["flight"], name, row[name], flight[name]))
    return found


def test_rolling_values_through_the_sdk(workspace, flights_of_the_week):
    features = [f"{view}:{name}" for name, view in ROLLING.items()]
    answer = workspace.training_set(rolling_spine(flights_of_the_week), features=features)
    assert len(flights_of_the_week) == 7
    assert rolling_differences(flights_of_the_week, answer.arrow().to_pylist()) == []


def test_rolling_values_through_plain_feast(as_ana, flights_of_the_week):
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(as_ana.feature_repo))
    features = [f"{view}:{name}" for name, view in ROLLING.items()]
    spine = rolling_spine(flights_of_the_week).to_pandas()
    assert isinstance(spine, pd.DataFrame)
    frame = store.get_historical_features(entity_df=spine, features=features).to_arrow()
    assert rolling_differences(flights_of_the_week, frame.to_pylist()) == []
