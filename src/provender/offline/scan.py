"""One table's rows as a stream, in the memory that the engine may use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import duckdb
import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.filters import Filter
from provender.core.policy import Permit
from provender.core.schema import Schema
from provender.core.shielding import WHOLE, Shield, refuse_computed, shield_of
from provender.core.training import Table
from provender.offline.answer import Answer, Progress
from provender.offline.deadline import interrupted_in_time
from provender.offline.masks import Key, no_key
from provender.offline.session import Limits, connect
from provender.offline.shield import kept, masked_answer
from provender.tables import format_for
from provender.tables.arrow import quote

BATCH_ROWS = 65_536


class Room(Protocol):
    """What an engine may use: the lake, DuckDB's memory limit (empty is its default), a place to spill."""

    @property
    def lake(self) -> Path: ...
    @property
    def memory_limit(self) -> str: ...
    @property
    def temp_directory(self) -> Path | None: ...
    @property
    def spill(self) -> Path: ...


@contextmanager
def bounded_session(room: Room, *, isolated: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own within ``room``; ``isolated`` sees no file, network or Python variable.

    Raises:
        Unavailable: the data cannot be read, or not within the limits.
        InvalidInput: a value cannot be read as the type it must have.
    """
    limits = Limits(memory_limit=room.memory_limit, threads=getattr(room, "threads", None))
    with connect(limits, room.spill) as session:
        if isolated:
            session.execute(
                "SET python_enable_replacements=false; SET enable_external_access=false"
            )
        yield session


def permitted(table: Table, columns: Sequence[str], permit: Permit, *, now: datetime) -> Shield:
    """Return what ``permit`` leaves of ``table``, of which ``columns`` come out.

    Raises:
        Denied: it is not for every one of them, or for computing only.
    """
    asked = table.columns(columns)
    permit.cover(asked, now=now, shielded=True)
    refuse_computed(permit, asked)
    if table.version is None:
        return WHOLE
    return shield_of(permit, table.version.dataset, table.schema or Schema(()))


def column_names(room: Room, table: Table) -> list[str]:
    """Return the columns of ``table``: as the catalog has them, else as its files do."""
    if table.schema is not None:
        return list(table.schema.names)
    with bounded_session(room) as session:
        return list(format_for(table.format).relation(table, room.lake, session).columns)


def scan(
    room: Room,
    table: Table,
    columns: Sequence[str],
    permit: Permit,
    *,
    now: datetime,
    key: Key = no_key,
) -> pa.RecordBatchReader:
    """Return what `scanned` does, as Arrow's reader."""
    return scanned(room, table, columns, permit, now=now, key=key).reader()


def scanned(
    room: Room,
    table: Table,
    columns: Sequence[str],
    permit: Permit,
    *,
    now: datetime,
    key: Key = no_key,
    progress: Progress | None = None,
) -> Answer:
    """Return ``columns`` of the rows of ``table`` that ``permit`` leaves as a stream; of none, a null per row.

    Raises:
        Denied: ``permit`` is not for every one of them, or for computing only.
        InvalidInput: the table has no such column.
        Unavailable: the deadline that ``progress`` is is over, now or while it is read.
    """
    shield = permitted(table, columns, permit, now=now)
    batches = _batches(room, table, columns, shield.rows, progress)
    first = next(batches)
    return masked_answer(Answer(first.schema, _again(first, batches)), shield.among(columns), key)


def _batches(
    room: Room,
    table: Table,
    columns: Sequence[str],
    rows: Filter | None,
    progress: Progress | None,
) -> Iterator[pa.RecordBatch]:
    """The rows in batches, of which the first has none but tells the schema."""
    listed = ", ".join(quote(name) for name in columns) or 'NULL::BOOLEAN AS "no column"'
    with bounded_session(room) as session, interrupted_in_time(session, progress):
        relation = format_for(table.format).relation(table, room.lake, session)
        missing = sorted(set(columns) - set(relation.columns))
        if missing:
            raise InvalidInput(
                f"there is no column {', '.join(missing)}; there are {', '.join(relation.columns)}",
                hint="check the names, or pin a version that has them",
            )
        found = kept(relation, rows).project(listed)
        reader = cast("pa.RecordBatchReader", found.to_arrow_reader(BATCH_ROWS))
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader


def _again(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
