import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from provender.core.datasets import Dataset, FileEntry, Format, Manifest
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import DatasetRef
from provender.tables.arrow import Naive
from provender.tables.versions import verify_version, write_version
from tests.tables.conftest import NOON

Declare = Callable[..., Dataset]
Weather = Callable[..., pa.Table]
Read = Callable[[Path, Manifest], pa.Table]
FORMATS = pytest.mark.parametrize("fmt", Format)


@FORMATS
def test_a_manifest_says_what_the_version_is(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    inputs = (DatasetRef("aviation", "raw", 1),)
    manifest = write_version(lake, declare(fmt), weather(5), inputs=inputs, producer="demo:weather")
    assert manifest.format is fmt
    assert manifest.row_count == 5
    assert [(c.name, c.type, c.nullable) for c in manifest.schema.columns] == [
        ("origin", "string", True),
        ("event_timestamp", "timestamp", False),
        ("temp", "float64", True),
    ]
    assert manifest.event_range is not None
    assert manifest.event_range.earliest == NOON
    assert manifest.event_range.latest == NOON + timedelta(hours=4)
    assert manifest.inputs == inputs
    assert manifest.producer == "demo:weather"
    assert bool(manifest.native_snapshot) == (fmt in (Format.DELTA, Format.ICEBERG))
    assert all(file.sha256.startswith("sha256:") and file.size_bytes for file in manifest.files)
    assert read(lake, manifest).to_pylist() == weather(5).to_pylist()
    verify_version(lake, manifest)


@FORMATS
def test_the_same_rows_again_are_the_same_version_and_write_nothing(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    first = write_version(lake, declare(fmt), weather(50))
    before = sorted(path for path in lake.rglob("*") if ".staging" not in path.parts)
    again = write_version(lake, declare(fmt), weather(50))
    backwards = write_version(lake, declare(fmt), weather(50).take(list(range(50))[::-1]))
    after = sorted(path for path in lake.rglob("*") if ".staging" not in path.parts)
    assert first == again == backwards
    assert before == after


def test_the_same_rows_have_one_content_in_every_format(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    manifests = [write_version(lake, declare(fmt), weather()) for fmt in Format]
    assert len({manifest.content for manifest in manifests}) == 1
    assert len({manifest.digest for manifest in manifests}) == len(Format)


@FORMATS
def test_an_old_version_stays_readable_after_a_new_one(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    old = write_version(lake, declare(fmt), weather(5))
    wider = weather(7).append_column("wind", pa.array([1] * 7, pa.int16()))
    new = write_version(lake, declare(fmt), wider)
    assert old.content != new.content
    assert read(lake, old).to_pylist() == weather(5).to_pylist()
    assert read(lake, new).to_pylist() == wider.to_pylist()
    verify_version(lake, old)
    verify_version(lake, new)
    back = write_version(lake, declare(fmt), weather(5))
    assert back == old


@FORMATS
def test_a_lake_can_move(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    manifest = write_version(lake, declare(fmt), weather())
    moved = lake.parent / "moved"
    lake.rename(moved)
    verify_version(moved, manifest)
    assert read(moved, manifest).num_rows == 5


@FORMATS
def test_a_flipped_byte_is_found_and_its_file_named(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    manifest = write_version(lake, declare(fmt), weather())
    file = lake / manifest.location / manifest.files[0].path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Corrupt, match="SHA-256 differs") as caught:
        verify_version(lake, manifest)
    assert manifest.files[0].path in caught.value.message


@FORMATS
def test_a_missing_or_shortened_file_is_found_and_an_extra_one_ignored(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    manifest = write_version(lake, declare(fmt), weather())
    folder = lake / manifest.location
    (folder / "extra.parquet").write_text("not ours")
    (folder / "extra.csv").write_text("not ours")
    verify_version(lake, manifest)
    assert read(lake, manifest).num_rows == 5
    file = folder / manifest.files[0].path
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Corrupt, match=f"has {file.stat().st_size} bytes instead of"):
        verify_version(lake, manifest)
    file.unlink()
    with pytest.raises(Corrupt, match="is missing"):
        verify_version(lake, manifest)
    with pytest.raises(Corrupt, match="is missing"):
        read(lake, manifest)


@FORMATS
def test_publishing_the_same_rows_again_repairs_or_replaces_a_damaged_version(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    manifest = write_version(lake, declare(fmt), weather())
    (lake / manifest.location / manifest.files[0].path).write_bytes(b"garbage")
    again = write_version(lake, declare(fmt), weather())
    verify_version(lake, again)
    assert again.content == manifest.content
    assert read(lake, again).to_pylist() == weather().to_pylist()


def test_a_manifest_cannot_point_outside_the_lake(
    lake: Path, declare: Declare, weather: Weather, tmp_path: Path
) -> None:
    manifest = write_version(lake, declare(Format.PARQUET), weather())
    (tmp_path / "secret").write_text("x")
    entry = FileEntry(path="../../../../secret", size_bytes=1, sha256="sha256:0")
    with pytest.raises(InvalidInput, match="not a place in the lake"):
        verify_version(lake, replace(manifest, files=(entry,)))


@FORMATS
def test_a_publish_without_rows_is_refused_and_leaves_nothing(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    with pytest.raises(InvalidInput, match=f"no rows to publish as aviation.weather_{fmt}"):
        write_version(lake, declare(fmt), weather(0))
    reader = pa.RecordBatchReader.from_batches(weather().schema, [])
    with pytest.raises(InvalidInput, match=f"no rows to publish as aviation.weather_{fmt}"):
        write_version(lake, declare(fmt), reader)
    assert [path.name for path in lake.iterdir()] == [".staging"]


def test_the_event_timestamp_must_be_there(lake: Path, declare: Declare, weather: Weather) -> None:
    rows = weather().rename_columns(["origin", "event_time", "temp"])
    with pytest.raises(InvalidInput, match="no column 'event_timestamp'") as caught:
        write_version(lake, declare(Format.PARQUET), rows)
    assert "did you mean event_time?" in caught.value.hint


def test_the_event_timestamp_must_be_an_instant(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    column = pa.array(["2013-01-01"] * 5)
    rows = weather().set_column(1, "event_timestamp", column)
    with pytest.raises(InvalidInput, match="is string, not a timestamp"):
        write_version(lake, declare(Format.PARQUET), rows)
    naive = weather().set_column(
        1, "event_timestamp", weather()["event_timestamp"].cast(pa.timestamp("us"))
    )
    with pytest.raises(InvalidInput, match="is timestamp_local, not a timestamp"):
        write_version(lake, declare(Format.PARQUET), naive, naive=Naive.LOCAL)


@FORMATS
def test_the_event_timestamp_may_be_a_date(lake: Path, declare: Declare, fmt: Format) -> None:
    rows = pa.table({"event_timestamp": [date(2013, 1, 1), date(2013, 12, 31)]})
    manifest = write_version(lake, declare(fmt), rows)
    assert manifest.event_range is not None
    assert manifest.event_range.latest == datetime(2013, 12, 31, tzinfo=UTC)


def test_a_null_event_timestamp_is_refused_and_its_row_named(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    instants = weather(9)["event_timestamp"].to_pylist()
    instants[7] = None
    rows = weather(9).set_column(1, "event_timestamp", pa.array(instants))
    pieces = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=2))
    with pytest.raises(InvalidInput, match=r"'event_timestamp' may not be null, but is in row 7"):
        write_version(lake, declare(Format.PARQUET), pieces)


@FORMATS
def test_naive_timestamps_are_utc_unless_the_publisher_says_otherwise(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    rows = weather().set_column(
        1, "event_timestamp", weather()["event_timestamp"].cast(pa.timestamp("ns"))
    )
    manifest = write_version(lake, declare(fmt), rows)
    assert manifest.content == write_version(lake, declare(fmt), weather()).content
    with pytest.raises(InvalidInput, match="without a time zone: event_timestamp"):
        write_version(lake, declare(fmt), rows, naive=Naive.REFUSE)


@FORMATS
def test_local_readings_stay_local(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    first = write_version(lake, declare(fmt), weather())
    readings = pa.array([datetime(2013, 1, 1, 5)] * 5, pa.timestamp("us"))  # noqa: DTZ001
    rows = weather().append_column("scheduled", readings)
    manifest = write_version(lake, declare(fmt), rows, naive=Naive.LOCAL)
    assert manifest.schema.column("scheduled").type == "timestamp_local"
    assert read(lake, manifest)["scheduled"].to_pylist() == readings.to_pylist()
    verify_version(lake, first)


@pytest.mark.parametrize(
    ("fmt", "column", "message"),
    [
        (Format.DELTA, pa.array([1], pa.uint32()), "Delta has no such type: x \\(uint32\\)"),
        (Format.DELTA, pa.array([[1]], pa.list_(pa.uint8())), "x \\(list<uint8>\\)"),
        (Format.CSV, pa.array([[1]]), "CSV has no nested values: x \\(list<int64>\\)"),
        (Format.PARQUET, pa.nulls(1), "column 'x': the Arrow type null cannot be stored"),
        (Format.CSV, pa.array(["x" * 3_000_000]), "cannot be kept as CSV without loss"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_leaves_nothing(
    lake: Path, declare: Declare, fmt: Format, column: pa.Array, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        write_version(lake, declare(fmt, event_timestamp=None), pa.table({"x": column}))
    assert not (lake / "aviation").exists()


def test_rows_that_fail_half_way_publish_nothing(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from weather().to_batches()
        raise OSError(5, "the source went away")

    rows = pa.RecordBatchReader.from_batches(weather().schema, broken())
    with pytest.raises(InvalidInput, match="the source went away"):
        write_version(lake, declare(Format.PARQUET), rows)
    assert not (lake / "aviation").exists()


def test_many_small_batches_make_few_row_groups(lake: Path, declare: Declare, read: Read) -> None:
    rows = pa.table({"x": range(300_000)})
    pieces = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=7_000))
    manifest = write_version(lake, declare(Format.PARQUET, event_timestamp=None), pieces)
    file = lake / manifest.location / manifest.files[0].path
    assert pa.parquet.ParquetFile(file).num_row_groups == 3
    assert read(lake, manifest) == rows


FULL = """
import resource, signal, sys
from pathlib import Path
import pyarrow as pa
from provender.core.datasets import Dataset, Format
from provender.core.errors import Unavailable
from provender.core.names import DatasetRef
from provender.tables.versions import write_version

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
fmt = Format(sys.argv[2])
dataset = Dataset(ref=DatasetRef("a", "b"), description="", owner="team:x", format=fmt)
rows = pa.table({"x": [f"{n * n * 7919 % 1000003}" for n in range(int(sys.argv[3]))]})
try:
    write_version(Path(sys.argv[1]), dataset, rows)
except Unavailable as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


@pytest.mark.parametrize(("fmt", "rows"), [("parquet", 20_000), ("csv", 4_000)])
def test_a_disk_without_room_is_said_and_nothing_stays(lake: Path, fmt: str, rows: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(lake), fmt, str(rows)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 7, done.stdout + done.stderr
    assert "cannot be written" in done.stdout
    assert "hint: " in done.stdout
    assert not (lake / "a").exists()
    assert [path.name for path in (lake / ".staging").iterdir()] == ["area.lock"]
