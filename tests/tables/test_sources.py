"""Tables that no catalog governs: which files they are, and what is read of them."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import Format
from provender.core.errors import InvalidInput, NotFound
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.pinning import format_at, pin
from provender.tables.scans import Scan
from provender.tables.session import session
from tests.tables.files import WRITERS, Writer

ROWS = pa.table(
    {
        "a": list(range(1000)),
        "b": ["x", None] * 500,
        "t": pa.array([n * 3_600_000_000 for n in range(1000)], pa.timestamp("us", "UTC")),
    }
)


def query(fmt: Format, location: object, sql: str, *, snapshot: str = "") -> list[Any]:
    table = Table(format=fmt, location=str(location), snapshot=snapshot)
    with session() as connection:
        relation = format_for(fmt).relation(table, Path("/nowhere"), connection)
        relation.create_view("rows")
        return connection.execute(sql).fetchall()


def explain(fmt: Format, location: object, sql: str) -> str:
    return str(query(fmt, location, f"EXPLAIN ANALYZE {sql}")[0][1])


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_rows_are_the_same_in_every_format(tmp_path: Path, writer: Writer) -> None:
    path = writer.write(ROWS, tmp_path / f"x{writer.suffix}")
    rows = query(writer.format, path, "SELECT a, b, epoch_us(t::TIMESTAMPTZ) FROM rows ORDER BY a")
    times = [n * 3_600_000_000 for n in range(1000)]
    assert rows == list(zip(range(1000), ["x", None] * 500, times, strict=True))


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_a_query_scans_twice_and_filters_and_takes_few_columns(
    tmp_path: Path, writer: Writer
) -> None:
    path = writer.write(ROWS, tmp_path / f"x{writer.suffix}")
    joined = "SELECT l.a FROM rows l JOIN rows r USING (a) WHERE r.b = 'x' AND l.a < 4"
    assert sorted(query(writer.format, path, joined)) == [(0,), (2,)]
    assert query(writer.format, path, "SELECT count(*) FROM rows") == [(1000,)]
    assert query(writer.format, path, "SELECT max(a) FROM rows WHERE b IS NULL") == [(999,)]


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_folders_and_patterns_name_their_files(tmp_path: Path, writer: Writer) -> None:
    folder, suffix = tmp_path / "it's [1] ?", writer.suffix
    writer.write(ROWS.slice(0, 1), folder / f"one{suffix}")
    writer.write(ROWS.slice(1, 1), folder / "deep" / f"two{suffix}")
    writer.write(ROWS.slice(2, 1), folder / "_temporary" / f"three{suffix}")
    writer.write(ROWS.slice(3, 1), folder / f".hidden{suffix}")
    (folder / "notes.txt").write_text("no rows")
    rows = "SELECT a FROM rows ORDER BY a"
    assert query(writer.format, folder, rows) == [(0,), (1,)]
    assert query(writer.format, f"{tmp_path}/it*/*{suffix}", rows)[0] == (0,)
    assert format_at(str(folder)) is writer.format
    with pytest.raises(NotFound, match="no files at"):
        query(writer.format, tmp_path / "none", rows)
    pinned, paths = pin(Table(format=writer.format, location=str(folder)))
    assert [path.name for path in paths] == [f"two{suffix}", f"one{suffix}"]
    assert pinned.files == tuple(map(str, paths))


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    """Twelve files in folders that say year and month; the file's own year is another."""
    folder = tmp_path / "x=9" / "rows"
    for year in (2023, 2024):
        for month in range(1, 7):
            path = folder / f"year={year}" / f"month={month}" / "x.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.table({"a": [year * 100 + month], "year": [0]}), path)
    return folder


def test_folders_called_by_a_value_are_columns_and_leave_files_out(parted: Path) -> None:
    plan = explain(Format.PARQUET, parted, "SELECT a FROM rows WHERE year = 2024 AND month = 5")
    assert "Scanning Files: 1/12" in plan
    columns = query(Format.PARQUET, parted, "DESCRIBE rows")
    assert [(name, kind) for name, kind, *_ in columns] == [
        ("a", "BIGINT"),
        ("year", "BIGINT"),
        ("month", "BIGINT"),
    ]


def test_the_folder_s_value_counts_where_the_file_has_that_column_too(parted: Path) -> None:
    rows = query(Format.PARQUET, parted, "SELECT DISTINCT year FROM rows ORDER BY year")
    assert rows == [(2023,), (2024,)]


def test_folders_above_the_source_say_nothing(parted: Path) -> None:
    one = parted / "year=2024" / "month=1"
    assert query(Format.PARQUET, one, "DESCRIBE rows")[1][:2] == ("year", "BIGINT")
    assert query(Format.PARQUET, one, "FROM rows") == [(202401, 0)]
    pattern = f"{parted}/*/month=1/*.parquet"
    assert query(Format.PARQUET, pattern, "SELECT a, year FROM rows ORDER BY a") == [
        (202301, 2023),
        (202401, 2024),
    ]
    with pytest.raises(InvalidInput, match="in a folder called year=…"):
        query(Format.PARQUET, one.parent, "FROM rows")


