"""Tables in object storage, on a real S3 server of this machine that counts what is read."""

import io
import traceback
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from provender.core.datasets import Format
from provender.core.errors import InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.pinning import format_at, pin
from provender.tables.session import session
from provender.tables.sizes import size_bytes
from tests.tables.files import WRITERS, Writer
from tests.tables.s3 import BUCKET, KEY, SECRET, Server, s3_server

ROWS = pa.table({"a": list(range(1000)), "b": ["x", "y"] * 500})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A folder of the bucket that no other test has."""
    return f"of {request.node.name}".translate(str.maketrans("[]", "()"))


def asked(fmt: Format, url: str, server: Server | str, snapshot: str = "") -> Table:
    endpoint = server if isinstance(server, str) else server.url
    return Table(format=fmt, location=url, endpoint=endpoint, snapshot=snapshot)


def query(table: Table, sql: str) -> list[Any]:
    with session() as connection:
        relation = format_for(table.format).relation(table, Path("/nowhere"), connection)
        relation.create_view("rows")
        return connection.execute(sql).fetchall()


def rows_of(table: Table) -> list[Any]:
    return query(table, "SELECT l.a, l.b FROM rows l JOIN rows r USING (a) ORDER BY ALL")


def parquet(rows: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, **options)
    return buffer.getvalue()


EXPECTED = [(a, "xy"[a % 2]) for a in range(1000)]


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_a_file_a_folder_and_a_pattern_are_read_in_every_format(
    server: Server, key: str, tmp_path: Path, writer: Writer
) -> None:
    writer.write(ROWS.slice(0, 400), tmp_path / f"one{writer.suffix}")
    writer.write(ROWS.slice(400), tmp_path / "deep" / f"two{writer.suffix}")
    folder = server.put_folder(tmp_path, key)
    server.put(f"{key}/notes.txt", b"no rows")
    assert format_at(folder, endpoint=server.url) is writer.format
    assert rows_of(asked(writer.format, folder, server)) == EXPECTED
    assert rows_of(asked(writer.format, f"{folder}/**/*{writer.suffix}", server)) == EXPECTED
    one = f"{folder}/one{writer.suffix}"
    assert format_at(one, endpoint=server.url) is writer.format
    assert rows_of(asked(writer.format, one, server)) == EXPECTED[:400]


def test_the_endpoint_may_come_from_the_environment(
    server: Server, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    url = server.put(f"{key}/x.parquet", parquet(ROWS))
    assert rows_of(asked(Format.PARQUET, url, "")) == EXPECTED


def test_names_of_keys_are_taken_as_they_are(server: Server, key: str) -> None:
    url = server.put(f"{key}/x=1/é %20 [1]#.parquet", parquet(ROWS))
    folder = f"s3://{BUCKET}/{key}/x=1"
    assert rows_of(asked(Format.PARQUET, folder, server)) == EXPECTED
    assert rows_of(asked(Format.PARQUET, url.replace("[1]", "?1?"), server)) == EXPECTED


def test_two_storages_are_read_in_one_query(server: Server, key: str) -> None:
    left = server.put(f"{key}/left.parquet", parquet(ROWS))
    right = server.put(f"{key}/right.parquet", parquet(ROWS.slice(0, 3)))
    other = server.url.replace("127.0.0.1", "localhost")
    with session() as connection:
        for name, url, endpoint in (("l", left, server.url), ("r", right, other)):
            table = asked(Format.PARQUET, url, endpoint)
            relation = format_for(table.format).relation(table, Path("/nowhere"), connection)
            relation.create_view(name)
        joined = connection.execute("SELECT count(*) FROM l JOIN r USING (a)").fetchall()
    assert joined == [(3,)]


def test_only_the_columns_and_row_groups_that_are_asked_for_are_fetched(
    server: Server, key: str
) -> None:
    count = 400_000
    wide = pa.table(
        {"k": range(count), **{name: [f"{name}{n * 7919}" for n in range(count)] for name in "abc"}}
    )
    content = parquet(wide, row_group_size=50_000)
    table = asked(Format.PARQUET, server.put(f"{key}/x.parquet", content), server)

    def bytes_read(sql: str, answer: int) -> float:
        with server.counting() as counted:
            assert query(table, sql) == [(answer,)]
            return counted.bytes_read / len(content)

    assert bytes_read("SELECT count(*) FROM rows", count) < 0.02
    assert bytes_read("SELECT sum(k) FROM rows", count * (count - 1) // 2) < 0.35
    one_group = "SELECT count(a) FROM rows WHERE k BETWEEN 60000 AND 60009"
    assert bytes_read(one_group, 10) < 0.15
    assert bytes_read("SELECT count(DISTINCT a) FROM rows", count) > 0.2


def test_folders_that_a_filter_leaves_out_are_not_opened(
    server: Server, key: str, tmp_path: Path
) -> None:
    for year in range(2000, 2012):
        path = tmp_path / f"year={year}" / "month=1" / "x.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(ROWS, path)
    table = asked(Format.PARQUET, server.put_folder(tmp_path, key), server)
    plan = query(table, "EXPLAIN ANALYZE SELECT a FROM rows WHERE year = 2003")[0][1]
    assert "Scanning Files: 1/12" in plan
    assert query(table, "SELECT count(*), min(year) FROM rows") == [(12_000, 2000)]


@pytest.mark.parametrize("partition_by", [None, "b"])
def test_delta_is_read_at_a_version(
    server: Server, key: str, tmp_path: Path, partition_by: str | None
) -> None:
    write_deltalake(tmp_path / "t", ROWS, partition_by=partition_by)
    write_deltalake(tmp_path / "t", ROWS.slice(0, 2), mode="overwrite")
    url = server.put_folder(tmp_path / "t", key)
    assert format_at(url, endpoint=server.url) is Format.DELTA
    assert rows_of(asked(Format.DELTA, url, server)) == EXPECTED[:2]
    assert rows_of(asked(Format.DELTA, url, server, "0")) == EXPECTED
    with pytest.raises(NotFound, match="no readable snapshot 9"):
        rows_of(asked(Format.DELTA, url, server, "9"))


def test_iceberg_is_read_at_a_snapshot(server: Server, key: str, tmp_path: Path) -> None:
    catalog = SqlCatalog(
        "test",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        warehouse=f"s3://{BUCKET}/{key}",
        **{
            "s3.endpoint": server.url,
            "s3.access-key-id": KEY,
            "s3.secret-access-key": SECRET,
            "s3.region": "us-east-1",
        },
    )
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", ROWS.schema, location=f"s3://{BUCKET}/{key}")
    table.append(ROWS)
    first = table.current_snapshot()
    table.append(ROWS.slice(0, 1))
    catalog.close()
    assert first is not None
    url = f"s3://{BUCKET}/{key}"
    assert format_at(url, endpoint=server.url) is Format.ICEBERG
    assert len(rows_of(asked(Format.ICEBERG, url, server))) == 1003
    assert rows_of(asked(Format.ICEBERG, url, server, str(first.snapshot_id))) == EXPECTED
    pinned, local = pin(asked(Format.ICEBERG, url, server))
    assert local == []
    plan = query(pinned, "EXPLAIN ANALYZE SELECT a FROM rows WHERE a = 7")[0][1]
    assert "READ_PARQUET" in plan


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize(
    ("url", "endpoint", "error"),
    [
        ("s3://no-such-bucket/x", "", NotFound),
        ("s3://rows/no-such-key", "", NotFound),
        ("s3://rows/no-such-folder/", "", NotFound),
        ("s3://rows/x", "http://127.0.0.1:9", Unavailable),
        ("s3://rows/x", "http://no.such.host.invalid", Unavailable),
    ],
)
def test_what_cannot_be_read_is_said_soon_and_without_secrets(
    server: Server, fmt: Format, url: str, endpoint: str, error: type[ProvenderError]
) -> None:
    started = monotonic()
    with pytest.raises(error) as caught:
        rows_of(asked(fmt, url, endpoint or server.url))
    assert monotonic() - started < 15
    assert url in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    assert SECRET not in told


@pytest.mark.parametrize("fmt", [Format.PARQUET, Format.ICEBERG, Format.ORC, Format.DELTA])
def test_a_key_that_the_storage_does_not_take_is_said(
    server: Server, fmt: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRANGER")
    with pytest.raises(Unavailable, match=r"credentials of the environment|cannot be reached"):
        rows_of(asked(fmt, "s3://rows/x", server))


def test_a_file_that_goes_away_is_said_without_secrets(server: Server, key: str) -> None:
    url = server.put(f"{key}/x.parquet", parquet(ROWS))
    files = (f"{url}.gone", url)
    table = Table(format=Format.PARQUET, location=url, files=files, endpoint=server.url)
    with pytest.raises(Unavailable, match="cannot be read any more") as caught:
        rows_of(table)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_sizes_are_known_without_reading_files(server: Server, key: str, tmp_path: Path) -> None:
    files = {name: parquet(ROWS.slice(0, rows)) for name, rows in (("a", 10), ("b/b", 999))}
    for name, content in files.items():
        server.put(f"{key}/flat/{name}.parquet", content)
    server.put(f"{key}/flat/notes.txt", b"no rows")
    flat = f"s3://{BUCKET}/{key}/flat"
    write_deltalake(tmp_path / "delta", ROWS)
    (data,) = (tmp_path / "delta").glob("*.parquet")
    delta = server.put_folder(tmp_path / "delta", f"{key}/delta")
    whole, one = sum(map(len, files.values())), len(files["a"])
    lake = Path("/nowhere")
    for fmt, url, expected in (
        (Format.PARQUET, flat, whole),
        (Format.PARQUET, f"{flat}/**/*.parquet", whole),
        (Format.PARQUET, f"{flat}/a.parquet", one),
        (Format.DELTA, delta, data.stat().st_size),
    ):
        table = asked(fmt, url, server)
        assert size_bytes([table, table], lake) == expected
    assert size_bytes([asked(Format.PARQUET, flat, server)] * 2, lake) == whole


def test_files_whose_columns_differ_are_read_by_name_or_refused(server: Server, key: str) -> None:
    server.put(f"{key}/a.parquet", parquet(pa.table({"a": pa.array([1], pa.int32())})))
    server.put(f"{key}/b.parquet", parquet(pa.table({"a": [2**40], "b": ["x"]})))
    table = asked(Format.PARQUET, f"s3://{BUCKET}/{key}", server)
    assert query(table, "SELECT a, b FROM rows ORDER BY a") == [(1, None), (2**40, "x")]
    server.put(f"{key}/c.parquet", parquet(pa.table({"a": [2.5]})))
    with pytest.raises(
        InvalidInput, match=r"column a is BIGINT in .*b.parquet, but DOUBLE in .*c.p"
    ):
        query(table, "SELECT a FROM rows")


@pytest.mark.parametrize(
    "url", ["https://user:secret@host/x.parquet", "https://host/x.parquet?X-Amz-Signature=secret"]
)
def test_secrets_in_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="query or a password") as caught:
        rows_of(asked(Format.PARQUET, url, ""))
    assert "secret" not in str(caught.value)


def test_the_package_that_is_missing_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "provender.tables.objectfiles", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(Unavailable, match="needs the package obstore") as caught:
        rows_of(asked(Format.PARQUET, "s3://rows/x", server))
    assert caught.value.hint == "pip install 'provender[object-storage]'"
