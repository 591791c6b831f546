"""What can be done with a retrieval job, and what it never overwrites."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from feast import FeatureStore
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from provender.core.errors import Conflict
from provender.feast_plugin.retrieval import ProvenderRetrievalJob, inexact_in_float
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    made = store(tmp_path / "repo")
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 7), (2, NOON, 8))))
    made.apply([DRIVER, table])
    return made


@pytest.fixture
def job(repo: FeatureStore) -> ProvenderRetrievalJob:
    spine = rows((1, NOON + HOUR), (2, NOON), (3, NOON), columns="driver_id event_timestamp")
    return repo.get_historical_features(spine, features=["stats:value"])


EXPECTED = [7, 8, None]


def test_the_job_says_what_it_is_of(job: ProvenderRetrievalJob) -> None:
    assert job.metadata.features == ["stats:value"]
    assert job.metadata.keys == ["driver_id"]
    assert job.metadata.min_event_timestamp == NOON
    assert job.metadata.max_event_timestamp == NOON + HOUR
    assert not job.full_feature_names
    assert "ASOF LEFT JOIN" in job.to_sql()


def test_rows_come_as_batches_and_as_a_file(job: ProvenderRetrievalJob, tmp_path: Path) -> None:
    batches = list(job.to_arrow_batches(rows_per_batch=2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    written = job.to_parquet(tmp_path / "out" / "set.parquet")
    assert pq.read_table(written).column("value").to_pylist() == EXPECTED
    assert [file.name for file in written.parent.iterdir()] == ["set.parquet"]


def test_a_file_that_is_there_is_only_overwritten_when_that_is_asked_for(
    job: ProvenderRetrievalJob, tmp_path: Path
) -> None:
    target = tmp_path / "set.parquet"
    target.write_text("mine")
    with pytest.raises(Conflict, match="there already"):
        job.to_parquet(target)
    assert target.read_text() == "mine"
    job.to_parquet(target, allow_overwrite=True)
    assert pq.read_table(target).num_rows == 3


@pytest.mark.parametrize("name", ["set.parquet", "folder"])
def test_a_result_is_kept_as_a_saved_dataset(
    repo: FeatureStore, job: ProvenderRetrievalJob, name: str
) -> None:
    storage = SavedDatasetFileStorage(path=name)
    saved = repo.create_saved_dataset(job, "mine", storage)
    assert sorted(saved.to_df()["value"].dropna()) == [7, 8]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        repo.create_saved_dataset(job, "mine", storage)
    repo.create_saved_dataset(job, "mine", storage, allow_overwrite=True)
    kept = (
        repo.repo_path / name
        if (repo.repo_path / name).exists()
        else Path(repo.config.repo_path) / name
    )
    assert pq.read_table(kept).num_rows == 3
    assert not [path for path in kept.parent.iterdir() if path.name.startswith(f".{name}")]


def test_a_result_is_kept_as_a_delta_table(job: ProvenderRetrievalJob, tmp_path: Path) -> None:
    storage = SavedDatasetFileStorage(path=str(tmp_path / "delta"), file_format=DeltaFormat())
    job.persist(storage)
    found = pa.table(DeltaTable(str(tmp_path / "delta")).to_pyarrow_table())
    assert sorted(found.column("value").to_pylist(), key=str) == [7, 8, None]
    with pytest.raises(Conflict):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)
    assert DeltaTable(str(tmp_path / "delta")).version() == 1


@pytest.mark.parametrize(
    ("numbers", "inexact"),
    [
        ([2**53 + 1, None], True),
        ([-(2**53) - 1, None], True),
        ([2**53, None], False),
        ([2**63 - 1, 1], False),
        ([None, None], False),
    ],
)
def test_only_columns_that_a_float_would_change_are_inexact(
    numbers: list[int | None], inexact: bool
) -> None:
    table = pa.table({"n": pa.array(numbers, pa.int64())})
    assert inexact_in_float(table) == (["n"] if inexact else [])


def test_a_job_reads_anew_each_time(job: ProvenderRetrievalJob, tmp_path: Path) -> None:
    assert job.to_df()["value"][0] == 7
    write(tmp_path / "f.parquet", pd.concat([rows((1, NOON, 70)), rows((2, NOON, 8))]))
    assert job.to_df()["value"][0] == 70
