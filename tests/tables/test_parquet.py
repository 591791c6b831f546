from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Dataset, Format, Manifest
from provender.core.errors import InvalidInput, NotFound
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.session import session
from provender.tables.versions import verify_version, write_version


def rows_at(location: object, *files: str) -> list[Any]:
    table = Table(format=Format.PARQUET, location=str(location), files=files)
    with session() as connection:
        relation = format_for(Format.PARQUET).relation(table, Path("/nowhere"), connection)
        return sorted(relation.fetchall())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in [brackets] 'quoted'"
    (folder / "deep").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "one.parquet")
    pq.write_table(pa.table({"a": [2]}), folder / "deep" / "two.parquet")
    return folder


def test_a_table_no_catalog_governs_is_a_file_a_folder_a_pattern_or_a_list(folder: Path) -> None:
    assert rows_at(folder / "one.parquet") == [(1,)]
    assert rows_at(f"file://{folder / 'one.parquet'}") == [(1,)]
    assert rows_at(folder) == [(1,), (2,)]
    assert rows_at(folder, "one.parquet") == [(1,)]
    assert rows_at(str(folder.parent / "in*" / "*.parquet")) == [(1,)]


def test_partitions_in_a_folder_are_columns(tmp_path: Path) -> None:
    for year in (2013, 2023):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(pa.table({"a": [1]}), tmp_path / f"year={year}" / "x.parquet")
    assert rows_at(tmp_path) == [(1, 2013), (1, 2023)]


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no files at"):
        rows_at(tmp_path / "none.parquet")
    with pytest.raises(NotFound, match="no files at"):
        rows_at(tmp_path)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="does not begin as Parquet does"):
        rows_at(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["a[1]", "st*r", "q?m", "x=1", "p%20q", "{a}"])
@pytest.mark.parametrize("fmt", [Format.PARQUET, Format.CSV])
def test_a_lake_may_have_any_name(
    tmp_path: Path,
    declare: Callable[..., Dataset],
    weather: Callable[..., pa.Table],
    read: Callable[[Path, Manifest], pa.Table],
    name: str,
    fmt: Format,
) -> None:
    manifest = write_version(tmp_path / name, declare(fmt), weather())
    assert read(tmp_path / name, manifest).to_pylist() == weather().to_pylist()
    verify_version(tmp_path / name, manifest)
