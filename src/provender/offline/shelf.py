"""Features that were fetched in the order of their files, given back in the order of the spine.

What memory cannot hold is put into bins on the disk, each for a stretch of the spine.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provender.offline.numbered import plain_type

Integers = NDArray[np.int64]
PUT_ROWS = 131_072
"""Rows are sorted into bins so many at a time."""


class Shelf:
    """One view's features for ``row_count`` spine rows, in bins of ``bin_rows``; in memory without a ``folder``."""

    def __init__(
        self, schema: pa.Schema, row_count: int, bin_rows: int, folder: Path | None = None
    ) -> None:
        self.schema = pa.schema([pa.field(f.name, plain_type(f.type)) for f in schema])
        self.row_count = row_count
        self.bin_rows = max(1, bin_rows)
        self._folder = folder
        self._kept: dict[int, list[tuple[Integers, pa.Table]]] = {}
        self._written: dict[int, pa.RecordBatchStreamWriter] = {}
        self._waiting: list[tuple[Integers, pa.Table]] = []
        self._waiting_rows = 0

    def put(self, positions: Integers, rows: pa.Table | pa.RecordBatch) -> None:
        """Keep ``rows``, which answer the spine rows at ``positions``."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self._waiting.append((positions, table))
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= PUT_ROWS:
            self._sort_in()

    def take(self, number: int) -> pa.Table:
        """Return the features of the spine rows of bin ``number``, null where nothing was put; once."""
        self._sort_in()
        begin = number * self.bin_rows
        length = min(self.bin_rows, self.row_count - begin)
        parts = self._read(number)
        if not parts:
            return pa.table([pa.nulls(length, f.type) for f in self.schema], schema=self.schema)
        positions = np.concatenate([at for at, _ in parts]) - begin
        rows = pa.concat_tables([table for _, table in parts])
        source = np.full(length, -1, np.int64)
        source[positions] = np.arange(positions.size)
        return rows.take(pa.array(source, mask=source < 0))

    def close(self) -> None:
        """Give back what is kept; files go with their folder."""
        for writer in self._written.values():
            writer.close()
        self._written.clear()
        self._kept.clear()
        self._waiting.clear()

    def _sort_in(self) -> None:
        if not self._waiting:
            return
        positions = np.concatenate([at for at, _ in self._waiting])
        rows = pa.concat_tables([table for _, table in self._waiting])
        self._waiting, self._waiting_rows = [], 0
        rows = pa.table(
            [
                column.cast(field.type)
                for column, field in zip(rows.columns, self.schema, strict=True)
            ],
            schema=self.schema,
        )
        if self.bin_rows >= self.row_count:
            self._keep(0, positions, rows)
            return
        bins = positions // self.bin_rows
        order = np.argsort(bins, kind="stable")
        positions, bins, rows = positions[order], bins[order], rows.take(pa.array(order))
        edges = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
        for start, stop in zip(edges, [*edges[1:], bins.size], strict=True):
            part = rows.slice(int(start), int(stop - start))
            self._keep(int(bins[start]), positions[start:stop], part)

    def _keep(self, number: int, positions: Integers, rows: pa.Table) -> None:
        if self._folder is None:
            self._kept.setdefault(number, []).append((positions, rows))
            return
        numbered = rows.append_column("position", pa.array(positions))
        if number not in self._written:
            path = self._folder / f"{number}.arrows"
            self._written[number] = pa.ipc.new_stream(path, numbered.schema)
        self._written[number].write_table(numbered.combine_chunks())

    def _read(self, number: int) -> list[tuple[Integers, pa.Table]]:
        if self._folder is None:
            return self._kept.pop(number, [])
        writer = self._written.pop(number, None)
        if writer is None:
            return []
        writer.close()
        path = self._folder / f"{number}.arrows"
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
        path.unlink()
        positions = table.column(table.num_columns - 1).to_numpy()
        return [(positions, table.remove_column(table.num_columns - 1))]
