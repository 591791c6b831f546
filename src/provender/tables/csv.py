"""CSV as RFC 4180 writes it, such that reading gives back exactly what was published.

Text and binary are always in quotes, so that an empty field is a null and ``""`` is an empty
string; numbers are the shortest text that reads as the same number; instants carry their
zone. A version that nevertheless reads differently is refused when it is published.
"""

from pathlib import Path

import duckdb

from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import storage, words
from provender.tables.arrow import literal, quote
from provender.tables.parquet import (
    PART,
    Spool,
    Stored,
    escape,
    folder_name,
    read_parquet,
    read_place,
    ungoverned,
)
from provender.tables.rows import inspect
from provender.tables.session import session

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
        place = folder_name(location, "csv", rows.logical_digest)
        folder = rows.folder.parent / "csv"
        folder.mkdir()
        file = folder / f"{PART}.csv"
        with session() as connection:
            _copy(connection, rows, file)
            _check_same(connection, rows, file)
        return Stored(location=place, files=storage.keep(folder, root, place))

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
        if table.version is None or table.schema is None:
            types = f", types={_types(table.schema)}" if table.schema is not None else ""
            return read_place(connection, "read_csv", ungoverned(table, ".csv"), options=types)
        files = storage.verified_files(root, table)
        return _read(connection, files, table.schema)

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


def _check_same(connection: duckdb.DuckDBPyConnection, rows: Spool, file: Path) -> None:
    """Read ``file`` as readers will, and compare."""
    why = "it reads differently"
    try:
        relation = _read(connection, [file], rows.schema)
        if inspect(relation, rows.schema, connection).logical_digest == rows.logical_digest:
            return
    except (duckdb.Error, InvalidInput) as error:
        why = str(error)
    raise InvalidInput(
        f"these rows cannot be kept as CSV without loss: {why}",
        hint="publish the dataset as parquet or delta",
    )


def _check_types(schema: Schema) -> None:
    nested = [f"{c.name} ({c.type})" for c in schema.columns if words.parse(c.type).kind in NESTED]
    if nested:
        raise InvalidInput(
            f"CSV has no nested values: {', '.join(nested)}",
            hint="publish the dataset as parquet or delta",
        )


def _read(
    connection: duckdb.DuckDBPyConnection, files: list[Path], schema: Schema
) -> duckdb.DuckDBPyRelation:
    options = f"{DIALECT}, columns={_types(schema)}, hive_partitioning=false"
    return read_place(connection, "read_csv", [escape(file) for file in files], options=options)


def _types(schema: Schema) -> str:
    pairs = (
        f"{literal(column.name)}: {literal(DUCK_TYPES.get(column.type) or column.type.upper())}"
        for column in schema.columns
    )
    return f"{{{', '.join(pairs)}}}"
