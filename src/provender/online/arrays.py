"""Columns of blocks as numpy arrays: brings numpy, for lookups in process and never the server.

Numbers are not unpacked one by one: an array looks at the rows' own bytes, which are joined.
"""

from typing import Any

import numpy as np

from provender.online.blocks import Block
from provender.online.decoder import Batch

TIMES = {
    "timestamp": "datetime64[us]",
    "timestamp_local": "datetime64[us]",
    "timestamp_ns": "datetime64[ns]",
    "time": "timedelta64[us]",
}


def array(block: Block, index: int) -> tuple[Any, Any]:
    """Return a column's values, zero where there is none, and where there is one.

    Instants are datetime64 in UTC, times of day timedelta64; types that numpy has no numbers
    for are arrays of Python objects.
    """
    decoder = block.batch.decoder
    kind, word = decoder.kinds[index], decoder.words[index]
    if kind.variable:
        values = np.empty(len(block), object)
        for at, value in enumerate(block.python(index)):
            values[at] = value
        return values, np.array([value is not None for value in values], bool)
    whole = block.batch.whole
    if whole is None or whole.nulls is not None or word == "bool":
        found = block.packed(index)
        valid = np.array([value is not None for value in found], bool)
        filled = [0 if value is None else value for value in found]
        return _as(np.array(filled, np.dtype(kind.code)), word), valid
    at = decoder.positions[index]
    return _as(_strided(block, at), word), np.ones(len(block), bool)


def _strided(block: Block, at: int) -> Any:
    """Return the numbers of the column at ``at`` where they are in the joined rows."""
    table, width, offsets = _table(block.batch)
    code = f"<{block.batch.decoder.layout.kinds[at].code}"
    offset = offsets[at] + block.start * width
    return np.ndarray((len(block),), code, table, offset, (width,))


def _table(batch: Batch) -> tuple[bytes, int, dict[int, int]]:
    """Return the fixed parts of all rows, the bytes of each, and where in it columns are."""
    whole, layout = batch.whole, batch.decoder.layout
    if whole is None:
        raise ValueError("rows of several shapes have no common table")
    width = layout.numbers.size
    if batch.joined is None:
        begin, end = whole.shape.fixed_at, whole.shape.lengths_at
        batch.joined = b"".join([row[begin:end] for row in whole.rows])
    return batch.joined, width, layout.offsets


def _as(numbers: Any, word: str) -> Any:
    if word == "date":
        return numbers.astype("datetime64[D]")
    return numbers.astype("i8").view(TIMES[word]) if word in TIMES else numbers
