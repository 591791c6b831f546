"""CSV as RFC 4180 writes it, such that reading gives back exactly what was published.

Text and binary are always in quotes, so that an empty field is a null and ``""`` is an empty
string; numbers are the shortest text that reads as the same number; instants carry their
zone. A version that nevertheless reads differently is refused when it is published.
"""

from pathlib import Path

import duckdb

from provender.core import typewords as words
from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables.arrow import literal, quote
from provender.tables.guard import check_lines
from provender.tables.keeping import keep_as
from provender.tables.parquet import Spool, Stored, read_parquet
from provender.tables.sources import Source, source_of, written

DUCK_TYPES = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamp_local": "TIMESTAMP",
}
NESTED = frozenset({"list", "map", "struct"})
DIALECT = """, auto_detect=false, header=true, delim=',', quote='"', escape='"', nullstr='', allow_quoted_nulls=false"""


class CsvFormat:
    """Reads and writes CSV files."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Write the spooled rows as one CSV file and keep it below ``location``.

        Raises:
            InvalidInput: a column or a value cannot be kept as CSV without loss.
        """
        _check_types(rows.schema)
        return keep_as(
            Format.CSV,
            rows,
            root,
            location,
            suffix=".csv",
            write=lambda connection, file: _copy(connection, rows, file),
            read=lambda connection, file: _read(connection, written(Format.CSV, file), rows.schema),
        )

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of exactly the files of ``table``, with the types of its schema.

        A table that no catalog governs is a file, a folder (all CSV files below it) or a
        pattern; without a schema DuckDB guesses the types.

        Raises:
            Corrupt: a file of a governed table is gone or changed.
            NotFound: there are no files.
        """
        source = source_of(table, root)
        if table.version is None or table.schema is None:
            options = source.compression
            options += f", types={_types(table.schema)}" if table.schema is not None else ""
            if source.endpoint is not None:
                options += ", parallel=false"  # with it, long lines are lost: see `check_lines`
            else:
                check_lines([Path(file) for file in source.files])
            return source.relation(connection, "read_csv", options=options)
        return _read(connection, source, table.schema)

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return None: CSV is not Parquet."""
        return None


def _copy(connection: duckdb.DuckDBPyConnection, rows: Spool, file: Path) -> None:
    quoted = [c.name for c in rows.schema.columns if c.type in ("string", "binary")]
    force = f", FORCE_QUOTE ({', '.join(map(quote, quoted))})" if quoted else ""
    read_parquet(connection, [rows.file]).create_view("spool")
    try:
        connection.execute(
            f"COPY (FROM spool) TO {literal(str(file))} (FORMAT csv, HEADER, DELIMITER ',', "
            f"""QUOTE '"', ESCAPE '"', NULLSTR ''{force})"""
        )
    except duckdb.IOException as error:
        raise OSError(str(error)) from error


def _check_types(schema: Schema) -> None:
    nested = [f"{c.name} ({c.type})" for c in schema.columns if words.parse(c.type).kind in NESTED]
    if nested:
        raise InvalidInput(
            f"CSV has no nested values: {', '.join(nested)}",
            hint="publish the dataset as parquet or delta",
        )


def _read(
    connection: duckdb.DuckDBPyConnection, source: Source, schema: Schema
) -> duckdb.DuckDBPyRelation:
    return source.relation(connection, "read_csv", options=f"{DIALECT}, columns={_types(schema)}")


def _types(schema: Schema) -> str:
    pairs = (
        f"{literal(column.name)}: {literal(DUCK_TYPES.get(column.type) or column.type.upper())}"
        for column in schema.columns
    )
    return f"{{{', '.join(pairs)}}}"
