"""Arrow IPC: its file format (also called Feather), and its stream format."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from provender.tables.arrow import arrow_schema
from provender.tables.keeping import keep_as
from provender.tables.parquet import ROW_GROUP_ROWS, Spool, Stored
from provender.tables.scans import Scan
from provender.tables.sources import Source, source_of, written

FILE_MARK = b"ARROW1"


class ArrowFormat:
    """Reads and writes Arrow IPC files; reads streams, too."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Write the spooled rows as one IPC file and keep it below ``location``."""
        return keep_as(
            Format.ARROW,
            rows,
            root,
            location,
            suffix=".arrow",
            write=lambda connection, file: _write(rows, file),
            read=lambda connection, file: _read(connection, written(Format.ARROW, file)),
        )

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table``; only the columns that a query needs are read of files.

        Raises:
            Corrupt: a file of a governed table is gone.
            NotFound: there are no files.
            InvalidInput: they are not Arrow IPC, or have different columns.
            Unavailable: object storage cannot be reached.
        """
        return _read(connection, source_of(table, root))

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return None: Arrow IPC is not Parquet."""
        return None


def _write(rows: Spool, file: Path) -> None:
    target = arrow_schema(rows.schema)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pq.ParquetFile(rows.file) as spool,
        pa.ipc.new_file(file, target, options=options) as writer,
    ):
        for batch in spool.iter_batches(ROW_GROUP_ROWS):
            writer.write_batch(batch.cast(target))


def _read(connection: duckdb.DuckDBPyConnection, source: Source) -> duckdb.DuckDBPyRelation:
    with source.opened(source.files[0]) as first:
        is_file = first.read(len(FILE_MARK)) == FILE_MARK
    with source.explained():
        if is_file:
            filesystem, paths = source.arrow()
            return connection.from_arrow(pads.dataset(paths, format="ipc", filesystem=filesystem))
        return connection.from_arrow(_streams(source))


def _streams(source: Source) -> Scan:
    with source.opened(source.files[0]) as first, pa.ipc.open_stream(first) as reader:
        schema: pa.Schema = reader.schema

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        for file in source.files:
            with source.opened(file) as handle, pa.ipc.open_stream(handle) as reader:
                if not reader.schema.equals(schema):
                    raise InvalidInput(
                        f"{file} has other columns than {source.files[0]}",
                        hint="give each its own source, or write them with one schema",
                    )
                for batch in reader:
                    yield batch.select(names)

    return Scan(schema, read)
