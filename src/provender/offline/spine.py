"""The spine: the rows to be answered, in memory or in Parquet files that memory need not hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Spine:
    """Rows to be answered, in the caller's order: an Arrow table, or Parquet files one after the other."""

    source: pa.Table | tuple[Path, ...]

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
        """Yield ``columns`` (default: all) in order, at most ``rows`` at a time, from the start each time."""
        names = self.column_names if columns is None else list(columns)
        if isinstance(self.source, pa.Table):
            yield from self.source.select(names).to_batches(max_chunksize=rows)
            return
        for path in self.source:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(rows, columns=names):
                    yield batch.select(names)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return ``columns`` (default: all) in memory."""
        if isinstance(self.source, pa.Table):
            return self.source if columns is None else self.source.select(list(columns))
        names = self.column_names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches(self.batches(names), schema)
