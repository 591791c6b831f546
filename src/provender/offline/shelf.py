"""Features that were fetched in the order of their files, given back in the order of the spine.

What memory cannot hold is put into bins, each for a stretch of the spine, in one file on the
disk: a file for each bin would be more than a process may open.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provender.offline.numbered import plain_type

Codes = NDArray[np.int32]
Integers = NDArray[np.int64]
POSITION = "position in the spine"
PUT_BYTES = 16 << 20
"""Rows are sorted into bins about so many at a time."""


class Shelf:
    """One view's features for ``row_count`` spine rows, in bins of ``bin_rows``.

    They are held in memory up to ``held_bytes``, then all of them in the file ``spill``.
    """

    def __init__(
        self, schema: pa.Schema, row_count: int, bin_rows: int, spill: Path, held_bytes: float
    ) -> None:
        self.schema = pa.schema([pa.field(f.name, plain_type(f.type)) for f in schema])
        self.row_count = row_count
        self.bin_rows = max(1, bin_rows)
        self._spill = spill
        self._room = held_bytes
        self._put_bytes = min(PUT_BYTES, held_bytes)
        self._file: pa.OSFile | None = None
        self._written: dict[int, list[tuple[int, int]]] = {}
        self._kept: dict[int, list[tuple[Codes | Integers, pa.Table]]] = {}
        self._waiting: list[tuple[Codes | Integers, pa.Table]] = []
        self._waiting_bytes = 0

    def put(self, positions: Codes | Integers, rows: pa.Table) -> None:
        """Keep ``rows``, which answer the spine rows at ``positions``."""
        self._waiting.append((positions, rows))
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes >= self._put_bytes:
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
        """Give back what is kept; the file goes with its folder."""
        if self._file is not None:
            self._file.close()
        self._written.clear()
        self._kept.clear()
        self._waiting.clear()

    def _sort_in(self) -> None:
        if not self._waiting:
            return
        positions = np.concatenate([at for at, _ in self._waiting])
        rows = pa.concat_tables([table for _, table in self._waiting])
        self._waiting, self._waiting_bytes = [], 0
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

    def _keep(self, number: int, positions: Codes | Integers, rows: pa.Table) -> None:
        if self._file is not None:
            self._write(self._file, number, positions, rows)
            return
        self._kept.setdefault(number, []).append((positions, rows))
        self._room -= rows.nbytes
        if self._room < 0:
            self._file = pa.OSFile(str(self._spill), "wb")
            for bin_number, parts in self._kept.items():
                for part in parts:
                    self._write(self._file, bin_number, *part)
            self._kept.clear()

    def _write(
        self, file: pa.OSFile, number: int, positions: Codes | Integers, rows: pa.Table
    ) -> None:
        for batch in _placed(positions, rows).combine_chunks().to_batches():
            written = batch.serialize()
            self._written.setdefault(number, []).append((file.tell(), written.size))
            file.write(written)

    def _read(self, number: int) -> list[tuple[Codes | Integers, pa.Table]]:
        if self._file is None:
            return self._kept.pop(number, [])
        self._file.flush()
        schema = _placed(np.empty(0, np.int64), self.schema.empty_table()).schema
        parts = []
        with pa.OSFile(str(self._spill)) as file:
            for offset, size in self._written.pop(number, []):
                file.seek(offset)
                batch = pa.ipc.read_record_batch(file.read_buffer(size), schema)
                last = batch.num_columns - 1
                positions = batch.column(last).to_numpy()
                parts.append((positions, pa.Table.from_batches([batch]).remove_column(last)))
        return parts


def _placed(positions: Codes | Integers, rows: pa.Table) -> pa.Table:
    return rows.append_column(POSITION, pa.array(positions, pa.int64()))
