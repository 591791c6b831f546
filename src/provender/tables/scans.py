"""Rows that a library yields in order, as a dataset that DuckDB can scan as often as it likes."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from provender.core.schema import Schema
from provender.tables.arrow import arrow_schema, quote

Read = Callable[[list[str]], Iterator[pa.RecordBatch]]
"""Yields batches with just the columns that are named, in that order, from the first row on."""


class Scan(pads.Dataset):  # type: ignore[misc]
    """Reads anew for each scan: only the columns that it needs, and never all rows at once."""

    def __init__(self, schema: pa.Schema, read: Read) -> None:
        self._columns = schema
        self._read = read

    @property
    def schema(self) -> pa.Schema:
        return self._columns

    def scanner(
        self,
        columns: list[str] | None = None,
        filter: pads.Expression | None = None,  # noqa: A002 - Arrow's name
        **_: Any,
    ) -> pads.Scanner:
        """Return what DuckDB scans: ``columns`` of the rows that pass ``filter``."""
        wanted = list(columns) if columns else self._columns.names
        asked = "" if filter is None else str(filter)
        names = [n for n in self._columns.names if n in wanted or n in asked]
        schema = pa.schema([self._columns.field(name) for name in names])
        reader = pa.RecordBatchReader.from_batches(schema, self._read(names))
        return pads.Scanner.from_batches(reader, columns=wanted, filter=filter)


def typed(
    relation: duckdb.DuckDBPyRelation, schema: Schema, connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """Return ``relation`` with the types of ``schema``, column by column by their names."""
    target = connection.from_arrow(arrow_schema(schema).empty_table())
    found = dict(zip(relation.columns, map(str, relation.types), strict=True))
    casts = (
        quote(name) if found.get(name) == str(kind) else f"{quote(name)}::{kind} AS {quote(name)}"
        for name, kind in zip(target.columns, target.types, strict=True)
    )
    return relation.project(", ".join(casts))
