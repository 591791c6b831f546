import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import StaticTable
from pyiceberg.typedef import Record
from pyiceberg.types import IntegerType, LongType

from provender.core.datasets import Dataset, Format, Manifest
from provender.core.errors import InvalidInput, NotFound, Unavailable
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.iceberg import pin
from provender.tables.session import session
from provender.tables.versions import verify_version, write_version
from tests.tables.icebergs import catalog, create, data_files, delete_rows, delete_values

ROWS = pa.table({"a": list(range(10)), "b": ["x", "y"] * 5})
Weather = Callable[..., pa.Table]


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[SqlCatalog]:
    with catalog(tmp_path / "house 'é'") as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "house 'é'" / "t"


def asked(place: object, snapshot: object = "") -> Table:
    return Table(format=Format.ICEBERG, location=str(place), snapshot=str(snapshot))


def read(place: object, snapshot: object = "") -> list[dict[str, Any]]:
    """Rows of a table that no catalog governs, read twice over as a join does."""
    with session() as connection:
        table = asked(place, snapshot)
        relation = format_for(Format.ICEBERG).relation(table, Path("/nowhere"), connection)
        relation.create_view("rows")
        query = "SELECT l.* FROM rows l JOIN rows r USING (a) ORDER BY a"
        rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
        return rows


def explained(place: object, query: str) -> str:
    with session() as connection:
        relation = format_for(Format.ICEBERG).relation(asked(place), Path("/x"), connection)
        relation.create_view("rows")
        return str(connection.execute(f"EXPLAIN ANALYZE {query}").fetchall()[0][1])


def snapshot_of(table: Any) -> int:
    current = table.current_snapshot()
    assert current is not None
    return int(current.snapshot_id)


def test_a_table_is_read_at_its_latest_snapshot_or_by_id_or_tag(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, ROWS)
    first = snapshot_of(table)
    table.manage_snapshots().create_tag(first, "published").commit()
    table.append(pa.table({"a": [10], "b": ["z"]}))
    assert len(read(place)) == 11
    assert read(place, first) == read(place, "published") == ROWS.to_pylist()
    assert len(read(f"file://{place}")) == 11
    assert len(read(table.metadata_location)) == 11
    with pytest.raises(NotFound, match="has no snapshot 7") as caught:
        read(place, 7)
    assert str(first) in caught.value.hint


def test_a_pinned_table_stays_what_it_was(lakehouse: SqlCatalog, place: Path) -> None:
    table = create(lakehouse, place, ROWS)
    before = data_files(table)
    pinned, files = pin(asked(place))
    table.append(ROWS)
    assert [f"file://{file}" for file in files] == before
    assert read(pinned.location, pinned.snapshot) == ROWS.to_pylist()


def test_columns_are_found_by_their_ids_whatever_they_were_called(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, ROWS.set_column(0, "a", ROWS["a"].cast(pa.int32())))
    with table.update_schema() as update:
        update.rename_column("b", "c")
        update.update_column("a", LongType())
    with table.update_schema() as update:
        update.add_column("b", IntegerType())
    table.append(pa.table({"a": [2**40], "c": ["z"], "b": pa.array([5], pa.int32())}))
    rows = read(place)
    assert rows[0] == {"a": 0, "c": "x", "b": None}
    assert rows[-1] == {"a": 2**40, "c": "z", "b": 5}
    assert "READ_PARQUET" in explained(place, "SELECT a FROM rows")


@pytest.mark.parametrize("streamed", [False, True])
def test_deleted_rows_do_not_come_back(
    lakehouse: SqlCatalog, place: Path, *, streamed: bool
) -> None:
    rows = ROWS.append_column("filename", ROWS["b"]) if streamed else ROWS
    table = create(lakehouse, place, rows)
    before = snapshot_of(table)
    delete_rows(table, data_files(table)[0], [0, 3])
    delete_rows(table, data_files(table)[0], [9])
    table.append(rows.slice(0, 1))
    assert [row["a"] for row in read(place)] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert len(read(place, before)) == 10
    plan = explained(place, "SELECT a FROM rows WHERE a > 3")
    assert ("READ_PARQUET" in plan) != streamed
    assert format_for(Format.ICEBERG).files(asked(place), Path("/x")) is None


def test_deletes_by_value_are_refused(lakehouse: SqlCatalog, place: Path) -> None:
    table = create(lakehouse, place, ROWS)
    deleted = pa.schema([pa.field("a", pa.int64(), True, {"PARQUET:field_id": "1"})])
    delete_values(table, pa.table({"a": [1]}, deleted), 1)
    with pytest.raises(InvalidInput, match="equality deletes"):
        read(place)


def test_only_the_row_groups_and_columns_that_are_asked_for_are_read(
    lakehouse: SqlCatalog, place: Path
) -> None:
    rows = pa.table({"a": range(400_000), "b": ["x" * 20] * 400_000})
    create(lakehouse, place, rows, **{"write.parquet.row-group-limit": "50000"})
    plan = explained(place, "SELECT a FROM rows WHERE a BETWEEN 60_000 AND 70_000")
    assert "Row Groups Scanned: 1 / 8" in plan
    assert "Projections: a " in plan
    files = format_for(Format.ICEBERG).files(asked(place), Path("/x"))
    assert files is not None
    assert pq.read_table(files[0]).num_rows == 400_000


def test_files_without_ids_are_read_as_the_table_maps_their_names(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, ROWS.slice(0, 3))
    pq.write_table(ROWS.slice(3), place / "foreign.parquet")
    table.add_files([f"file://{place}/foreign.parquet"])
    assert read(place) == ROWS.to_pylist()
    assert format_for(Format.ICEBERG).files(asked(place), Path("/x")) is None


