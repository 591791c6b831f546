"""Materialising: which rows arrive online, exactly, and how they are counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore, FeatureView, Field
from feast.infra.common.materialization_job import MaterializationTask
from feast.types import Float32, Int64

from provender.core.errors import InvalidInput
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.online import store_of
from provender.online.upkeep import Materialized
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, TICK, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path, valkey: str) -> Iterator[FeatureStore]:
    assert valkey
    made = store(tmp_path / "repo", project=f"p{uuid4().hex[:8]}")
    yield made
    store_of(made.config).delete(made.project)


def run(repo: FeatureStore, table: FeatureView, start: datetime, end: datetime) -> Materialized:
    engine = repo.provider.batch_engine
    assert isinstance(engine, ProvenderEngine)
    applied = repo.get_feature_view(table.name)
    task = MaterializationTask(
        project=repo.project, feature_view=applied, start_time=start, end_time=end
    )
    return engine.run(task)


def online(repo: FeatureStore, *drivers: int, features: tuple[str, ...] = ("stats:value",)) -> dict:
    asked = [{"driver_id": driver} for driver in drivers]
    return repo.get_online_features(list(features), asked).to_dict()


def test_the_latest_row_per_key_of_the_window_arrives(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON - TICK, 1),
            (1, NOON, 2),
            (2, NOON + HOUR, 3),
            (2, NOON + HOUR + TICK, 4),
            (3, NOON - TICK, 5),
        ),
    )
    table = view(path)
    repo.apply([DRIVER, table])
    done = run(repo, table, NOON, NOON + HOUR)
    assert (done.read, done.written, done.kept, done.skipped) == (2, 2, 0, 0)
    assert online(repo, 1, 2, 3)["value"] == [2, 3, None]


def test_rows_that_are_newer_online_are_kept(repo: FeatureStore, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 1), (2, NOON, 2))))
    repo.apply([DRIVER, table])
    repo.write_to_online_store("stats", rows((1, NOON + TICK, 9)))
    done = run(repo, table, NOON, NOON)
    assert (done.written, done.kept) == (1, 1)
    assert online(repo, 1, 2)["value"] == [9, 2]


def test_corrected_rows_of_the_same_instant_arrive(repo: FeatureStore, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 1))))
    repo.apply([DRIVER, table])
    run(repo, table, NOON, NOON)
    write(tmp_path / "f.parquet", rows((1, NOON, 2)))
    run(repo, table, NOON, NOON)
    assert online(repo, 1)["value"] == [2]


def test_null_keys_are_skipped_and_whole_numbers_stay_exact(
    repo: FeatureStore, tmp_path: Path
) -> None:
    big = 2**53 + 1
    path = write(
        tmp_path / "f.parquet",
        pa.table(
            {
                "driver_id": pa.array([1, None, 2], pa.int64()),
                "event_timestamp": pa.array([NOON] * 3, pa.timestamp("us", "UTC")),
                "value": pa.array([big, 5, None], pa.int64()),
            }
        ),
    )
    table = view(path)
    repo.apply([DRIVER, table])
    done = run(repo, table, NOON, NOON)
    assert (done.read, done.written, done.skipped) == (3, 2, 1)
    assert online(repo, 1, 2)["value"] == [big, None]


def test_rows_without_an_instant_are_counted_one_by_one(repo: FeatureStore, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 1), (1, None, 2), (2, None, 3))))
    repo.apply([DRIVER, table])
    done = run(repo, table, NOON, NOON)
    assert (done.read, done.written, done.null_keys, done.null_times) == (1, 1, 0, 2)


def test_source_types_become_the_declared_ones(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet",
        pa.table(
            {
                "driver_id": pa.array([1], pa.int32()),
                "event_timestamp": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")),
                "whole": pa.array([3], pa.int16()),
                "real": pa.array([0.1], pa.float64()),
            }
        ),
    )
    table = view(path, "whole")
    table.features.append(Field(name="real", dtype=Float32))
    repo.apply([DRIVER, table])
    run(repo, table, NOON, NOON)
    found = online(repo, 1, features=("stats:whole", "stats:real"))
    assert found["whole"] == [3]
    assert found["real"] == [pytest.approx(0.1, abs=1e-8)]


def test_a_value_that_does_not_fit_its_field_is_named(repo: FeatureStore, tmp_path: Path) -> None:
    table = view(
        write(
            tmp_path / "f.parquet",
            pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": ["x"]}),
        )
    )
    repo.apply([DRIVER, table])
    with pytest.raises(InvalidInput, match="value"):
        repo.materialize(NOON, NOON)


def test_feasts_own_commands_materialise_and_remember(repo: FeatureStore, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    path = write(tmp_path / "f.parquet", rows((1, now - 2 * HOUR, 1), (1, now - HOUR, 2)))
    table = view(path, ttl=timedelta(days=1))
    repo.apply([DRIVER, table])
    repo.materialize(now - 3 * HOUR, now - 2 * HOUR)
    assert online(repo, 1)["value"] == [1]
    repo.materialize_incremental(now)
    assert online(repo, 1)["value"] == [2]
    assert len(repo.get_feature_view("stats").materialization_intervals) == 2


def test_the_created_timestamp_decides_between_equal_instants(
    repo: FeatureStore, tmp_path: Path
) -> None:
    named = "driver_id event_timestamp created value"
    path = write(
        tmp_path / "f.parquet",
        rows((1, NOON, NOON + HOUR, 2), (1, NOON, NOON, 1), (1, NOON, None, 0), columns=named),
    )
    table = view(path, created="created")
    repo.apply([DRIVER, table])
    run(repo, table, NOON, NOON)
    repo.write_to_online_store("stats", rows((1, NOON, NOON, 7), columns=named))
    assert online(repo, 1)["value"] == [2]


def test_mapped_columns_arrive_under_their_own_names(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7), columns="id seen v"))
    mapping = {"id": "driver_id", "seen": "event_timestamp", "v": "value"}
    table = view(path, field_mapping=mapping)
    repo.apply([DRIVER, table])
    run(repo, table, NOON, NOON)
    assert online(repo, 1)["value"] == [7]


def test_another_online_store_is_refused(tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 7))))
    repo = store(tmp_path / "repo", online={"type": "sqlite", "path": str(tmp_path / "o.db")})
    repo.apply([DRIVER, table])
    with pytest.raises(InvalidInput, match="SqliteOnlineStore, which this engine cannot write"):
        repo.materialize(NOON, NOON)


def test_features_are_as_many_as_declared(repo: FeatureStore, tmp_path: Path) -> None:
    names = [f"f{n}" for n in range(40)]
    frame = pd.DataFrame({"driver_id": range(3000), "event_timestamp": [NOON] * 3000})
    frame = frame.assign(**{name: frame["driver_id"] + n for n, name in enumerate(names)})
    table = view(write(tmp_path / "f.parquet", frame), *names, dtype=Int64)
    repo.apply([DRIVER, table])
    done = run(repo, table, NOON, NOON)
    assert done.written == 3000
    found = online(repo, 0, 2999, features=tuple(f"stats:{name}" for name in names))
    for n, name in enumerate(names):
        assert found[name] == [n, 2999 + n]
