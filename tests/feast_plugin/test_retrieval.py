"""What can be done with a retrieval job, and what it never overwrites."""

import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Thread

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from feast import FeatureStore
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from provender.core.errors import Conflict, InvalidInput, Unavailable
from provender.feast_plugin.retrieval import ProvenderRetrievalJob, inexact_in_float
from provender.offline.answer import Answer
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
WIDE = pa.schema([("n", pa.int64()), ("text", pa.string())])


def streamed(batches: Iterator[pa.RecordBatch], **more: object) -> ProvenderRetrievalJob:
    """Return a job over a stream, which it takes as an engine's answer."""
    return ProvenderRetrievalJob(
        read=lambda _: Answer(WIDE, batches),
        explain=str,
        place=str,
        **{"spill": Path(tempfile.gettempdir()), **more},
    )


def megabytes(
    count: int, before: Callable[[int], None] = lambda _: None
) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        before(number)
        texts = pa.array([f"{number:04}" * 256] * 1024)
        yield pa.RecordBatch.from_arrays([pa.array([number] * 1024), texts], schema=WIDE)


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


@pytest.mark.parametrize("where", ["set.parquet", "folder", "delta"])
def test_what_somebody_put_there_meanwhile_is_only_overwritten_when_that_is_asked_for(
    tmp_path: Path, where: str
) -> None:
    storage = SavedDatasetFileStorage(
        path=str(tmp_path / where), file_format=DeltaFormat() if where == "delta" else None
    )

    def first(_: int) -> None:
        other = Thread(target=streamed(megabytes(2)).persist, args=[storage, where == "delta"])
        other.start()
        other.join()

    with pytest.raises(SavedDatasetLocationAlreadyExists) as refused:
        streamed(megabytes(1, first)).persist(storage)
    assert isinstance(refused.value, Conflict)
    found = rows_at(tmp_path / where)
    assert found.column("n").to_pylist() == [0] * 1024 + [1] * 1024
    streamed(megabytes(1)).persist(storage, allow_overwrite=True)
    assert rows_at(tmp_path / where).num_rows == 1024


def rows_at(place: Path) -> pa.Table:
    """Return what a saved dataset at ``place`` holds, in order of its numbers."""
    if (place / "_delta_log").exists():
        return pa.table(DeltaTable(str(place)).to_pyarrow_table()).sort_by("n")
    return pq.read_table(place)


@pytest.mark.parametrize("persisted", [False, True])
def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_read(
    tmp_path: Path, persisted: bool
) -> None:
    (target := tmp_path / "set.parquet").mkdir()

    def read(_: int) -> None:
        pytest.fail("it was read")

    job = streamed(megabytes(1, read))
    storage = SavedDatasetFileStorage(path=str(target))
    make = partial(job.persist, storage) if persisted else partial(job.to_parquet, target)
    with pytest.raises(InvalidInput, match="Is a directory"):
        make(allow_overwrite=True)
    assert list(tmp_path.rglob("*")) == [target]


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_whole_numbers_that_no_float_holds_are_exact_in_pandas(kind: pa.DataType) -> None:
    most = 2**63 - 1 if pa.types.is_signed_integer(kind) else 2**64 - 1
    schema = pa.schema([("n", kind)])
    batch = pa.record_batch([pa.array([most, None, 0], kind)], schema=schema)
    job = ProvenderRetrievalJob(
        read=lambda _: Answer(schema, iter([batch])),
        explain=str,
        place=str,
        spill=Path(tempfile.gettempdir()),
    )
    column = job.to_df()["n"]
    assert str(column.dtype).lower() == str(kind)
    assert column.tolist() == [most, pd.NA, 0]


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


def noise(count: int) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        texts = pa.array([os.urandom(512).hex() for _ in range(1024)])
        yield pa.RecordBatch.from_arrays([pa.array([number] * 1024), texts], schema=WIDE)


def test_a_stream_is_written_without_being_held(tmp_path: Path) -> None:
    peak = 0
    start = pa.total_allocated_bytes()

    def measure(_: int) -> None:
        nonlocal peak
        peak = max(peak, pa.total_allocated_bytes() - start)

    target = streamed(megabytes(600, measure)).to_parquet(tmp_path / "set.parquet")
    assert pq.read_metadata(target).num_rows == 600 * 1024
    assert pq.read_metadata(target).num_row_groups == 10
    assert peak < 220 * 2**20, "600 MB went through"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Unavailable("gone", hint="wait")])
@pytest.mark.parametrize("where", ["set.parquet", "folder", "delta"])
def test_what_ends_a_stream_early_leaves_what_was_there(
    tmp_path: Path, stop: BaseException, where: str
) -> None:
    target = tmp_path / "kept" / where
    storage = SavedDatasetFileStorage(
        path=str(target), file_format=DeltaFormat() if where == "delta" else None
    )
    streamed(megabytes(2)).persist(storage)
    before = sorted(path for path in (tmp_path / "kept").rglob("*"))

    def end(number: int) -> None:
        if number == 150:
            raise stop

    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        streamed(megabytes(300, end)).persist(storage, allow_overwrite=True)
    assert [path for path in before if not path.exists()] == []
    if where == "delta":
        assert DeltaTable(str(target)).version() == 0
    else:
        assert sorted(path for path in (tmp_path / "kept").rglob("*")) == before
        assert pq.read_table(target).num_rows == 2048


