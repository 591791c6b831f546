import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from provender.core.datasets import Dataset, Format
from provender.core.errors import Corrupt, NotFound, Unavailable
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.session import session
from provender.tables.versions import verify_version, write_version

ROWS = pa.table({"a": list(range(10)), "b": ["x", "y"] * 5})


def read(place: Path, snapshot: str = "") -> list[dict[str, Any]]:
    """Rows of a Delta table that no catalog governs, read twice over as a join does."""
    table = Table(format=Format.DELTA, location=str(place), snapshot=snapshot)
    with session() as connection:
        relation = format_for(Format.DELTA).relation(table, Path("/nowhere"), connection)
        relation.create_view("rows")
        query = "SELECT l.* FROM rows l JOIN rows r USING (a) ORDER BY a"
        rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
        return rows


def test_a_plain_table_is_read_at_its_latest_snapshot_or_the_one_asked_for(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    write_deltalake(tmp_path / "t", ROWS.slice(0, 2), mode="overwrite")
    assert read(tmp_path / "t") == ROWS.slice(0, 2).to_pylist()
    assert read(tmp_path / "t", "0") == ROWS.to_pylist()


def test_partition_columns_are_read_though_no_file_has_them(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS, partition_by="b")
    assert read(tmp_path / "t") == ROWS.to_pylist()


def test_a_column_added_later_is_null_in_older_rows(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS.slice(0, 1))
    wider = ROWS.slice(1, 1).append_column("c", pa.array([5]))
    write_deltalake(tmp_path / "t", wider, mode="append", schema_mode="merge")
    assert [row["c"] for row in read(tmp_path / "t")] == [None, 5]


def test_mapped_columns_are_read_by_their_names_in_the_table(tmp_path: Path) -> None:
    write_deltalake(
        tmp_path / "t",
        ROWS,
        configuration={
            "delta.columnMapping.mode": "name",
            "delta.minReaderVersion": "2",
            "delta.minWriterVersion": "5",
        },
    )
    assert read(tmp_path / "t") == ROWS.to_pylist()


def test_deleted_rows_do_not_come_back(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS, configuration={"delta.enableDeletionVectors": "true"})
    assert read(tmp_path / "t") == ROWS.to_pylist()
    delete_by_vector(tmp_path / "t", [0, 3, 9])
    assert [row["a"] for row in read(tmp_path / "t")] == [1, 2, 4, 5, 6, 7, 8]
    assert read(tmp_path / "t", "0") == ROWS.to_pylist()


def delete_by_vector(place: Path, rows: list[int]) -> None:
    """Commit what Spark does on DELETE: the same file with an inline deletion vector.

    Source: the Delta protocol's sections on deletion vectors and the RoaringFormatSpec.
    """
    log = place / "_delta_log"
    first = [json.loads(line) for line in (log / f"{0:020}.json").read_text().splitlines()]
    add = next(action["add"] for action in first if "add" in action)
    values = struct.pack(f"<{len(rows)}H", *rows)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + values
    vector = struct.pack("<Iq", 1681511377, 1) + struct.pack("<I", 0) + bitmap
    vector += bytes(-len(vector) % 4)
    descriptor = {
        "storageType": "i",
        "pathOrInlineDv": z85(vector),
        "sizeInBytes": len(vector),
        "cardinality": len(rows),
    }
    remove = {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}
    actions = [{"remove": remove}, {"add": add | {"deletionVector": descriptor}}]
    (log / f"{1:020}.json").write_text("\n".join(json.dumps(action) for action in actions))


def z85(data: bytes) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(digits[word // 85**place % 85] for word in words for place in range(4, -1, -1))


def test_z85_is_the_one_of_its_specification() -> None:
    assert z85(bytes.fromhex("864FD26FB559F75B")) == "HelloWorld"
    assert len(base64.b85encode(bytes(8))) == len(z85(bytes(8)))


def test_a_place_without_a_table_or_without_that_snapshot_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Delta table at"):
        read(tmp_path / "none")
    write_deltalake(tmp_path / "t", ROWS)
    with pytest.raises(NotFound, match="no readable snapshot 7"):
        read(tmp_path / "t", "7")


def test_publishing_is_one_commit_and_the_same_rows_again_none(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    dataset = declare(Format.DELTA)
    manifests = [write_version(lake, dataset, weather(n)) for n in (3, 4, 3, 4, 5)]
    assert [manifest.native_snapshot for manifest in manifests] == ["0", "1", "0", "1", "2"]
    table = DeltaTable(lake / manifests[0].location)
    assert table.version() == 2
    assert table.to_pyarrow_table().num_rows == 5


def test_other_delta_readers_see_the_pinned_version(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    first = write_version(lake, declare(Format.DELTA), weather(3))
    write_version(lake, declare(Format.DELTA), weather(4))
    pinned = DeltaTable(lake / first.location, version=int(first.native_snapshot))
    assert pinned.to_pyarrow_table().to_pylist() == weather(3).to_pylist()


def test_a_vacuum_by_another_tool_keeps_pinned_versions(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    first = write_version(lake, declare(Format.DELTA), weather(3))
    write_version(lake, declare(Format.DELTA), weather(4))
    assert DeltaTable(lake / first.location).vacuum(dry_run=False) == []
    verify_version(lake, first)


def test_rows_found_again_are_looked_at_before_they_are_pinned(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    first = write_version(lake, declare(Format.DELTA), weather(3))
    (lake / first.location / first.files[0].path).unlink()
    again = write_version(lake, declare(Format.DELTA), weather(3))
    assert (first.native_snapshot, again.native_snapshot) == ("0", "1")
    verify_version(lake, again)


def test_a_broken_log_is_said_and_not_written_over(
    lake: Path, declare: Callable[..., Dataset], weather: Callable[..., pa.Table]
) -> None:
    manifest = write_version(lake, declare(Format.DELTA), weather(3))
    log = lake / manifest.location / "_delta_log" / f"{0:020}.json"
    log.write_text("{ not json")
    with pytest.raises(Corrupt, match="log of the Delta table"):
        write_version(lake, declare(Format.DELTA), weather(4))
    assert log.read_text() == "{ not json"


@pytest.mark.parametrize("name", ["a[1]", "a|b", "a%20b", "a^b"])
def test_a_lake_whose_path_deltalake_cannot_take_is_refused(
    tmp_path: Path,
    declare: Callable[..., Dataset],
    weather: Callable[..., pa.Table],
    name: str,
) -> None:
    with pytest.raises(Unavailable, match="its path has"):
        write_version(tmp_path / name, declare(Format.DELTA), weather())
