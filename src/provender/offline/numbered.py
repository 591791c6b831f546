"""Plain Parquet files as one table whose rows have numbers, so that few of many can be fetched late.

Rows are numbered from 0 through all files, in their order. Footers are read once, here: how
many rows there are, how wide they are, and what their statistics rule out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from provender.core.errors import Corrupt, NotFound

Integers = NDArray[np.int64]
WHOLE_GROUP_BYTES = 64 << 20
"""A row group up to this size is read at once; a larger one in batches."""
BATCH_ROWS = 65_536
OURS = frozenset({"file_index", "file_row_number", "filename"})
"""What DuckDB calls a row's file and place; a column of that name would hide them."""


@dataclass(frozen=True, slots=True)
class Group:
    """One row group: where it is, and which rows it holds."""

    file: int
    number: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class Numbered:
    """Plain Parquet files with equal columns."""

    paths: tuple[Path, ...]
    footers: tuple[pq.FileMetaData, ...]
    schema: pa.Schema

    @classmethod
    def open(cls, paths: Sequence[Path]) -> "Numbered | None":
        """Return the table of ``paths``; None where their columns differ or hide the numbers.

        Raises:
            Corrupt: a file is not Parquet, or broken; it is named.
        """
        footers, schemas = [], []
        for path in paths:
            try:
                footer = pq.read_metadata(path)
                schemas.append(footer.schema.to_arrow_schema().remove_metadata())
            except pa.ArrowException as error:
                raise Corrupt(
                    f"{path} cannot be read as Parquet: {error}",
                    hint="write it again, or take it out of the source",
                ) from error
            footers.append(footer)
        alike = all(schema.equals(schemas[0]) for schema in schemas)
        hidden = OURS & {name.lower() for name in schemas[0].names} if schemas else OURS
        return cls(tuple(paths), tuple(footers), schemas[0]) if alike and not hidden else None

    @cached_property
    def offsets(self) -> Integers:
        """The number of each file's first row, and of the row after the last."""
        return np.cumsum([0, *(footer.num_rows for footer in self.footers)], dtype=np.int64)

    @property
    def row_count(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All row groups, in the order of their rows."""
        found, row = [], 0
        for file, footer in enumerate(self.footers):
            for number in range(footer.num_row_groups):
                rows = footer.row_group(number).num_rows
                found.append(Group(file, number, row, rows))
                row += rows
        return tuple(found)

    def number(self, file_index: Integers, row_in_file: Integers) -> Integers:
        """Return the numbers of rows that DuckDB names by file and place in it."""
        return row_in_file if len(self.paths) == 1 else self.offsets[file_index] + row_in_file

    def width(self, columns: Sequence[str]) -> float:
        """Return the bytes that ``columns`` take a row in memory, by their types and the footers."""
        fixed = 0.0
        for name in columns:
            kind = self.schema.field(name).type
            try:
                fixed += float(kind.bit_width) / 8
            except ValueError:
                fixed += max(24.0, 1.5 * self._stored_width(name))
        return fixed

    def _stored_width(self, column: str) -> float:
        """Bytes a row of a column of any depth, before compression."""
        total = 0
        for footer in self.footers:
            paths = [footer.schema.column(n).path for n in range(len(footer.schema))]
            inside = [n for n, path in enumerate(paths) if path.split(".")[0] == column]
            for number in range(min(footer.num_row_groups, 8)):
                group = footer.row_group(number)
                total += sum(group.column(n).total_uncompressed_size for n in inside)
        seen = sum(
            footer.row_group(number).num_rows
            for footer in self.footers
            for number in range(min(footer.num_row_groups, 8))
        )
        width: float = total / max(seen, 1)
        return width

    def rows_within(self, bounds: dict[str, tuple[Any, Any]]) -> int:
        """Return how many rows are in row groups whose statistics do not rule ``bounds`` out.

        ``bounds`` are the least and greatest value that matters of a column.
        """
        within = 0
        for group in self.groups:
            footer = self.footers[group.file]
            if all(_may_hold(footer, group.number, name, at) for name, at in bounds.items()):
                within += group.rows
        return within

    def fetch(
        self, columns: Sequence[str], wanted: Integers
    ) -> Iterator[tuple[int, int, pa.RecordBatch | pa.Table]]:
        """Yield ``(start, stop, rows)``: the rows numbered ``wanted[start:stop]``, with ``columns``.

        ``wanted`` is sorted and may name a row more than once. Row groups that hold none are
        not read.

        Raises:
            Corrupt: a file is damaged; it is named.
            NotFound: a file is gone.
        """
        starts = np.array([group.first_row for group in self.groups], np.int64)
        edges = np.append(np.searchsorted(wanted, starts), wanted.size)
        opened: tuple[int, pq.ParquetFile] | None = None
        try:
            for group, start, stop in zip(self.groups, edges[:-1], edges[1:], strict=True):
                if start == stop:
                    continue
                if opened is None or opened[0] != group.file:
                    if opened:
                        opened[1].close()
                    path, footer = self.paths[group.file], self.footers[group.file]
                    opened = group.file, pq.ParquetFile(path, metadata=footer)
                yield from _of_group(opened[1], group, columns, wanted, int(start), int(stop))
        except FileNotFoundError as error:
            raise NotFound(
                f"{self.paths[group.file]} is gone, though it was there when the retrieval began",
                hint="do not remove files of a source while it is read; ask again",
            ) from error
        except (pa.ArrowException, OSError) as error:
            raise Corrupt(
                f"{self.paths[group.file]} cannot be read to its end: {error}",
                hint="write the file again, or restore it from a backup",
            ) from error
        finally:
            if opened:
                opened[1].close()


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values without dictionary or run-end encoding."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kind.value_type
    return kind


def _of_group(
    file: pq.ParquetFile,
    group: Group,
    columns: Sequence[str],
    wanted: Integers,
    start: int,
    stop: int,
) -> Iterator[tuple[int, int, pa.RecordBatch | pa.Table]]:
    footer = file.metadata.row_group(group.number)
    if footer.total_byte_size <= WHOLE_GROUP_BYTES:
        table = file.read_row_group(group.number, columns=list(columns)).select(list(columns))
        yield start, stop, table.take(pa.array(wanted[start:stop] - group.first_row))
        return
    row = group.first_row
    batches = file.iter_batches(BATCH_ROWS, row_groups=[group.number], columns=list(columns))
    for batch in batches:
        end = start + int(np.searchsorted(wanted[start:stop], row + batch.num_rows))
        if end > start:
            taken = batch.select(list(columns)).take(pa.array(wanted[start:end] - row))
            yield start, end, taken
        start, row = end, row + batch.num_rows


def _may_hold(footer: pq.FileMetaData, number: int, column: str, at: tuple[Any, Any]) -> bool:
    index = _leaf(footer, column)
    if index is None:
        return True
    statistics = footer.row_group(number).column(index).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    low, high = (_comparable(value) for value in (statistics.min, statistics.max))
    least, greatest = (_comparable(value) for value in at)
    try:
        return bool(low <= greatest and high >= least)
    except TypeError:
        return True


def _leaf(footer: pq.FileMetaData, column: str) -> int | None:
    for number in range(len(footer.schema)):
        if footer.schema.column(number).path == column:
            return number
    return None


def _comparable(value: Any) -> Any:
    """Instants without a zone are in UTC; days are their first instant."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
