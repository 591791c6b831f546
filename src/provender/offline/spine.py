"""The spine: the rows to be answered, in memory or in Parquet files that memory need not hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provender.offline.stamps import Stamps

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Spine:
    """Rows to be answered, in the caller's order: an Arrow table, or Parquet files one after the other."""

    source: pa.Table | tuple[Path, ...]
    _stamps: Stamps = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        files = () if isinstance(self.source, pa.Table) else self.source
        object.__setattr__(self, "_stamps", Stamps.of(files))

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns; files have the schema of the first."""
        if isinstance(self.source, pa.Table):
            return self.source.schema
        return pq.read_schema(self.source[0])

    @property
    def column_names(self) -> list[str]:
        return list(self.schema.names)

    @cached_property
    def row_count(self) -> int:
        if isinstance(self.source, pa.Table):
            return int(self.source.num_rows)
        return sum(pq.read_metadata(file).num_rows for file in self.source)

    def batches(
        self, columns: Sequence[str] | None = None, *, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield ``columns`` (default: all) in order, at most ``rows`` at a time, from the start each time.

        Raises:
            NotFound, Conflict: a file is gone, or is not the one that it was when the spine was made.
        """
        names = self.column_names if columns is None else list(columns)
        if isinstance(self.source, pa.Table):
            yield from self.source.select(names).to_batches(max_chunksize=rows)
            return
        for number, path in enumerate(self.source):
            self._stamps.check_one(number)
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(rows, columns=names):
                    yield batch.select(names)
            self._stamps.check_one(number)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return ``columns`` (default: all) in memory."""
        if isinstance(self.source, pa.Table):
            return self.source if columns is None else self.source.select(list(columns))
        names = self.column_names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches(self.batches(names), schema)

    def chunks(self, columns: Sequence[str], rows: int) -> Iterator[tuple[int, pa.Table]]:
        """Yield ``columns`` in stretches of ``rows``, each with the number of its first row."""
        if isinstance(self.source, pa.Table):
            narrow = self.source.select(list(columns))
            for start in range(0, narrow.num_rows, rows):
                yield start, narrow.slice(start, rows)
            return
        schema = pa.schema([self.schema.field(name) for name in columns])
        start = 0
        stretch = Stretch(schema, self.batches(columns))
        handed = [stretch.take(rows)]
        while length := handed[0].num_rows:
            yield start, handed.pop()  # not held here meanwhile
            start += length
            handed.append(stretch.take(rows))


class Stretch:
    """Batches, taken so many rows at a time."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._schema = schema
        self._batches = batches
        self._rest: pa.RecordBatch | None = None

    def take(self, rows: int) -> pa.Table:
        """Return the next ``rows``, fewer only at the end."""
        found: list[pa.RecordBatch] = []
        while rows:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            self._rest = None
            if batch is None:
                break
            if batch.num_rows > rows:
                self._rest = batch.slice(rows)
                batch = batch.slice(0, rows)
            found.append(batch)
            rows -= batch.num_rows
        return pa.Table.from_batches(found, self._schema)