def test_pinned_partitions_stay_partitions(parted: Path) -> None:
    pinned, _ = pin(Table(format=Format.PARQUET, location=str(parted)))
    with session() as connection:
        relation = format_for(Format.PARQUET).relation(pinned, Path("/x"), connection)
        assert relation.columns == ["a", "year", "month"]


def test_a_partition_without_a_value_is_null(tmp_path: Path) -> None:
    rows = pa.table({"a": [1, 2], "g": pa.array([None, 5], pa.int64())})
    pq.write_to_dataset(rows, tmp_path / "rows", partition_cols=["g"])
    found = query(Format.PARQUET, tmp_path / "rows", "SELECT a, g FROM rows ORDER BY a")
    assert found == [(1, None), (2, 5)]


def test_parquet_reads_only_the_row_groups_and_columns_it_needs(tmp_path: Path) -> None:
    rows = pa.table({"k": range(400_000), "wide": ["x" * 20] * 400_000})
    pq.write_table(rows, tmp_path / "x.parquet", row_group_size=50_000)
    plan = explain(Format.PARQUET, tmp_path / "x.parquet", "SELECT k FROM rows WHERE k > 399990")
    assert "Row Groups Scanned: 1 / 8" in plan
    assert "Projections: k " in plan


def test_delta_reads_only_the_row_groups_columns_and_partitions_it_needs(tmp_path: Path) -> None:
    rows = pa.table({"k": range(300_000), "g": [n // 100_000 for n in range(300_000)]})
    write_deltalake(tmp_path / "plain", rows)
    plan = explain(Format.DELTA, tmp_path / "plain", "SELECT k FROM rows WHERE k < 10")
    assert "READ_PARQUET" in plan
    assert "Filters: k < 10" in plan
    write_deltalake(tmp_path / "parted", rows, partition_by="g")
    plan = explain(Format.DELTA, tmp_path / "parted", "SELECT k FROM rows WHERE g = 1")
    assert "Projections: k " in plan
    damaged = next((tmp_path / "parted" / "g=0").glob("*.parquet"))
    damaged.unlink()
    counted = query(Format.DELTA, tmp_path / "parted", "SELECT count(*) FROM rows WHERE g = 1")
    assert counted == [(100_000,)]


def test_a_delta_table_that_is_streamed_is_never_whole_in_memory(tmp_path: Path) -> None:
    rows = pa.table({"a": range(200_000), "b": ["x"] * 200_000})
    write_deltalake(
        tmp_path / "t",
        rows,
        configuration={
            "delta.columnMapping.mode": "name",
            "delta.minReaderVersion": "2",
            "delta.minWriterVersion": "5",
        },
    )
    before = pa.total_allocated_bytes()
    table = Table(format=Format.DELTA, location=str(tmp_path / "t"))
    with session() as connection:
        relation = format_for(Format.DELTA).relation(table, Path("/x"), connection)
        assert pa.total_allocated_bytes() - before < 200_000
        assert relation.aggregate("sum(a)").fetchall() == [(19_999_900_000,)]
        assert relation.aggregate("count(*)").fetchall() == [(200_000,)]


def test_a_delta_version_that_is_no_number_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    with pytest.raises(InvalidInput, match="'yesterday' is not a version"):
        query(Format.DELTA, tmp_path / "t", "FROM rows", snapshot="yesterday")


def test_a_scan_asks_for_the_columns_that_are_needed_and_no_others() -> None:
    asked: list[list[str]] = []
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.float64())])

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        asked.append(names)
        rows = pa.table({"a": [1, 2], "b": ["x", "y"], "c": [0.5, float("nan")]}, schema)
        yield from rows.select(names).to_batches()

    with session() as connection:
        connection.from_arrow(Scan(schema, read)).create_view("rows")
        assert connection.sql("SELECT c FROM rows WHERE b = 'x'").fetchall() == [(0.5,)]
        assert asked[-1] == ["b", "c"]
        assert connection.sql("SELECT count(*) FROM rows").fetchall() == [(2,)]
        assert len(asked[-1]) == 1
        assert connection.sql("SELECT a FROM rows WHERE c > 1").fetchall() == [(2,)]


def test_what_is_at_a_place_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "delta", ROWS)
    (tmp_path / "iceberg" / "metadata").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata" / "v1.metadata.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for place, fmt in (
        ("delta", Format.DELTA),
        ("iceberg", Format.ICEBERG),
        ("iceberg/metadata/v1.metadata.json", Format.ICEBERG),
        ("empty", Format.PARQUET),
        ("none", Format.PARQUET),
        ("none/*.NDJSON", Format.JSONL),
        ("none.csv.gz", Format.CSV),
    ):
        assert format_at(str(tmp_path / place)) is fmt, place


