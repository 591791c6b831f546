"""Rows added to a version: a new one, whose old files are those that were there, untouched."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import DatasetRef
from provender.tables.rows import logical_digest
from provender.tables.versions import append_version, verify_version, write_version
from tests.stress import times
from tests.tables.conftest import NOON

Declare = Callable[..., Dataset]
Weather = Callable[..., pa.Table]
Read = Callable[[Path, Manifest], pa.Table]
FORMATS = pytest.mark.parametrize("fmt", Format)


def published(dataset: Dataset, manifest: Manifest, number: int = 1) -> DatasetVersion:
    return DatasetVersion(
        ref=dataset.ref.at(number), manifest=manifest, published_at=NOON, published_by="person:ana"
    )


def inodes(lake: Path, manifest: Manifest) -> dict[str, int]:
    folder = lake / manifest.location
    return {file.path: (folder / file.path).stat().st_ino for file in manifest.files}


@FORMATS
def test_an_appended_version_holds_the_rows_of_both_and_the_old_one_stays(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    dataset, some, more = declare(fmt), weather(5), weather(3, offset=1.0)
    first = write_version(lake, dataset, some)
    before = {file.path: (lake / first.location / file.path).read_bytes() for file in first.files}
    second = append_version(lake, dataset, published(dataset, first), more, producer="test")
    both = pa.concat_tables([some, more])
    assert second.row_count == 8
    assert second.logical_digest == logical_digest(read(lake, second)) == logical_digest(both)
    assert second.event_range == write_version(lake, dataset, both).event_range
    assert second.inputs == (dataset.ref.at(1),)
    assert second.producer == "test"
    assert logical_digest(read(lake, first)) == first.logical_digest
    for path, content in before.items():
        assert (lake / first.location / path).read_bytes() == content
    verify_version(lake, first)
    verify_version(lake, second)


@pytest.mark.parametrize("fmt", [Format.PARQUET, Format.DELTA])
def test_old_files_are_neither_copied_nor_written_again(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    version = published(dataset, write_version(lake, dataset, weather(5)))
    for number in range(2, 5):
        old = inodes(lake, version.manifest)
        manifest = append_version(lake, dataset, version, weather(number))
        new = inodes(lake, manifest)
        assert len(new) == number
        assert {path: inode for path, inode in new.items() if path in old} == old
        version = published(dataset, manifest, number)


@pytest.mark.parametrize("fmt", [Format.PARQUET, Format.DELTA])
def test_the_same_append_again_is_the_same_version(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    once, twice = (append_version(lake, dataset, first, weather(3)) for _ in range(2))
    assert once == twice


def test_without_recorded_sums_the_old_rows_are_read_once_more(
    lake: Path, declare: Declare, weather: Weather, read: Read
) -> None:
    dataset = declare(Format.PARQUET)
    first = write_version(lake, dataset, weather(5))
    for sums in ((), (1, 2, 3, 4)):
        old = published(dataset, replace(first, sums=sums))
        assert append_version(lake, dataset, old, weather(3)).logical_digest == logical_digest(
            pa.concat_tables([weather(5), weather(3)])
        )


def test_a_delta_table_that_went_on_is_taken_back_first(
    lake: Path, declare: Declare, weather: Weather, read: Read
) -> None:
    dataset = declare(Format.DELTA)
    first = write_version(lake, dataset, weather(5))
    unrecorded = write_version(lake, dataset, weather(50, offset=7.0))
    second = append_version(lake, dataset, published(dataset, first), weather(3))
    expected = logical_digest(pa.concat_tables([weather(5), weather(3)]))
    assert logical_digest(read(lake, second)) == expected
    newest = DeltaTable(lake / first.location)
    assert str(newest.version()) == second.native_snapshot
    assert newest.count() == 8
    verify_version(lake, unrecorded)


@FORMATS
def test_a_changed_old_file_is_not_carried_on(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    first = write_version(lake, dataset, weather(5))
    file = lake / first.location / first.files[0].path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Corrupt, match=file.name):
        append_version(lake, dataset, published(dataset, first), weather(3))


def test_other_columns_other_types_nulls_and_no_rows_are_refused_and_leave_nothing(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.PARQUET)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    there = sorted(path for path in lake.rglob("*") if ".hashed" not in path.parts)
    rows = weather(2)
    nulls = rows.set_column(1, "event_timestamp", pa.array([None, NOON], pa.timestamp("us", "UTC")))
    for wrong, said in (
        (rows.drop_columns(["temp"]), "temp"),
        (rows.set_column(2, "temp", pa.array(["a", "b"])), "temp"),
        (rows.select(["temp", "origin", "event_timestamp"]), "the rows to append have"),
        (nulls, "may not be null"),
        (rows.slice(0, 0), "no rows"),
    ):
        with pytest.raises(InvalidInput, match=said):
            append_version(lake, dataset, first, wrong)
    assert sorted(path for path in lake.rglob("*") if ".hashed" not in path.parts) == there


def test_where_files_cannot_be_linked_they_are_copied(
    lake: Path, declare: Declare, weather: Weather, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(31, "Too many links")

    dataset = declare(Format.PARQUET)
    first = write_version(lake, dataset, weather(5))
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    second = append_version(lake, dataset, published(dataset, first), weather(3))
    assert not set(inodes(lake, first).values()) & set(inodes(lake, second).values())
    verify_version(lake, second)
    assert read(lake, second).num_rows == 8


values = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.floats(), st.none() | st.text(max_size=3)),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=times(15, calm=8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(values, min_size=2, max_size=4), fmt=st.sampled_from(Format))
def test_appending_is_concatenating(
    tmp_path_factory: pytest.TempPathFactory, read: Read, parts: list[list[tuple]], fmt: Format
) -> None:
    def table(part: list[tuple]) -> pa.Table:
        k, x, s = zip(*part, strict=True)
        return pa.table(
            {
                "k": pa.array(k, pa.int64()),
                "x": pa.array(x, pa.float64()),
                "s": pa.array(s, pa.string()),
            }
        )

    lake = tmp_path_factory.mktemp("lake")
    dataset = Dataset(ref=DatasetRef("a", "b"), description="", owner="team:x", format=fmt)
    version = published(dataset, write_version(lake, dataset, table(parts[0])))
    for number, part in enumerate(parts[1:], 2):
        manifest = append_version(lake, dataset, version, table(part))
        version = published(dataset, manifest, number)
    whole = pa.concat_tables([table(part) for part in parts])
    assert version.manifest.logical_digest == logical_digest(whole)
    assert logical_digest(read(lake, version.manifest)) == logical_digest(whole)
