"""Parquet: a version is a folder of its own, named after its rows, never written again."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol, runtime_checkable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import FileEntry
from provender.core.digest import short
from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import storage
from provender.tables.arrow import literal, to_stored
from provender.tables.places import is_remote
from provender.tables.sources import escape, source_of

ROW_GROUP_ROWS = 122_880
"""What one DuckDB thread takes at a time; smaller groups cost, larger ones idle threads."""
ROW_GROUP_BYTES = 64 << 20
"""What a row group takes in memory, at most; a single row may take more."""
PART = "part-00000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """Rows to publish, already in their stored form: one Parquet file alone in a staging folder."""

    folder: Path
    schema: Schema
    logical_digest: str

    @property
    def file(self) -> Path:
        return self.folder / f"{PART}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a format put the rows; see `core.datasets.Manifest` for the fields."""

    location: str
    files: tuple[FileEntry, ...]
    native_snapshot: str = ""


@runtime_checkable
class Appending(Protocol):
    """A format that adds rows to a table without writing the others again."""

    def append(self, added: Spool, root: Path, location: str, before: Table) -> Stored:
        """Keep the rows of ``before`` and those ``added`` as a version.

        ``added`` holds the new rows alone, but the logical digest of all.
        """
        ...


@runtime_checkable
class Tabular(Protocol):
    """A format that keeps many versions in one table."""

    def write_apart(self, rows: Spool, root: Path, location: str) -> Stored:
        """Keep the spooled rows in a table of their own below ``location``."""
        ...


class ParquetFormat:
    """Reads and writes folders of Parquet files."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Keep the spooled file itself as the version below ``location``."""
        place = folder_name(location, "parquet", rows.logical_digest)
        return Stored(location=place, files=storage.keep(rows.folder, root, place))

    def append(self, added: Spool, root: Path, location: str, before: Table) -> Stored:
        """Keep the files of ``before``, by hard links where that can be, and one more.

        Raises:
            Corrupt: a file of ``before`` is gone or changed.
        """
        place = folder_name(location, "parquet", added.logical_digest)
        folder = added.folder.with_name("rows")
        folder.mkdir()
        there = storage.verified_files(root, before)
        linked = {}
        for path, expected in zip(there, before.entries, strict=True):
            (folder / expected.path).parent.mkdir(parents=True, exist_ok=True)
            if storage.link(path, folder / expected.path):
                linked[expected.path] = expected
        storage.remember(root, before.location, linked.values())
        added.file.rename(folder / _next_part(before.files))
        return Stored(location=place, files=storage.keep(folder, root, place, linked))

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of exactly the files of ``table``.

        Raises:
            Corrupt: a file of a governed table is gone or changed.
            NotFound: there are no files.
            InvalidInput: they are not Parquet.
            Unavailable: object storage cannot be reached.
        """
        return source_of(table, root).relation(connection, "read_parquet")

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return the files of ``table``, where rows are in them alone; see `TableFormat`."""
        if is_remote(table.location):
            return None
        source = source_of(table, root)
        return None if source.keys else [Path(file) for file in source.files]


def _next_part(names: Collection[str]) -> str:
    """Return a name for a file beside those with ``names``."""
    free = (f"part-{number:05}.parquet" for number in count(len(names)))
    return next(name for name in free if name not in names)


def folder_name(location: str, kind: str, logical_digest: str) -> str:
    """Return the place of the version with these rows: equal rows, one place."""
    return f"{location}/{kind}-{short(logical_digest, length=24)}"


def read_parquet(
    connection: duckdb.DuckDBPyConnection, files: Iterable[Path], *, options: str = ""
) -> duckdb.DuckDBPyRelation:
    """Return the rows of ``files``; nothing is guessed from their paths."""
    listed = ", ".join(literal(escape(path)) for path in files)
    return connection.sql(
        f"SELECT * FROM read_parquet([{listed}], hive_partitioning=false{options})"
    )


def write_parquet(batches: Iterable[pa.RecordBatch], target: pa.Schema, file: Path) -> None:
    """Write ``batches``, brought to the schema ``target``, to ``file`` in constant memory.

    Raises:
        InvalidInput: a value does not fit ``target``, or is null where none may be.
    """
    with parquet_writer(file, target) as writer:
        for group in row_groups(_stored(batches, target), target):
            writer.write_table(group, ROW_GROUP_ROWS)


def parquet_writer(file: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return what writes a Parquet file of ours.

    Floats get no minimum and maximum: these leave NaN out, and DuckDB 2.0 then takes a
    comparison with NaN to be false without looking at the values. Nor do floats and instants get a
    dictionary: it is given up after a megabyte of values that are all different, and until then
    takes a quarter of the time of writing and a fifth more bytes (``docs/explanation/versions.md``).

    Raises:
        InvalidInput: Parquet, or Arrow for it, has no type for a column.
    """
    told = [field.name for field in schema if not pa.types.is_floating(field.type)]
    listed = [name for name in told if not pa.types.is_temporal(schema.field(name).type)]
    is_flat = not any(pa.types.is_nested(field.type) for field in schema)
    try:
        return pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            write_statistics=told,
            use_dictionary=listed if is_flat else True,
        )
    except (
        pa.ArrowNotImplementedError
    ) as error:  # what Arrow says of types, and of nothing else here
        raise _no_type(schema, error) from error


def _no_type(schema: pa.Schema, error: Exception) -> InvalidInput:
    """Return which columns of ``schema`` make it one that is not written."""
    refused = [f"{field.name} ({field.type})" for field in schema if not _is_written(field)]
    return InvalidInput(
        f"Parquet has no such type: {', '.join(refused) or error}",
        hint="cast the column to another type, or leave it out",
    )


def _is_written(field: pa.Field) -> bool:
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
    except pa.ArrowNotImplementedError:  # Arrow has no list of what it writes: it is tried
        return False
    return True


def row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of ``batches`` in row groups that are full; the last may be short.

    One is full with `ROW_GROUP_ROWS` rows, or with about `ROW_GROUP_BYTES` of them: however wide
    rows are, who holds a few groups knows what that takes.
    """
    group: list[pa.RecordBatch] = []
    rows, size = 0, 0.0
    for batch in batches:
        row_bytes = batch.nbytes / max(batch.num_rows, 1)
        start = 0
        while start < batch.num_rows:
            room = min(ROW_GROUP_ROWS - rows, int((ROW_GROUP_BYTES - size) / max(row_bytes, 1)))
            if group and room < 1:
                yield pa.Table.from_batches(group, schema)
                group, rows, size = [], 0, 0.0
                continue
            piece = batch.slice(start, max(room, 1))
            group.append(piece)
            start += piece.num_rows
            rows += piece.num_rows
            size += piece.num_rows * row_bytes
    if group:
        yield pa.Table.from_batches(group, schema)


def _stored(batches: Iterable[pa.RecordBatch], target: pa.Schema) -> Iterator[pa.RecordBatch]:
    position = 0
    for batch in batches:
        yield _without_nulls(to_stored(batch, target), position)
        position += batch.num_rows


def _without_nulls(batch: pa.RecordBatch, position: int) -> pa.RecordBatch:
    """Return ``batch``, whose first row is row ``position`` of all, if its nulls are allowed."""
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if not field.nullable and array.null_count:
            row = position + array.is_null().to_pylist().index(True)
            raise InvalidInput(
                f"column {field.name!r} may not be null, but is in row {row} (counted from 0)",
                hint="drop the rows without it, or fill in the values; "
                "an event timestamp is never null",
            )
    return batch
