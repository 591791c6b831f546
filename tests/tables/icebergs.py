"""Iceberg tables as other tools leave them, with delete files that pyiceberg itself does not write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    SetSnapshotRefUpdate,
)
from pyiceberg.typedef import Record

POSITIONS = pa.schema(
    [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
    ]
)


@contextmanager
def catalog(folder: Path) -> Iterator[SqlCatalog]:
    """A catalog whose tables are below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = SqlCatalog("test", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    made.create_namespace_if_not_exists("n")
    try:
        yield made
    finally:
        made.close()


def create(made: SqlCatalog, folder: Path, rows: pa.Table, **properties: str) -> Table:
    """Return a new table at ``folder`` with ``rows``."""
    table = made.create_table(
        ("n", folder.name), rows.schema, location=f"file://{folder}", properties=properties
    )
    table.append(rows)
    return table


def data_files(table: Table) -> list[str]:
    return sorted(task.file.file_path for task in table.scan().plan_files())


def delete_rows(table: Table, file: str, positions: list[int]) -> None:
    """Commit what Spark does on DELETE in merge-on-read mode: a file of deleted positions.

    Source: the Iceberg table specification, "Position Delete Files".
    """
    path = Path(table.location().removeprefix("file://")) / "data" / f"deletes-{time_ns()}.parquet"
    rows = pa.table({"file_path": [file] * len(positions), "pos": positions}, POSITIONS)
    pq.write_table(rows, path)
    _commit(table, path, len(positions), content=DataFileContent.POSITION_DELETES)


def delete_values(table: Table, rows: pa.Table, field_id: int) -> None:
    """Commit what Flink does on DELETE: a file of values whose rows are deleted."""
    path = Path(table.location().removeprefix("file://")) / "data" / f"equal-{time_ns()}.parquet"
    pq.write_table(rows, path)
    _commit(
        table,
        path,
        rows.num_rows,
        content=DataFileContent.EQUALITY_DELETES,
        equality_ids=[field_id],
    )


class _DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _commit(table: Table, path: Path, rows: int, **said: Any) -> None:
    parent = table.current_snapshot()
    assert parent is not None
    snapshot_id, sequence = parent.snapshot_id + 1, parent.sequence_number + 1  # type: ignore[operator]
    file = DataFile.from_args(
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=rows,
        file_size_in_bytes=path.stat().st_size,
        spec_id=0,
        **said,
    )
    metadata = Path(table.location().removeprefix("file://")) / "metadata"
    output = table.io.new_output(f"file://{metadata}/deletes-{snapshot_id}.avro")
    with _DeletesWriter(table.spec(), table.schema(), output, snapshot_id, "deflate") as writer:
        writer.add_entry(
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=file
            )
        )
    listed = table.io.new_output(f"file://{metadata}/snap-{snapshot_id}.avro")
    with write_manifest_list(
        2, listed, snapshot_id, parent.snapshot_id, sequence, "deflate"
    ) as manifests:
        manifests.add_manifests([*parent.manifests(table.io), writer.to_manifest_file()])
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent.snapshot_id,
        sequence_number=sequence,
        timestamp_ms=max(time_ns() // 1_000_000, parent.timestamp_ms + 1),
        manifest_list=listed.location,
        summary=Summary(Operation.DELETE),
        schema_id=table.schema().schema_id,
    )
    table.catalog.commit_table(
        table,
        (AssertRefSnapshotId(ref="main", snapshot_id=parent.snapshot_id),),
        (
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=snapshot_id),
        ),
    )
    table.refresh()
