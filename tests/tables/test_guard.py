"""Files that are broken, and small ones that claim to be huge: refused soon, in little memory."""

import gzip
import os
import random
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import Format
from provender.core.errors import InvalidInput, NotFound, ProvenderError
from provender.core.training import Table
from provender.offline.spines import of_files
from provender.tables import format_for
from provender.tables.guard import Limits, check_files
from provender.tables.session import session
from tests.tables import icebergs
from tests.tables.files import WRITERS, Writer
from tests.tables.thrift import footer_of, group, leaf, with_footer

ROWS = pa.table({"a": list(range(1000)), "b": ["x", "y"] * 500})
SECONDS = 5.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.parquet"
    pq.write_table(ROWS, path)
    return path


def refusal(path: Path, **limits: int) -> str:
    started = monotonic()
    with pytest.raises(InvalidInput) as caught:
        check_files([path], Limits(**limits))
    assert monotonic() - started < SECONDS
    assert str(path) in caught.value.message
    return caught.value.message


def rows_of(fmt: Format, path: Path) -> list[Any]:
    with session() as connection:
        table = Table(format=fmt, location=str(path))
        relation = format_for(fmt).relation(table, Path("/nowhere"), connection)
        return sorted(relation.fetchall())


def test_files_of_every_shape_pass(tmp_path: Path, file: Path) -> None:
    nested = pa.table(
        {
            "list": [[[1, None]], None],
            "map": pa.array([[("a", 1.0)], None], pa.map_(pa.string(), pa.float64())),
            "struct": [{"x": {"y": "z"}}, None],
            "decimal": pa.array([1, 2]).cast(pa.decimal128(30, 2)),
            "binary": [b"x", None],
            "fixed": pa.array([b"abcd", None], pa.binary(4)),
            "bool": [True, None],
            "instant": pa.array([1, 2], pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(nested, tmp_path / "nested.parquet")
    pq.write_table(ROWS.slice(0, 0), tmp_path / "none.parquet")
    pq.write_table(pa.table({f"c{n}": [n] for n in range(5_000)}), tmp_path / "wide.parquet")
    check_files([*tmp_path.glob("*.parquet")])


def test_a_large_constant_column_passes(tmp_path: Path) -> None:
    rows = pa.table({"a": pa.array([7] * 1_000_000), "b": ["same"] * 1_000_000})
    pq.write_table(rows, tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 10_000
    check_files([tmp_path / "x.parquet"])


def test_a_file_that_changed_is_looked_at_again(file: Path) -> None:
    check_files([file])
    file.write_bytes(file.read_bytes()[:-1])
    assert "cut off, or damaged" in refusal(file)
    file.unlink()
    with pytest.raises(NotFound, match="is gone"):
        check_files([file])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PAR1", "does not begin as Parquet does"),
        (b"a,b\n1,2\n" * 9, "does not begin as Parquet does"),
        (b"PAR1" + bytes(20), "does not end as Parquet does"),
        (b"PAR1" + bytes(20) + b"\xff\xff\xff\x7fPAR1", "does not end as Parquet does"),
        (b"PAR1" + bytes(20) + b"\x14\x00\x00\x00PAR1", "footer that cannot be read"),
        (b"PARE" + bytes(20) + b"\x14\x00\x00\x00PARE", "is encrypted"),
    ],
)
def test_what_is_no_parquet_is_refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    assert message in refusal(file)


def test_ten_thousand_million_rows_in_a_small_file_are_refused(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(with_footer(content, rows=10**10))
    assert "declares 10,000,000,000 rows" in refusal(file)
    check_files([file], Limits(ratio=10**9))


@pytest.mark.parametrize("folder", ["plain", "day=1"])
def test_such_a_file_is_refused_wherever_a_source_is_read(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    bomb = tmp_path / folder / "x.parquet"
    pq.write_table(ROWS, bomb)
    bomb.write_bytes(with_footer(bomb.read_bytes(), rows=10**10))
    for place in (tmp_path, bomb):
        with pytest.raises(InvalidInput, match="declares 10,000,000,000 rows") as caught:
            rows_of(Format.PARQUET, place)
        assert "unpack to less than" in caught.value.hint
    with pytest.raises(InvalidInput, match="declares 10,000,000,000 rows"):
        of_files([bomb])


def test_such_a_file_of_a_delta_table_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "delta", ROWS)
    (bomb,) = (tmp_path / "delta").glob("*.parquet")
    pq.write_table(ROWS, bomb)
    bomb.write_bytes(with_footer(bomb.read_bytes(), rows=10**10))
    with pytest.raises(InvalidInput, match="declares 10,000,000,000 rows"):
        rows_of(Format.DELTA, tmp_path / "delta")


def test_such_a_file_of_an_iceberg_table_is_refused(tmp_path: Path) -> None:
    with icebergs.catalog(tmp_path) as made:
        table = icebergs.create(made, tmp_path, ROWS)
        (data,) = icebergs.data_files(table)
        bomb = Path(data.removeprefix("file://"))
        pq.write_table(ROWS, bomb)
        bomb.write_bytes(with_footer(bomb.read_bytes(), rows=10**10))
        with pytest.raises(InvalidInput, match="declares 10,000,000,000 rows"):
            rows_of(Format.ICEBERG, Path(table.metadata_location.removeprefix("file://")))


def test_columns_without_end_are_refused(file: Path) -> None:
    schema = [group(50_000), *(leaf(f"c{n}") for n in range(50_000))]
    file.write_bytes(footer_of(schema))
    assert "more than 20,000 columns" in refusal(file)


def test_row_groups_without_end_are_refused(file: Path) -> None:
    file.write_bytes(footer_of([group(1), leaf("a")], row_groups=1_000_000))
    assert "1,000,000 row groups" in refusal(file)


@pytest.mark.parametrize("depth", [200, 1_000_000])
def test_nesting_without_end_is_refused(file: Path, depth: int) -> None:
    file.write_bytes(footer_of([*(group(1) for _ in range(depth)), leaf("a")]))
    assert "nested more than 64 deep" in refusal(file)


def test_a_name_of_two_gigabytes_is_refused(file: Path) -> None:
    file.write_bytes(footer_of([group(1), leaf("a", declared=2 << 30)]))
    assert "it ends too early" in refusal(file)


def test_a_footer_larger_than_the_limit_is_refused(file: Path) -> None:
    assert "has a footer of" in refusal(file, footer_bytes=100)


def test_a_schema_without_columns_is_refused(file: Path) -> None:
    file.write_bytes(footer_of([group(0)]))
    assert "has no columns" in refusal(file)


FUZZ = """
import sys
from pathlib import Path
import duckdb
from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.guard import check_files
from provender.tables.session import session
read = broken = refused = 0
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        check_files([path])
    except InvalidInput:
        refused += 1
        continue
    with session() as connection:
        connection.execute("SET memory_limit='256MB'")
        table = Table(format=Format.PARQUET, location=str(path))
        try:
            format_for(Format.PARQUET).relation(table, path, connection).fetchall()
            read += 1
        except (InvalidInput, duckdb.Error):
            broken += 1
print(read, broken, refused)
"""


def test_flipped_bits_in_footers_end_in_a_refusal_or_in_a_file_that_can_be_opened(
    tmp_path: Path, file: Path
) -> None:
    content = file.read_bytes()
    chance = random.Random(3)
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    (tmp_path / "fuzz").mkdir()
    for number in range(400):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(start, len(content))] ^= 1 << chance.randrange(8)
        (tmp_path / "fuzz" / f"{number}.parquet").write_bytes(broken)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path / "fuzz")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30)),
    )
    assert done.returncode == 0, done.stderr
    read, broken, refused = map(int, done.stdout.split())
    assert read + broken + refused == 400
    assert refused > 100


