"""Plain Parquet files as one table whose rows have numbers, so that few of many can be fetched late.

Rows are numbered from 0 through all files, in their order. Footers are read once, here: how
many rows there are, how wide they are, and what their statistics rule out.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from provender.core.errors import Corrupt, NotFound
from provender.offline.picking import is_exact, picked
from provender.offline.stamps import Stamps

Integers = NDArray[np.int64]
Places = slice | Integers
WHOLE_GROUP_BYTES = 64 << 20
"""A row group that takes up to so much in memory is read at once; a larger one in batches of so much."""
BATCH_ROWS = 65_536
LEAST_ROWS = 1_024
SAMPLE_ROWS = 512
SLICE_BYTES = 16 << 20
"""About so much is fetched at a time."""
PICKED_FROM_ROWS = 1 << 20
PICKED_SHARE = 64
"""Of a file with so many rows, DuckDB picks what is wanted if that is one row of so many, or fewer."""
VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
ELSEWHERE = (
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
    duckdb.IOException,
    duckdb.BinderException,
    duckdb.ConnectionException,
)
"""Errors of DuckDB that are not of a file's bytes; of damage it has many, not all with a class."""
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
    stamps: Stamps
    widths: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, paths: Sequence[Path]) -> "Numbered | None":
        """Return the table of ``paths``; None where their columns differ or hide the numbers.

        Raises:
            Corrupt: a file is not Parquet, or broken; it is named.
        """
        footers, schemas, stamps = [], [], Stamps.of(paths)
        for path in paths:
            try:
                footer = pq.read_metadata(path)
                schemas.append(footer.schema.to_arrow_schema().remove_metadata())
            except FileNotFoundError as error:
                raise NotFound(f"{path} is gone", hint="check the path of the source") from error
            except pa.ArrowException as error:
                raise Corrupt(
                    f"{path} cannot be read as Parquet: {error}",
                    hint="write it again, or take it out of the source",
                ) from error
            footers.append(footer)
        alike = all(schema.equals(schemas[0]) for schema in schemas)
        hidden = OURS & {name.lower() for name in schemas[0].names} if schemas else OURS
        twice = bool(schemas) and len(set(schemas[0].names)) < len(schemas[0].names)
        if not alike or hidden or twice:
            return None
        return cls(tuple(paths), tuple(footers), schemas[0], stamps)

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
        for name in columns:
            if name not in self.widths:
                self.widths[name] = self._width(name)
        return sum(self.widths[name] for name in columns)

    def _width(self, column: str) -> float:
        try:
            return float(self.schema.field(column).type.bit_width) / 8
        except ValueError:
            return max(16.0, self._stored_width(column), self._sampled_width(column))

    def _sampled_width(self, column: str) -> float:
        """Bytes a row of a column in memory, by its first rows: a dictionary on disk tells too little."""
        group = next((group for group in self.groups if group.rows), None)
        if group is None:
            return 0.0
        path, footer = self.paths[group.file], self.footers[group.file]
        try:
            with pq.ParquetFile(path, metadata=footer, pre_buffer=False) as file:
                batches = file.iter_batches(
                    SAMPLE_ROWS, row_groups=[group.number], columns=[column]
                )
                first = next(batches).column(0)
            return float(first.cast(plain_type(first.type)).nbytes) / max(1, len(first))
        except (pa.ArrowException, OSError):
            return 0.0  # whoever needs the rows says what is wrong with them

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

    def null_count(self, column: str) -> int | None:
        """Return how many rows have null in ``column``, by statistics; None if they do not say."""
        total = 0
        for footer in self.footers:
            leaf = _leaf(footer, column)
            for number in range(footer.num_row_groups):
                found = (
                    footer.row_group(number).column(leaf).statistics if leaf is not None else None
                )
                if found is None or not found.has_null_count:
                    return None
                total += found.null_count
        return total

    def fetch(
        self,
        columns: Sequence[str],
        wanted: Integers,
        session: duckdb.DuckDBPyConnection | None = None,
    ) -> Iterator[tuple[Places, pa.Table]]:
        """Yield ``(at, rows)``: the rows numbered ``wanted[at]``, with ``columns``, until all were.

        ``wanted`` is sorted and may name a row more than once. Row groups that hold none are
        not read. Where few rows of a long file are wanted and ``session`` is given, DuckDB picks
        them: it leaves out pages too, and needed a fifth of the time of whole row groups for 2,000 of 17
        million sorted rows.

        Raises:
            Corrupt: a file is damaged; it is named.
            NotFound: a file is gone.
        """
        edges = np.searchsorted(wanted, self.offsets)
        for file, (begin, end) in enumerate(pairwise(edges.tolist())):
            if begin == end:
                continue
            with self._explained(file):
                yield from self._of_file(file, columns, wanted, begin, end, session)

    def _of_file(
        self,
        file: int,
        columns: Sequence[str],
        wanted: Integers,
        begin: int,
        end: int,
        session: duckdb.DuckDBPyConnection | None,
    ) -> Iterator[tuple[Places, pa.Table]]:
        self.stamps.check_one(file)
        rows = self.footers[file].num_rows
        is_sparse = rows >= PICKED_FROM_ROWS and (end - begin) * PICKED_SHARE <= rows
        if session is not None and is_sparse and self._has_exact(columns):
            places = wanted[begin:end] - self.offsets[file]
            types = pa.schema([self.schema.field(name) for name in columns])
            for at, found in picked(session, self.paths[file], columns, places):
                yield begin + at, found.cast(types)  # as Arrow reads the other files
            self.stamps.check_one(file)
            return
        width = self.width(columns)
        with pq.ParquetFile(self.paths[file], metadata=self.footers[file]) as opened:
            for group in self._groups_of[file]:
                ends = (group.first_row, group.first_row + group.rows)
                start, stop = begin + np.searchsorted(wanted[begin:end], ends)
                if start < stop:
                    yield from _of_group(opened, group, columns, wanted, start, stop, width)

    @cached_property
    def _groups_of(self) -> dict[int, list[Group]]:
        found: dict[int, list[Group]] = {file: [] for file in range(len(self.paths))}
        for group in self.groups:
            found[group.file].append(group)
        return found

    def _has_exact(self, columns: Sequence[str]) -> bool:
        return all(is_exact(self.schema.field(name).type) for name in columns)

    @contextmanager
    def _explained(self, file: int) -> Iterator[None]:
        """Say that a file is gone or damaged; what memory, disk or system lack is said elsewhere."""
        path = self.paths[file]
        try:
            yield
        except (pa.ArrowException, duckdb.Error, OSError) as error:
            if not path.exists():
                raise NotFound(
                    f"{path} is gone, though it was there when the retrieval began",
                    hint="do not remove files of a source while it is read; ask again",
                ) from error
            if not _is_damage(error):
                raise
            raise Corrupt(
                f"{path} cannot be read to its end: {error}",
                hint="write the file again, or restore it from a backup",
            ) from error


