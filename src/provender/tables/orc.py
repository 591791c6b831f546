"""ORC, read and written by Arrow. Only the columns that a query needs are read."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from pyarrow import orc

from provender.core.datasets import Format
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables.arrow import arrow_schema
from provender.tables.keeping import check_kinds, keep_as
from provender.tables.parquet import ROW_GROUP_ROWS, Spool, Stored
from provender.tables.scans import typed
from provender.tables.sources import Source, source_of, written

ABSENT = frozenset({"uint8", "uint16", "uint32", "uint64", "time"})


class OrcFormat:
    """Reads and writes ORC files."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Write the spooled rows as one ORC file and keep it below ``location``.

        Raises:
            InvalidInput: a column or a value cannot be kept as ORC without loss.
        """
        check_kinds(Format.ORC, rows.schema, ABSENT)
        return keep_as(
            Format.ORC,
            rows,
            root,
            location,
            suffix=".orc",
            write=lambda connection, file: _write(rows, file),
            read=lambda c, file: _read(c, written(Format.ORC, file), rows.schema),
        )

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table``, with the types of its schema if it has one.

        Raises:
            Corrupt: a file of a governed table is gone.
            NotFound: there are no files.
            InvalidInput: they are not ORC.
            Unavailable: object storage cannot be reached.
        """
        return _read(connection, source_of(table, root), table.schema)

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return None: ORC is not Parquet."""
        return None


def _write(rows: Spool, file: Path) -> None:
    target = arrow_schema(rows.schema)
    with pq.ParquetFile(rows.file) as spool, orc.ORCWriter(file, compression="zstd") as writer:
        for batch in spool.iter_batches(ROW_GROUP_ROWS):
            writer.write(pa.Table.from_batches([batch.cast(target)]))


def _read(
    connection: duckdb.DuckDBPyConnection, source: Source, schema: Schema | None
) -> duckdb.DuckDBPyRelation:
    filesystem, paths = source.arrow()
    with source.explained():
        dataset = pads.dataset(paths, format="orc", filesystem=filesystem)
        relation = connection.from_arrow(dataset)
        return relation if schema is None else typed(relation, schema, connection)
