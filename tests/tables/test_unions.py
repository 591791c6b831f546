"""Parquet files of one source that differ in columns."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.session import session

WIDENED = [
    (pa.int8(), pa.int64(), "BIGINT"),
    (pa.int32(), pa.int64(), "BIGINT"),
    (pa.uint32(), pa.int64(), "BIGINT"),
    (pa.uint8(), pa.uint16(), "USMALLINT"),
    (pa.float32(), pa.float64(), "DOUBLE"),
    (pa.null(), pa.string(), "VARCHAR"),
    (pa.null(), pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
]
REFUSED = [
    (pa.int64(), pa.float64()),
    (pa.uint64(), pa.int64()),
    (pa.int64(), pa.string()),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.timestamp("us"), pa.timestamp("ns")),
]


def put(path: Path, **columns: pa.Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def read(place: Path, sql: str = "SELECT * FROM rows ORDER BY ALL") -> tuple[list[str], list[Any]]:
    """The types of the columns, and the rows."""
    table = Table(format=Format.PARQUET, location=str(place))
    with session() as connection:
        relation = format_for(Format.PARQUET).relation(table, Path("/nowhere"), connection)
        relation.create_view("rows")
        found = connection.sql(sql)
        return [str(kind) for kind in found.types], found.fetchall()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("narrow", "wide", "expected"), WIDENED, ids=str)
def test_types_are_widened_where_nothing_is_lost(
    tmp_path: Path, narrow: pa.DataType, wide: pa.DataType, expected: str, *, turned: bool
) -> None:
    first, second = ("b", "a") if turned else ("a", "b")
    put(tmp_path / f"{first}.parquet", x=pa.array([None], narrow))
    put(tmp_path / f"{second}.parquet", x=pa.array([None], wide))
    assert read(tmp_path) == ([expected], [(None,), (None,)])


def test_a_value_that_only_the_wider_type_holds_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=pa.array([1], pa.int32()), y=pa.array([0.5], pa.float32()))
    put(tmp_path / "b.parquet", x=pa.array([2**40], pa.int64()), y=pa.array([0.1], pa.float64()))
    assert read(tmp_path) == (["BIGINT", "DOUBLE"], [(1, 0.5), (2**40, 0.1)])


@pytest.mark.parametrize(("one", "other"), REFUSED, ids=str)
def test_other_types_are_refused_with_both_files_named(
    tmp_path: Path, one: pa.DataType, other: pa.DataType
) -> None:
    files = [
        put(tmp_path / "a.parquet", x=pa.array([None], one)),
        put(tmp_path / "b.parquet", x=pa.array([None], other)),
    ]
    with pytest.raises(InvalidInput, match="column x is") as caught:
        read(tmp_path)
    assert all(str(file) in caught.value.message for file in files)


def test_a_column_that_some_files_lack_is_null_in_their_rows(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=pa.array([1]))
    put(tmp_path / "b.parquet", y=pa.array([2.5]), x=pa.array([2]))
    assert read(tmp_path, "SELECT x, y FROM rows ORDER BY x")[1] == [(1, None), (2, 2.5)]


def test_a_folders_name_still_is_the_value_where_files_have_that_column_too(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "a.parquet", x=pa.array([1]), day=pa.array(["no"]))
    put(tmp_path / "day=2" / "b.parquet", x=pa.array([2]), day=pa.array([9]), y=pa.array([3]))
    assert read(tmp_path, "SELECT x, day, y FROM rows ORDER BY x")[1] == [(1, 1, None), (2, 2, 3)]


def test_a_file_that_changed_its_columns_is_looked_at_again(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=pa.array([1]))
    file = put(tmp_path / "b.parquet", x=pa.array([2]))
    assert read(tmp_path)[1] == [(1,), (2,)]
    put(file, x=pa.array([2.5]))
    with pytest.raises(InvalidInput, match="column x is BIGINT"):
        read(tmp_path)
