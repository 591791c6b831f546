"""Every form of a spine gives the same answer, and none of them leads past the gate."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from provender.core.errors import Denied, InvalidInput, NotFound
from provender.feast_plugin.spine import Entities
from provender.offline import spines
from provender.settings import Settings
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, rows, store, view, write

TABLE = pa.table(
    {
        "driver_id": pa.array([2, 1, 3, 1], pa.int64()),
        "event_timestamp": pa.array([NOON, NOON + HOUR, NOON, NOON - TICK], pa.timestamp("us")),
        "label": ["a", "b", "c", "d"],
    }
)
EXPECTED = [8, 7, None, None]


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    made = store(tmp_path / "repo")
    made.apply(
        [DRIVER, CUSTOMER, view(write(tmp_path / "f.parquet", rows((1, NOON, 7), (2, NOON, 8))))]
    )
    return made


def answer(repo: FeatureStore, spine: Any) -> pa.Table:
    return repo.get_historical_features(spine, features=["stats:value"]).to_arrow()


FORMS: dict[str, Callable[[Path], Any]] = {
    "Arrow table": lambda _: TABLE,
    "Arrow batch": lambda _: TABLE.to_batches()[0],
    "Arrow reader": lambda _: pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(2)),
    "Arrow dataset": lambda _: pads.dataset(TABLE),
    "polars frame": lambda _: pl.from_arrow(TABLE),
    "polars lazy frame": lambda _: pl.from_arrow(TABLE).lazy(),
    "file": lambda folder: folder / "all.parquet",
    "folder": lambda folder: folder / "parts",
    "pattern": lambda folder: str(folder / "parts" / "*.parquet"),
    "files": lambda folder: [folder / "parts" / "1.parquet", folder / "parts" / "2.parquet"],
}


@pytest.fixture
def spine_files(tmp_path: Path) -> Path:
    folder = tmp_path / "spines"
    write(folder / "all.parquet", TABLE)
    write(folder / "parts" / "1.parquet", TABLE.slice(0, 3))
    write(folder / "parts" / "2.parquet", TABLE.slice(3))
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_a_spine_of_any_form_is_answered_in_its_order(
    repo: FeatureStore, spine_files: Path, form: str
) -> None:
    given = answer(repo, Entities(FORMS[form](spine_files)))
    assert given.column_names == ["driver_id", "event_timestamp", "label", "value"]
    assert given.column("label").to_pylist() == ["a", "b", "c", "d"]
    assert given.column("value").to_pylist() == EXPECTED
    assert given.column("event_timestamp").type.tz == "UTC"
    assert given.column("event_timestamp")[0].as_py() == NOON


def test_a_path_of_a_parquet_file_is_a_spine_for_feasts_own_call(
    repo: FeatureStore, spine_files: Path
) -> None:
    assert answer(repo, str(spine_files / "all.parquet")).column("value").to_pylist() == EXPECTED
    write(Path(repo.config.repo_path) / "here.parquet", TABLE)
    assert answer(repo, "here.parquet").column("value").to_pylist() == EXPECTED


def test_text_that_ends_like_a_file_which_is_not_there_is_a_query(repo: FeatureStore) -> None:
    with pytest.raises(InvalidInput, match="SQL cannot be run"):
        answer(repo, "SELECT 1 AS driver_id, now() AS event_timestamp FROM gone.parquet")
    with pytest.raises(NotFound, match=r"there are no .*files at .*gone\.parquet"):
        answer(repo, "gone.parquet")


@pytest.mark.parametrize("text", [True, False])
def test_timestamps_of_files_are_read_like_those_in_memory(
    repo: FeatureStore, tmp_path: Path, text: bool
) -> None:
    at = [NOON, NOON + HOUR, NOON, NOON - TICK]
    kinds = {
        "text": pa.array([one.isoformat() for one in at]),
        "delhi": pa.array(at, pa.timestamp("us", "Asia/Kolkata")),
        "nanoseconds": pa.array(at, pa.timestamp("ns")),
    }
    for name, column in kinds.items():
        if (name == "text") != text:
            continue
        table = TABLE.set_column(1, "event_timestamp", column)
        in_file = answer(repo, write(tmp_path / f"{name}.parquet", table))
        assert in_file.equals(answer(repo, Entities(table)))
        assert in_file.column("value").to_pylist() == EXPECTED


TEXTS = {
    "2300-01-01T00:00:00Z": datetime(2300, 1, 1, tzinfo=UTC),
    "1600-01-01": datetime(1600, 1, 1, tzinfo=UTC),
    "0001-01-01 00:00": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999Z": datetime.max.replace(tzinfo=UTC),
    "2024-06-01T14:00:00+02:00": NOON,
    "2024-06-01T12:00:00.000000999Z": NOON,
    "1969-12-31T23:59:59.9999999Z": datetime(1970, 1, 1, tzinfo=UTC) - TICK,
}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_of_any_year_is_the_same_instant_in_a_table_and_in_a_file(
    repo: FeatureStore, tmp_path: Path, kind: pa.DataType
) -> None:
    texts = pa.array([*TEXTS, None], kind)
    table = pa.table({"driver_id": [1] * len(texts), "event_timestamp": texts})
    given = answer(repo, Entities(table))
    assert given.column("event_timestamp").to_pylist() == [*TEXTS.values(), None]
    assert given.column("value").to_pylist() == [7, None, None, 7, 7, 7, None, None]
    assert answer(repo, write(tmp_path / "spine.parquet", table)).equals(given)


REFUSALS = "not an instant|years 1 to 9999|expected format is|cannot be read as the type"


@pytest.mark.parametrize("text", ["20240601", "2024-06", "infinity", "", "NaT", "2024-01-01 (BC)"])
def test_text_that_is_no_instant_is_refused_in_a_table_and_in_a_file(
    repo: FeatureStore, tmp_path: Path, text: str
) -> None:
    table = pa.table({"driver_id": [1], "event_timestamp": [text]})
    for form in (Entities(table), write(tmp_path / "spine.parquet", table)):
        with pytest.raises(InvalidInput, match=REFUSALS):
            answer(repo, form)


def test_a_date_is_its_first_instant(repo: FeatureStore) -> None:
    dates = pa.array([NOON.date(), NOON.date() + timedelta(days=1)], pa.date32())
    spine = pa.table({"driver_id": [1, 1], "event_timestamp": dates})
    assert answer(repo, Entities(spine)).column("value").to_pylist() == [None, 7]


def test_files_of_one_spine_have_the_same_columns(repo: FeatureStore, spine_files: Path) -> None:
    write(spine_files / "parts" / "3.parquet", TABLE.drop_columns(["label"]))
    with pytest.raises(InvalidInput, match=r"3.parquet has the columns driver_id int64, event"):
        answer(repo, Entities(spine_files / "parts"))


def test_a_file_that_is_no_parquet_is_named(repo: FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InvalidInput, match=r"broken.parquet does not end as Parquet does"):
        answer(repo, str(tmp_path / "broken.parquet"))


def test_something_else_is_no_spine(repo: FeatureStore) -> None:
    with pytest.raises(InvalidInput, match="a spine cannot be a int"):
        answer(repo, Entities(7))


def test_a_large_stream_waits_on_the_disk_and_is_gone_afterwards(
    repo: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path / "spill"
    monkeypatch.setattr(spines, "ROWS_IN_MEMORY", 3)
    made = spines.of_stream(TABLE.schema, TABLE.to_batches(1), spill=spill)
    assert isinstance(made.source, tuple)
    assert made.table().equals(TABLE)
    assert len(list(spill.rglob("*.parquet"))) == 1
    del made
    assert list(spill.rglob("*.parquet")) == []


def test_tiny_batches_of_a_stream_cost_no_more_each_the_more_there_are(tmp_path: Path) -> None:
    batches = TABLE.slice(0, 1).to_batches() * 5_000
    began = time.process_time()
    assert spines.of_stream(TABLE.schema, batches, spill=tmp_path).row_count == 5_000
    assert time.process_time() - began < 5, "a second, if each is looked at once"


def test_a_stream_that_breaks_leaves_nothing_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spines, "ROWS_IN_MEMORY", 1)

    def broken() -> Any:
        yield from TABLE.to_batches(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spines.of_stream(TABLE.schema, broken(), spill=tmp_path / "spill")
    assert list((tmp_path / "spill").rglob("*.parquet")) == []


def test_a_spine_file_in_the_lake_is_refused_be_it_by_a_link(
    settings: Settings, repo: FeatureStore, tmp_path: Path
) -> None:
    file = min(settings.lake.rglob("*.parquet"))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "innocent.parquet").symlink_to(file)
    for path in (file, tmp_path / "links" / "innocent.parquet", tmp_path / "links"):
        with pytest.raises(Denied, match="which the catalog governs"):
            answer(repo, Entities(path))
    with pytest.raises(Denied):
        answer(repo, str(file))


def test_the_ends_of_a_spine_in_files_are_known(repo: FeatureStore, spine_files: Path) -> None:
    job = repo.get_historical_features(str(spine_files / "all.parquet"), features=["stats:value"])
    assert job.metadata.keys == ["driver_id", "label"]
    assert job.metadata.min_event_timestamp == NOON - TICK
    assert job.metadata.max_event_timestamp == NOON + HOUR


def test_the_callers_frame_is_left_as_it_was(repo: FeatureStore) -> None:
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": ["2024-06-01T12:00:00"]})
    before = frame.copy(deep=True)
    repo.get_historical_features(frame, features=["stats:value"]).to_df()
    pd.testing.assert_frame_equal(frame, before)


def test_a_parquet_spine_is_not_read_into_memory(repo: FeatureStore, spine_files: Path) -> None:
    job = repo.get_historical_features(str(spine_files / "all.parquet"), features=["stats:value"])
    target = job.to_parquet(spine_files / "answer.parquet")
    assert pq.read_table(target).column("value").to_pylist() == EXPECTED
