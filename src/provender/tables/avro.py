"""Avro object container files, read block by block: as many rows in memory as a block has.

A column that a query does not need is skipped. Rows pass through Python: other formats are
faster by far.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import avrotypes
from provender.tables.arrow import arrow_schema
from provender.tables.keeping import check_kinds, keep_as
from provender.tables.parquet import Spool, Stored
from provender.tables.scans import Scan, typed
from provender.tables.sources import Source, source_of, written

ABSENT = frozenset({"uint64"})
BLOCK_ROWS = 8_192
BLOCK_BYTES = 1 << 20


class AvroFormat:
    """Reads and writes Avro files."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Write the spooled rows as one Avro file and keep it below ``location``.

        Raises:
            InvalidInput: a column, its name or a value cannot be kept as Avro without loss.
        """
        check_kinds(Format.AVRO, rows.schema, ABSENT)
        schema = avrotypes.avro_schema(arrow_schema(rows.schema))
        return keep_as(
            Format.AVRO,
            rows,
            root,
            location,
            suffix=".avro",
            write=lambda connection, file: _write(rows, schema, file),
            read=lambda c, file: _read(c, written(Format.AVRO, file), rows.schema),
        )

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table``, with the types of its schema if it has one.

        Raises:
            Corrupt: a file of a governed table is gone.
            NotFound: there are no files.
            InvalidInput: they are not Avro, or hold what no column can: unions of several
                types, types that contain themselves.
            Unavailable: object storage cannot be reached.
        """
        return _read(connection, source_of(table, root), table.schema)

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return None: Avro is not Parquet."""
        return None


def _write(rows: Spool, schema: dict[str, Any], file: Path) -> None:
    with pq.ParquetFile(rows.file) as spool, file.open("wb") as handle:
        batches = spool.iter_batches(BLOCK_ROWS)
        records = (record for batch in batches for record in avrotypes.records_of(batch))
        fastavro.writer(
            handle,
            schema,
            records,
            codec="deflate",
            sync_interval=BLOCK_BYTES,
            sync_marker=_marker(rows),
        )


def _marker(rows: Spool) -> bytes:
    """Return the bytes between blocks: not random ones, so that equal rows are equal files."""
    return bytes.fromhex(rows.logical_digest.partition(":")[2])[:16]


def _read(
    connection: duckdb.DuckDBPyConnection, source: Source, schema: Schema | None
) -> duckdb.DuckDBPyRelation:
    with source.opened(source.files[0]) as first, _as_value_errors():
        written_as: Any = fastavro.block_reader(first).writer_schema
    kinds = avrotypes.arrow_schema_of(written_as, source.files[0])

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([kinds.field(name) for name in names])
        for file in source.files:
            yield from _batches(source, file, wanted)

    relation = connection.from_arrow(Scan(kinds, read))
    return relation if schema is None else typed(relation, schema, connection)


def _batches(source: Source, file: str, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    with source.opened(file) as handle, _as_value_errors():
        blocks = fastavro.block_reader(handle)
        found = avrotypes.arrow_schema_of(blocks.writer_schema, file)
        if any(
            name not in found.names or found.field(name) != wanted.field(name)
            for name in wanted.names
        ):
            raise InvalidInput(
                f"{file} has other columns than {source.files[0]}",
                hint="give each its own source, or write them with one schema",
            )
        for block in _projected(handle, blocks, wanted.names):
            records = list(block)
            for start in range(0, len(records), BLOCK_ROWS):
                yield avrotypes.batch_of(records[start : start + BLOCK_ROWS], wanted)


def _projected(handle: Any, blocks: Any, names: list[str]) -> Any:
    """Return the blocks of the file in ``handle`` read for the fields ``names`` alone, if it can be.

    It cannot where a field's type is defined in one that is left out.
    """
    schema = avrotypes.narrowed(blocks.writer_schema, names)
    if schema is None:
        return blocks
    handle.seek(0)
    return fastavro.block_reader(handle, reader_schema=schema)


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """Whatever fastavro stumbles over in a damaged file is one error."""
    try:
        yield
    except (LookupError, TypeError, ArithmeticError, struct.error, zlib.error) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
