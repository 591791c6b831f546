from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from provender.core.datasets import Dataset, Format, Manifest
from provender.core.errors import NotFound
from provender.core.schema import Column, Schema
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.session import session
from provender.tables.versions import write_version

NASTY = ["", None, "NULL", "null", "\\N", "nan", " a ", "a,b", 'say "hi"', '"', "\n", "\r\n", "é漢😀",
         "'", "#", ";", "1.0", "a\x00b", "\t"]  # fmt: skip


def rows_at(location: object, schema: Schema | None = None) -> list[Any]:
    table = Table(format=Format.CSV, location=str(location), schema=schema)
    with session() as connection:
        return format_for(Format.CSV).relation(table, Path("/nowhere"), connection).fetchall()


def test_text_comes_back_as_it_was(
    lake: Path, declare: Callable[..., Dataset], read: Callable[[Path, Manifest], pa.Table]
) -> None:
    rows = pa.table({"text": NASTY, "number": [None] * len(NASTY)}).cast(
        pa.schema([("text", pa.string()), ("number", pa.float64())])
    )
    manifest = write_version(lake, declare(Format.CSV, event_timestamp=None), rows)
    assert read(lake, manifest)["text"].to_pylist() == NASTY


def test_a_single_column_may_hold_nulls_and_empty_strings(
    lake: Path, declare: Callable[..., Dataset], read: Callable[[Path, Manifest], pa.Table]
) -> None:
    rows = pa.table({"x": [None, "", "a", None]})
    manifest = write_version(lake, declare(Format.CSV, event_timestamp=None), rows)
    assert read(lake, manifest) == rows


def test_types_are_those_of_the_schema_and_never_guessed(
    lake: Path, declare: Callable[..., Dataset], read: Callable[[Path, Manifest], pa.Table]
) -> None:
    rows = pa.table(
        {
            "flight": ["007", "08", "1"],
            "small": pa.array([1, None, -3], pa.int8()),
            "flag": ["true", "false", "true"],
        }
    )
    manifest = write_version(lake, declare(Format.CSV, event_timestamp=None), rows)
    assert read(lake, manifest) == rows


def test_the_file_is_plain_csv_that_others_read(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    manifest = write_version(lake, declare(Format.CSV), weather(2))
    text = (lake / manifest.location / manifest.files[0].path).read_text()
    assert text.splitlines() == [
        '"origin",event_timestamp,temp',
        '"EWR",2013-01-01 12:00:00+00,',
        '"JFK",2013-01-01 13:00:00+00,0.3333333333333333',
    ]


def test_a_file_no_catalog_governs_is_read_with_guessed_or_given_types(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id;name\n007;a\n008;b\n")
    assert rows_at(tmp_path / "x.csv") == [("007", "a"), ("008", "b")] or rows_at(
        tmp_path / "x.csv"
    ) == [(7, "a"), (8, "b")]
    schema = Schema((Column(name="id", type="string"), Column(name="name", type="string")))
    assert rows_at(tmp_path / "x.csv", schema) == [("007", "a"), ("008", "b")]
    assert rows_at(tmp_path, schema) == [("007", "a"), ("008", "b")]
    with pytest.raises(NotFound, match="no files at"):
        rows_at(tmp_path / "none.csv")
