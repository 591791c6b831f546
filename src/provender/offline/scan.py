"""One table's rows as a stream, in the memory that the engine may use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import duckdb
import pyarrow as pa

from provender.core.errors import InvalidInput, ProvenderError, Unavailable
from provender.core.policy import Permit
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.arrow import quote

BATCH_ROWS = 65_536
Config = dict[str, str | bool | int | float | list[str]]


class Limits(Protocol):
    """What an engine may use: DuckDB's own words; empty or None is its default."""

    @property
    def lake(self) -> Path: ...
    @property
    def memory_limit(self) -> str: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def temp_directory(self) -> Path | None: ...


@contextmanager
def bounded_session(limits: Limits, **config: str | bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own within ``limits``, in UTC; what DuckDB says goes out in our words.

    Raises:
        Unavailable: the data cannot be read, or not within the limits.
        InvalidInput: a value cannot be read as the type it must have.
    """
    options: Config = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    if limits.memory_limit:
        options["memory_limit"] = limits.memory_limit
    if limits.threads:
        options["threads"] = limits.threads
    if limits.temp_directory:
        options["temp_directory"] = str(limits.temp_directory)
    try:
        with duckdb.connect(":memory:", config=options | config) as session:
            session.execute("SET TimeZone='UTC'")
            yield session
    except ProvenderError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(
            f"the rows need more memory than may be used: {error}",
            hint="raise PROVENDER_MEMORY_LIMIT, or ask for fewer rows at once",
        ) from error
    except duckdb.ConversionException as error:
        raise InvalidInput(
            f"a value cannot be read as the type it must have: {error}",
            hint="event timestamps must be timestamps, dates, or ISO 8601 text",
        ) from error
    except duckdb.Error as error:
        raise Unavailable(
            f"DuckDB could not read the data: {error}",
            hint="check that the files are still there: provender dataset verify NAME",
        ) from error


def column_names(limits: Limits, table: Table) -> list[str]:
    """Return the columns of ``table``: as the catalog has them, else as its files do."""
    if table.schema is not None:
        return list(table.schema.names)
    with bounded_session(limits) as session:
        return list(format_for(table.format).relation(table, limits.lake, session).columns)


def scan(
    limits: Limits, table: Table, columns: Sequence[str], permit: Permit, *, now: datetime
) -> pa.RecordBatchReader:
    """Return ``columns`` of every row of ``table`` as a stream; of none, a null per row.

    Raises:
        Denied: ``permit`` is not for every one of them.
        InvalidInput: the table has no such column.
    """
    permit.cover(table.columns(columns), now=now)
    batches = _batches(limits, table, columns)
    first = next(batches)
    return pa.RecordBatchReader.from_batches(first.schema, _again(first, batches))


def _batches(limits: Limits, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows in batches, of which the first has none but tells the schema."""
    listed = ", ".join(quote(name) for name in columns) or 'NULL::BOOLEAN AS "no column"'
    with bounded_session(limits) as session:
        relation = format_for(table.format).relation(table, limits.lake, session)
        missing = sorted(set(columns) - set(relation.columns))
        if missing:
            raise InvalidInput(
                f"there is no column {', '.join(missing)}; there are {', '.join(relation.columns)}",
                hint="check the names, or pin a version that has them",
            )
        reader = cast("pa.RecordBatchReader", relation.project(listed).to_arrow_reader(BATCH_ROWS))
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader


def _again(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
