"""What a retrieval gives: the spine's rows with the features beside them, as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

Progress = Callable[[str, float], None]
"""Told what is being done and how far the whole is, from 0 to 1. What it raises ends the retrieval."""


@dataclass
class Answer:
    """One row per spine row, in its order. The stream is read once; closing it early leaves nothing behind.

    ``known_later`` counts per view the answers that were created only after the instant asked;
    it is whole once the stream is used up.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    known_later: dict[str, int] = field(default_factory=dict)

    def reader(self) -> pa.RecordBatchReader:
        """Return the stream as Arrow's reader."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches)

    def table(self) -> pa.Table:
        """Return all rows in memory."""
        return pa.Table.from_batches(self.batches, self.schema)

    def close(self) -> None:
        """End the retrieval: what it holds on disk and in memory is given back."""
        if hasattr(self.batches, "close"):
            self.batches.close()