def _is_damage(error: Exception) -> bool:
    """Whether the bytes of a file are what is wrong. Arrow says so without an error number."""
    if isinstance(error, duckdb.Error):
        return not isinstance(error, ELSEWHERE) or "Failed to read file" in str(error)
    if isinstance(error, MemoryError):
        return False
    return not isinstance(error, OSError) or error.errno is None


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values without dictionary, run-end or view encoding."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kind.value_type
    return VIEWS.get(kind, kind)


def _of_group(
    file: pq.ParquetFile,
    group: Group,
    columns: Sequence[str],
    wanted: Integers,
    start: int,
    stop: int,
    width: float,
) -> Iterator[tuple[Places, pa.Table]]:
    """The wanted rows of one row group, a slice at a time: one row may be wanted very often."""
    step = max(LEAST_ROWS, int(SLICE_BYTES / max(1.0, width)))
    most = max(LEAST_ROWS, int(WHOLE_GROUP_BYTES / max(1.0, width)))
    if group.rows <= most:
        whole = file.read_row_group(group.number, columns=list(columns))
        yield from _taken(whole, columns, wanted, start, stop, group.first_row, step)
        return
    row = group.first_row
    rows = min(BATCH_ROWS, most)
    for batch in file.iter_batches(rows, row_groups=[group.number], columns=list(columns)):
        end = start + int(np.searchsorted(wanted[start:stop], row + batch.num_rows))
        part = pa.Table.from_batches([batch])
        yield from _taken(part, columns, wanted, start, end, row, step)
        start, row = end, row + batch.num_rows


def _taken(
    rows: pa.Table,
    columns: Sequence[str],
    wanted: Integers,
    start: int,
    stop: int,
    first: int,
    step: int,
) -> Iterator[tuple[Places, pa.Table]]:
    rows = rows.select(list(columns))
    viewed = [n for n, field in enumerate(rows.schema) if field.type in VIEWS]
    for number in viewed:  # Arrow cannot take from them
        field = rows.schema.field(number)
        plain = rows.column(number).cast(VIEWS[field.type])
        rows = rows.set_column(number, field.name, plain)
    for begin in range(start, stop, step):
        end = min(begin + step, stop)
        yield slice(begin, end), rows.take(pa.array(wanted[begin:end] - first))


def _may_hold(footer: pq.FileMetaData, number: int, column: str, at: tuple[Any, Any]) -> bool:
    index = _leaf(footer, column)
    if index is None:
        return True
    statistics = footer.row_group(number).column(index).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    try:  # what Python has no value for, such as an instant of the year 10000, rules nothing out
        low, high = (_comparable(value) for value in (statistics.min, statistics.max))
        least, greatest = (_comparable(value) for value in at)
        return bool(low <= greatest and high >= least)
    except (TypeError, ValueError, OverflowError):
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