def test_nested_columns_that_changed_are_read_as_they_are_now(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, pa.table({"a": [1], "s": [{"x": 1}]}))
    with table.update_schema() as update:
        update.rename_column(("s", "x"), "y")
    table.append(pa.table({"a": [2], "s": [{"y": 2}]}))
    assert read(place) == [{"a": 1, "s": {"y": 1}}, {"a": 2, "s": {"y": 2}}]


def test_a_table_without_rows_has_its_columns(lakehouse: SqlCatalog, place: Path) -> None:
    lakehouse.create_table(("n", "t"), ROWS.schema, location=f"file://{place}")
    assert read(place) == []


def test_a_table_names_no_files_elsewhere(lakehouse: SqlCatalog, place: Path) -> None:
    table = create(lakehouse, place, ROWS)
    far = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path="s3://elsewhere/x.parquet",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=100,
        spec_id=0,
    )
    with table.transaction() as change, change.update_snapshot().fast_append() as append:
        append.append_data_file(far)
    for reading in (read, lambda place: pin(asked(place))):
        with pytest.raises(InvalidInput, match="s3://elsewhere, which is elsewhere"):
            reading(place)


def test_what_a_table_says_of_its_storage_is_not_believed(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, ROWS)
    file = Path(table.metadata_location.removeprefix("file://"))
    metadata = json.loads(file.read_text())
    metadata["properties"] = {"py-io-impl": "antigravity.Files", "s3.endpoint": "http://thief"}
    file.write_text(json.dumps(metadata))
    assert read(place) == ROWS.to_pylist()


def test_a_place_without_a_table_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    for nothing in (tmp_path / "none", tmp_path, tmp_path / "v1.metadata.json"):
        with pytest.raises(NotFound, match="no Iceberg table at"):
            read(nothing)


def test_metadata_that_is_broken_or_that_two_writers_claim_is_refused(
    lakehouse: SqlCatalog, place: Path
) -> None:
    table = create(lakehouse, place, ROWS)
    file = Path(table.metadata_location.removeprefix("file://"))
    other = file.with_name(file.name.replace("-", "-f", 1))
    other.write_text("{ not json")
    with pytest.raises(InvalidInput, match="several latest metadata files"):
        read(place)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(other)
    assert read(file) == ROWS.to_pylist()


def table_of(lake: Path, manifest: Manifest) -> StaticTable:
    metadata = sorted((lake / manifest.location / "metadata").glob("*.metadata.json"))
    return StaticTable.from_metadata(str(metadata[-1]))


def test_publishing_is_one_snapshot_and_the_same_rows_again_none(
    lake: Path, declare: Callable[..., Dataset], weather: Weather
) -> None:
    dataset = declare(Format.ICEBERG)
    manifests = [write_version(lake, dataset, weather(n)) for n in (3, 4, 3, 4, 5)]
    ids = [manifest.native_snapshot for manifest in manifests]
    assert ids[:2] == ids[2:4]
    table = table_of(lake, manifests[0])
    assert [str(snapshot.snapshot_id) for snapshot in table.snapshots()] == [*ids[:2], ids[4]]
    for manifest, count in zip(manifests, (3, 4, 3, 4, 5), strict=True):
        verify_version(lake, manifest)
        seen = table.scan(snapshot_id=int(manifest.native_snapshot)).to_arrow()
        assert seen.to_pylist() == weather(count).to_pylist()


def test_columns_come_and_go_and_every_version_stays_readable_by_other_tools(
    lake: Path, declare: Callable[..., Dataset], read: Callable[[Path, Manifest], pa.Table]
) -> None:
    dataset = declare(Format.ICEBERG, event_timestamp=None)
    tables = [
        pa.table({"a": pa.array([1], pa.int8()), "b": ["x"]}),
        pa.table({"a": pa.array([2], pa.int8()), "c": [0.5]}),
        pa.table({"a": ["now text"], "b": ["y"], "d": [[1, None]]}),
    ]
    manifests = [write_version(lake, dataset, rows) for rows in tables]
    for manifest, rows in zip(manifests, tables, strict=True):
        assert read(lake, manifest).cast(rows.schema) == rows
        assert read(lake, manifest).schema.types == rows.schema.types
        pinned = table_of(lake, manifest).scan(snapshot_id=int(manifest.native_snapshot))
        assert pinned.to_arrow().to_pylist() == rows.to_pylist()


def test_a_moved_lake_keeps_its_versions_and_takes_new_ones(
    lake: Path,
    tmp_path: Path,
    declare: Callable[..., Dataset],
    weather: Weather,
    read: Callable[[Path, Manifest], pa.Table],
) -> None:
    first = write_version(lake, declare(Format.ICEBERG), weather(3))
    moved = tmp_path / "moved"
    shutil.move(lake, moved)
    second = write_version(moved, declare(Format.ICEBERG), weather(4))
    for manifest, count in ((first, 3), (second, 4)):
        verify_version(moved, manifest)
        assert read(moved, manifest).to_pylist() == weather(count).to_pylist()
    assert not lake.exists()
    assert table_of(moved, second).scan().to_arrow().num_rows == 4


@pytest.mark.parametrize("name", ["what?", "a#b", "a%20b"])
def test_a_lake_whose_path_iceberg_takes_for_a_url_is_refused(
    tmp_path: Path, declare: Callable[..., Dataset], weather: Weather, name: str
) -> None:
    with pytest.raises(Unavailable, match="its path has"):
        write_version(tmp_path / name, declare(Format.ICEBERG), weather())