def test_a_callback_is_told_how_far_it_is_and_can_end_it(
    repo: FeatureStore, job: ProvenderRetrievalJob, tmp_path: Path
) -> None:
    told: list[tuple[str, float]] = []
    job.to_parquet(tmp_path / "a.parquet", progress=lambda what, done: told.append((what, done)))
    assert told[-1] == ("handing rows out", 1.0)

    def cancel(what: str, done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.to_parquet(tmp_path / "b.parquet", progress=cancel)
    assert [path.name for path in tmp_path.glob("*b.parquet*")] == []


def test_a_retrieval_ends_when_its_time_is_over(tmp_path: Path) -> None:
    job = streamed(megabytes(50, lambda _: time.sleep(0.1)))
    with pytest.raises(Unavailable, match="not done after 1 seconds"):
        job.to_parquet(tmp_path / "set.parquet", timeout=1)
    with pytest.raises(Unavailable, match="not done after 0 seconds"):
        streamed(megabytes(3)).to_arrow(timeout=0)
    assert list(tmp_path.iterdir()) == []


def of_columns(columns: dict[str, pa.Array], **more: object) -> ProvenderRetrievalJob:
    batch = pa.record_batch(columns)
    return ProvenderRetrievalJob(
        read=lambda _: Answer(batch.schema, iter([batch])),
        explain=str,
        place=str,
        **{"spill": Path(tempfile.gettempdir()), **more},
    )


@pytest.mark.parametrize(
    "column",
    [
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([5])),
        pa.array([{}], pa.struct([])),
        pa.array([[{}]], pa.list_(pa.struct([]))),
        pa.UnionArray.from_dense(
            pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([5])]
        ),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_that_parquet_cannot_hold_is_named(tmp_path: Path, column: pa.Array) -> None:
    columns = {"n": pa.array([1]), "odd": column}
    with pytest.raises(InvalidInput) as refused:
        of_columns(columns).to_parquet(tmp_path / "set.parquet")
    assert refused.value.message == f"Parquet has no such type: odd ({column.type})"
    assert list(tmp_path.iterdir()) == []
    assert of_columns(columns).to_arrow().column("odd").type == column.type


def test_batches_of_governed_rows_have_the_types_of_the_table(tmp_path: Path) -> None:
    columns = {
        "second": pa.array([1, None], pa.timestamp("s", "UTC")),
        "time": pa.array([1, None], pa.time32("s")),
        "day": pa.array([86_400_000, None], pa.date64()),
        "word": pa.array(["a", None]).dictionary_encode(),
        "code": pa.array([1, None]).dictionary_encode(),
        "tiny": pa.array([1, None], pa.dictionary(pa.int8(), pa.float64())),
        "list": pa.array([[1], None], pa.list_(pa.timestamp("s"))),
        "view": pa.array(["a", None], pa.string_view()),
        "wide": pa.array([1, None], pa.decimal256(50, 0)),
        "small": pa.array([1, None], pa.uint8()),
        "none": pa.nulls(2),
    }
    job = of_columns(columns, recorded=True, spill=tmp_path)
    table = job.to_arrow()
    batches = list(job.to_arrow_batches(1))
    assert [batch.num_rows for batch in batches] == [1, 1]
    assert {batch.schema for batch in batches} == {table.schema}
    assert [row for batch in batches for row in batch.to_pylist()] == table.to_pylist()


def test_closing_the_batches_early_closes_the_answer(tmp_path: Path) -> None:
    closed: list[bool] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from megabytes(10)
        finally:
            closed.append(True)

    with closing(streamed(batches()).to_arrow_batches(100)) as some:
        assert next(some).num_rows == 100
        assert closed == []
    assert closed == [True]


def test_a_full_disk_is_said_in_words_and_nothing_is_left() -> None:
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    if folder is None:
        pytest.skip("no file system that can be filled")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    target = folder / f"provender-{os.getpid()}.parquet"
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(Unavailable, match=r"cannot be written: File too large"):
            streamed(noise(200)).to_parquet(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in folder.glob(f"*provender-{os.getpid()}*")] == []


def test_a_place_on_another_machine_is_refused(job: ProvenderRetrievalJob) -> None:
    with pytest.raises(InvalidInput, match="on another machine"):
        job.to_parquet("s3://bucket/set.parquet")


@pytest.mark.parametrize("form", ["set.parquet", "folder", "delta"])
def test_a_saved_dataset_comes_back_with_labels_and_its_own_timestamp(
    repo: FeatureStore, form: str
) -> None:
    spine = pd.DataFrame(
        {"driver_id": [1, 3], "seen_at": [NOON, NOON], "label": ["x", "y"], "big": [2**53 + 1, 2]}
    )
    job = repo.get_historical_features(spine, features=["stats:value"], full_feature_names=True)
    storage = SavedDatasetFileStorage(
        path=form, file_format=DeltaFormat() if form == "delta" else None
    )
    saved = repo.create_saved_dataset(job, "mine", storage)
    assert saved.to_arrow().sort_by("driver_id").to_pylist() == [
        {"driver_id": 1, "seen_at": NOON, "label": "x", "big": 2**53 + 1, "stats__value": 7},
        {"driver_id": 3, "seen_at": NOON, "label": "y", "big": 2, "stats__value": None},
    ]
    assert len(repo.get_saved_dataset("mine").to_df()) == 2


def test_a_job_reads_anew_each_time(job: ProvenderRetrievalJob, tmp_path: Path) -> None:
    assert job.to_df()["value"][0] == 7
    write(tmp_path / "f.parquet", pd.concat([rows((1, NOON, 70)), rows((2, NOON, 8))]))
    assert job.to_df()["value"][0] == 70