CONTENTS = (b"", b"\x00" * 100, b"\xff\xfe" * 100, b"plain text\n" * 3)
IS_CSV = (CONTENTS[1], CONTENTS[3])
"""What is a CSV file of one column, like it or not."""
STRANGE = [(w, c) for w in WRITERS for c in CONTENTS if w.suffix != ".csv" or c not in IS_CSV]


@pytest.mark.parametrize(("writer", "content"), STRANGE, ids=str)
def test_a_file_that_is_not_of_its_format_is_refused_by_name(
    tmp_path: Path, writer: Writer, content: bytes
) -> None:
    path = tmp_path / f"x{writer.suffix}"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=f"x{writer.suffix}"):
        rows_of(writer.format, path)


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_a_file_that_is_cut_off_never_reads_as_whole(tmp_path: Path, writer: Writer) -> None:
    path = writer.write(ROWS, tmp_path / f"x{writer.suffix}")
    whole = rows_of(writer.format, path)
    content = path.read_bytes()
    for keep in (len(content) // 2, len(content) * 9 // 10):
        path.write_bytes(content[:keep])
        if writer.suffix in (".csv", ".jsonl"):  # plain text has no end
            with suppress(InvalidInput):
                assert rows_of(writer.format, path) != whole
        else:
            with pytest.raises((ProvenderError, duckdb.Error)):
                rows_of(writer.format, path)


def test_gzip_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    for name, line in (("x.csv.gz", b"1,1\n"), ("x.jsonl.gz", b'{"a":1}\n')):
        path = tmp_path / name
        path.write_bytes(gzip.compress(line * 20_000_000, compresslevel=9))
        fmt = Format.CSV if "csv" in name else Format.JSONL
        started = monotonic()
        with pytest.raises(InvalidInput, match="unpacks to more than 500 times its size"):
            rows_of(fmt, path)
        assert monotonic() - started < SECONDS


@pytest.mark.parametrize("before", [0, 10, 500_000])
def test_a_line_that_duckdb_would_leave_out_is_refused(tmp_path: Path, before: int) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" + b"1,1\n" * before + b"x" * 40_000_000 + b",1\n2,2\n")
    started = monotonic()
    with pytest.raises(InvalidInput, match="a line of more than 2,000,000 bytes"):
        rows_of(Format.CSV, path)
    assert monotonic() - started < SECONDS


def test_json_nested_without_end_or_in_one_long_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content in (
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        b'{"a":"' + b"x" * 50_000_000 + b'"}\n',
        b"[1, 2]\n3\n",
    ):
        path.write_bytes(content)
        started = monotonic()
        with pytest.raises(InvalidInput, match=r"x\.jsonl"):
            rows_of(Format.JSONL, path)
        assert monotonic() - started < SECONDS
