import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import Format
from provender.core.errors import NotFound
from provender.core.training import Table
from provender.tables import format_for

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from provender.core.datasets import Format
from provender.core.errors import Unavailable
from provender.tables import format_for
try:
    format_for(Format(sys.argv[2]))
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("fmt", Format)
def test_every_format_has_a_reader_and_writer(fmt: Format) -> None:
    assert type(format_for(fmt)).__name__.lower() == f"{fmt}format"


@pytest.mark.parametrize(
    ("package", "fmt", "extra"),
    [
        ("duckdb", "parquet", "tables"),
        ("pyarrow", "csv", "tables"),
        ("deltalake", "delta", "tables"),
        ("pyarrow", "delta", "tables"),
        ("fastavro", "avro", "tables"),
        ("pyiceberg", "iceberg", "iceberg"),
        ("sqlalchemy", "iceberg", "iceberg"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    package: str, fmt: str, extra: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, fmt],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout.splitlines() == [
        f"{fmt} tables need the package {package}, which is not installed",
        f" hint: pip install 'provender[{extra}]'",
    ]


def test_the_formats_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys, provender.tables; print({'duckdb', 'pyarrow', 'deltalake'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "set()"


PLAIN = pa.table({"a": [1, 2, 3], "b": ["x", "y", "x"]})


def plain_files(fmt: Format, location: Path, *files: str) -> list[Path] | None:
    table = Table(format=fmt, location=str(location), files=files)
    return format_for(fmt).files(table, Path("/nowhere"))


def test_parquet_files_are_all_there_is_to_a_table_unless_folders_add_columns(
    tmp_path: Path,
) -> None:
    for name in ("plain/1", "plain/deep/2", "parted/year=2023/1", "parted/year=2024/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(PLAIN, tmp_path / f"{name}.parquet")
    plain = [tmp_path / "plain" / "1.parquet", tmp_path / "plain" / "deep" / "2.parquet"]
    assert plain_files(Format.PARQUET, tmp_path / "plain") == plain
    assert plain_files(Format.PARQUET, tmp_path / "plain", *map(str, plain)) == plain
    assert plain_files(Format.PARQUET, plain[0]) == plain[:1]
    assert plain_files(Format.PARQUET, tmp_path / "parted") is None
    one = tmp_path / "parted" / "year=2023" / "1.parquet"
    assert plain_files(Format.PARQUET, one) == [one]
    with pytest.raises(NotFound):
        plain_files(Format.PARQUET, tmp_path / "none")


def test_delta_files_are_all_there_is_to_a_table_with_neither_partitions_nor_later_columns(
    tmp_path: Path,
) -> None:
    write_deltalake(tmp_path / "plain", PLAIN)
    found = plain_files(Format.DELTA, tmp_path / "plain")
    assert found is not None
    assert pq.read_table(found[0]).to_pylist() == PLAIN.to_pylist()
    write_deltalake(tmp_path / "parted", PLAIN, partition_by="b")
    assert plain_files(Format.DELTA, tmp_path / "parted") is None
    wider = PLAIN.append_column("c", pa.array([5, 6, 7]))
    write_deltalake(tmp_path / "plain", wider, mode="append", schema_mode="merge")
    assert plain_files(Format.DELTA, tmp_path / "plain") is None
