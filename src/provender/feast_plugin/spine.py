"""Spines in every form Feast takes them (data frame, SQL), as Arrow with an event timestamp in UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.feast_plugin.errors import NoEventTimestamp

EVENT_TIMESTAMP = "event_timestamp"
SQL_HINT = (
    "it is one query of DuckDB's SQL, without files and tables, such as "
    "SELECT * FROM (VALUES …) AS spine(driver_id, event_timestamp)"
)
ISOLATED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


@dataclass(frozen=True, slots=True)
class Spine:
    """The rows to be answered: one per entity and instant, in the caller's order and types."""

    rows: pa.Table
    event_timestamp: str

    @property
    def range(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and latest event timestamp; None where there is none."""
        column = self.rows.column(self.event_timestamp).cast(pa.timestamp("us", "UTC"), safe=False)
        bounds = pc.min_max(column)
        return bounds["min"].as_py(), bounds["max"].as_py()


def read_spine(entity_df: Any) -> Spine:
    """Return the spine that Feast's ``entity_df`` is: a data frame, SQL for DuckDB, or Arrow.

    The event timestamp becomes an instant in UTC: text is parsed, a time without a zone is
    UTC already. Every other column stays as it is.

    Raises:
        InvalidInput: there is none, it is something else, or a column cannot be read.
    """
    rows = _rows(entity_df)
    name = _event_timestamp(rows)
    at = _instants(rows.column(name), name)
    return Spine(rows.set_column(rows.column_names.index(name), name, at), name)


def _rows(entity_df: Any) -> pa.Table:
    match entity_df:
        case pa.Table():
            return entity_df
        case pd.DataFrame():
            return _from_pandas(entity_df)
        case str():
            return _from_sql(entity_df)
        case None:
            raise InvalidInput(
                "retrieval by start_date and end_date, without an entity_df, is not supported yet",
                hint="give an entity_df with one row per entity and instant to be known",
            )
    raise InvalidInput(
        f"a spine cannot be a {type(entity_df).__name__}",
        hint="give a pandas data frame, an Arrow table, or SQL",
    )


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    unnamed = [str(name) for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise InvalidInput(
            f"the spine has columns whose names are not text: {', '.join(unnamed)}",
            hint="rename them",
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidInput(
            f"the spine cannot be read: {'; '.join(str(part) for part in error.args)}",
            hint="give every column values of one type",
        ) from error


def _from_sql(query: str) -> pa.Table:
    """Run ``query`` in a DuckDB that sees no file, no network and no Python variable."""
    try:
        with duckdb.connect(":memory:", config=ISOLATED) as session:
            session.execute("SET TimeZone='UTC'; SET lock_configuration=true")
            relation = session.sql(query)
            if relation is None:
                raise InvalidInput("the spine's SQL gives no rows", hint=SQL_HINT)
            return relation.to_arrow_table()
    except duckdb.Error as error:
        raise InvalidInput(f"the spine's SQL cannot be run: {error}", hint=SQL_HINT) from error


def _event_timestamp(rows: pa.Table) -> str:
    if EVENT_TIMESTAMP in rows.column_names:
        return EVENT_TIMESTAMP
    instants = [field.name for field in rows.schema if pa.types.is_timestamp(field.type)]
    if len(instants) != 1:
        raise NoEventTimestamp(rows.column_names)
    return str(instants[0])


def _instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return pc.assume_timezone(column, "UTC")
        return column.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_date(kind):
        return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return _parsed(column, name)
    raise InvalidInput(
        f"the spine's event timestamp {name!r} is {kind}, not a timestamp",
        hint="make it a timestamp; one without a zone is taken as UTC",
    )


def _parsed(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    try:
        instants = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"the spine's event timestamp {name!r} holds text that is not an instant: {error}",
            hint="write ISO 8601, such as 2013-07-04T12:00:00+00:00",
        ) from error
    parsed = pa.Array.from_pandas(instants, type=pa.timestamp("us", "UTC"), safe=False)
    return pa.chunked_array([parsed])