AVRO: dict[str, Any] = {
    "type": "record",
    "name": "row",
    "namespace": "test",
    "fields": [
        {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "time", "type": {"type": "long", "logicalType": "time-micros"}},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "other", "type": ["null", "Kind"]},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
        {
            "name": "place",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "Place",
                    "fields": [
                        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
                        {"name": "ids", "type": {"type": "array", "items": "long"}},
                    ],
                },
            ],
        },
        {"name": "raw", "type": {"type": "fixed", "name": "Four", "size": 4}},
    ],
}
RECORD: dict[str, Any] = {
    "millis": datetime(2024, 1, 1, 0, 0, 0, 5000, tzinfo=UTC),
    "micros": datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=UTC),
    "local": datetime(1960, 1, 1, 0, 0, 0, 5),  # noqa: DTZ001
    "day": date(1969, 12, 31),
    "time": time(1, 2, 3, 4),
    "price": Decimal("-12.34"),
    "kind": "B",
    "other": "A",
    "tags": ["x", None],
    "counts": {"a": 1},
    "place": {"id": UUID(int=7), "ids": [1, 2]},
    "raw": b"abcd",
}


def avro_file(path: Path, schema: dict[str, Any], *records: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, records)
    return path


def avro_rows(path: Path, columns: str = "*") -> list[dict[str, Any]]:
    with session() as connection:
        table = Table(format=Format.AVRO, location=str(path))
        relation = format_for(Format.AVRO).relation(table, Path("/x"), connection)
        rows: list[dict[str, Any]] = relation.project(columns).to_arrow_table().to_pylist()
        return rows


def test_avro_keeps_its_types(tmp_path: Path) -> None:
    empty = RECORD | {"other": None, "place": None, "tags": [], "counts": {}}
    path = avro_file(tmp_path / "x.avro", AVRO, RECORD, empty)
    place = {"id": str(UUID(int=7)), "ids": [1, 2]}
    assert avro_rows(path) == [
        RECORD | {"counts": [("a", 1)], "place": place},
        empty | {"counts": []},
    ]
    assert avro_rows(path, "other, price") == [
        {"other": "A", "price": Decimal("-12.34")},
        {"other": None, "price": Decimal("-12.34")},
    ]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (["null", "string", "long"], "field f is a union of 2 types"),
        (["null", "row"], "field f has the type row, which contains itself"),
    ],
)
def test_avro_types_that_no_column_has_are_refused(
    tmp_path: Path, kind: list[str], message: str
) -> None:
    schema = {"type": "record", "name": "row", "fields": [{"name": "f", "type": kind}]}
    with pytest.raises(InvalidInput, match=message):
        avro_rows(avro_file(tmp_path / "x.avro", schema, {"f": None}))


def test_avro_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.avro").open("wb") as file:
        fastavro.writer(file, "long", [1, 2])
    with pytest.raises(InvalidInput, match="holds no records with fields"):
        avro_rows(tmp_path / "x.avro")


def json_rows(path: Path, *lines: dict[str, Any]) -> tuple[dict[str, str], list[Any]]:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    described = query(Format.JSONL, path, "DESCRIBE rows")
    return {name: kind for name, kind, *_ in described}, query(Format.JSONL, path, "FROM rows")


def test_json_types_are_those_that_hold_every_value(tmp_path: Path) -> None:
    many = [{"late": 1}] * 30_000
    kinds, rows = json_rows(tmp_path / "x.jsonl", *many, {"late": 1.5, "new": "x"})
    assert kinds == {"late": "DOUBLE", "new": "VARCHAR"}
    assert rows[-1] == (1.5, "x")


def test_json_instants_keep_their_zone_and_text_stays_text(tmp_path: Path) -> None:
    kinds, rows = json_rows(
        tmp_path / "x.jsonl",
        {
            "utc": "2024-01-01T00:00:00Z",
            "zone": "2024-01-01T02:00:00+02:00",
            "naive": "2024-01-01 00:00:00.000001",
            "day": "2024-01-01",
            "code": "007",
            "id": "00000000-0000-0000-0000-000000000007",
            "nothing": None,
            "nested": {"a": [1, 2]},
            "huge": 2**64 - 1,
        },
    )
    assert kinds == {
        "utc": "TIMESTAMP WITH TIME ZONE",
        "zone": "TIMESTAMP WITH TIME ZONE",
        "naive": "TIMESTAMP",
        "day": "DATE",
        "code": "VARCHAR",
        "id": "VARCHAR",
        "nothing": "VARCHAR",
        "nested": "STRUCT(a BIGINT[])",
        "huge": "DECIMAL(38,0)",
    }
    assert rows[0][0] == rows[0][1] == datetime(2024, 1, 1, tzinfo=UTC)
    assert rows[0][-1] == 2**64 - 1


def test_arrow_streams_of_one_source_have_one_schema(tmp_path: Path) -> None:
    writer = next(writer for writer in WRITERS if writer.suffix == ".arrows")
    writer.write(ROWS, tmp_path / "1.arrows")
    writer.write(ROWS.drop_columns(["b"]), tmp_path / "2.arrows")
    with pytest.raises(Exception, match="has other columns than"):
        query(Format.ARROW, tmp_path, "SELECT sum(a) FROM rows")
