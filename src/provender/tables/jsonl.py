"""JSON lines: one object per line. Instants are ISO 8601 text with their zone, decimals numbers.

Without a schema the types are those that hold every value of the files: they are looked at to
the end first. Text that reads as an instant, a date or a time everywhere is one.
"""

from pathlib import Path

import duckdb

from provender.core.datasets import Format
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables.arrow import arrow_schema, literal, quote
from provender.tables.keeping import check_kinds, keep_as
from provender.tables.parquet import Spool, Stored, read_parquet
from provender.tables.sources import Source, source_of, written

DIALECT = ", format='newline_delimited', records=true"
GUESSED = f"{DIALECT}, sample_size=-1, maximum_sample_files=2147483647, union_by_name=true"
ABSENT = frozenset({"binary"})
PLAINER = {"UUID": "VARCHAR", "HUGEINT": "DECIMAL(38,0)", '"NULL"': "VARCHAR", "JSON": "VARCHAR"}
"""What types are read as that a table of ours does not have."""


class JsonlFormat:
    """Reads and writes files of JSON lines, compressed by gzip or not."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Write the spooled rows as one file of JSON lines and keep it below ``location``.

        Raises:
            InvalidInput: a column or a value cannot be kept as JSON without loss.
        """
        check_kinds(Format.JSONL, rows.schema, ABSENT)
        return keep_as(
            Format.JSONL,
            rows,
            root,
            location,
            suffix=".jsonl",
            write=lambda connection, file: _copy(connection, rows, file),
            read=lambda c, file: _read(c, written(Format.JSONL, file), rows.schema),
        )

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table``, with the types of its schema if it has one.

        Raises:
            Corrupt: a file of a governed table is gone.
            NotFound: there are no files.
            InvalidInput: a line is not a JSON object.
            Unavailable: object storage cannot be reached.
        """
        source = source_of(table, root)
        if table.schema is not None:
            return _read(connection, source, table.schema)
        return _plainer(
            source.relation(connection, "read_json", options=GUESSED + source.compression)
        )

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return None: JSON lines are not Parquet."""
        return None


def _copy(connection: duckdb.DuckDBPyConnection, rows: Spool, file: Path) -> None:
    read_parquet(connection, [rows.file]).create_view("spool")
    try:
        connection.execute(f"COPY (FROM spool) TO {literal(str(file))} (FORMAT json)")
    except duckdb.IOException as error:
        raise OSError(str(error)) from error


def _read(
    connection: duckdb.DuckDBPyConnection, source: Source, schema: Schema
) -> duckdb.DuckDBPyRelation:
    target = connection.from_arrow(arrow_schema(schema).empty_table())
    pairs = (
        f"{literal(name)}: {literal(str(kind))}"
        for name, kind in zip(target.columns, target.types, strict=True)
    )
    options = f"{DIALECT}, columns={{{', '.join(pairs)}}}"
    return source.relation(connection, "read_json", options=options)


def _plainer(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    columns = zip(relation.columns, map(str, relation.types), strict=True)
    return relation.project(
        ", ".join(
            f"{quote(name)}::{PLAINER[kind]} AS {quote(name)}" if kind in PLAINER else quote(name)
            for name, kind in columns
        )
    )
