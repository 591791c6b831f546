"""Columns of blocks as numpy arrays: brings numpy, for lookups in process and never the server.

Numbers are not unpacked one by one: an array looks at the rows' own bytes, which are joined.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from provender.online.blocks import Block
from provender.online.decoder import Batch
from provender.online.layout import Layout

TIMES = {
    "timestamp": "datetime64[us]",
    "timestamp_local": "datetime64[us]",
    "timestamp_ns": "datetime64[ns]",
    "time": "timedelta64[us]",
}


def array(block: Block, index: int) -> tuple[Any, Any]:
    """Return a column's values, zero where there is none, and where there is one.

    Instants are datetime64 in UTC, times of day timedelta64; types that numpy has no numbers
    for are arrays of Python objects. Blocks that were read together share what is looked at.
    """
    batch = block.batch
    if index not in batch.arrays:
        batch.arrays[index] = _array(Block(batch, 0, len(batch.statuses)), index)
    values, valid = batch.arrays[index]
    return values[block.start : block.stop], valid[block.start : block.stop]


def _array(block: Block, index: int) -> tuple[Any, Any]:
    decoder = block.batch.decoder
    kind, word = decoder.kinds[index], decoder.words[index]
    size = len(block)
    if kind.variable:
        values = np.empty(size, object)
        values[:] = block.python(index) if word == "string" else None
        if word != "string":  # lists would be taken for rows of a table
            for at, value in enumerate(block.python(index)):
                values[at] = value
        return values, _there(values.tolist())
    whole = block.batch.whole
    if whole is None or whole.nulls is not None:
        found = block.packed(index)
        filled = [0 if value is None else value for value in found]
        return _as(np.array(filled, np.dtype(kind.code)), word), _there(found)
    at = decoder.positions[index]
    if word == "bool":
        return _bits(block, at), _all(size)
    return _as(_strided(block, at), word), _all(size)


def _there(values: Sequence[Any]) -> Any:
    return _all(len(values)) if None not in values else np.array([v is not None for v in values])


@lru_cache(maxsize=256)
def _all(size: int) -> Any:
    """Return so many True, which nobody can change."""
    valid = np.ones(size, bool)
    valid.flags.writeable = False
    return valid


def _strided(block: Block, at: int) -> Any:
    """Return the numbers of the column at ``at`` where they are in the joined rows."""
    table, width, layout = _table(block.batch)
    offset = layout.bools_size + layout.offsets[at] + block.start * width
    code = f"<{layout.kinds[at].code}"
    return np.ndarray((block.stop - block.start,), code, table, offset, (width,))


def _bits(block: Block, at: int) -> Any:
    table, width, layout = _table(block.batch)
    byte, bit = divmod(layout.bools.index(at), 8)
    size = block.stop - block.start
    found = np.ndarray((size,), np.uint8, table, byte + block.start * width, (width,))
    return (found & (1 << bit)).astype(bool)


def _table(batch: Batch) -> tuple[bytes, int, Layout]:
    """Return the truth values and numbers of all rows, the bytes of each row, and the layout."""
    whole, layout = batch.whole, batch.decoder.layout
    if whole is None:
        raise ValueError("rows of several shapes have no common table")
    if batch.joined is None:
        begin, end = whole.shape.bools_at, whole.shape.lengths_at
        batch.joined = b"".join([row[begin:end] for row in whole.rows])
    return batch.joined, layout.bools_size + layout.numbers.size, layout


def _as(numbers: Any, word: str) -> Any:
    if word == "date":
        return numbers.astype("datetime64[D]")
    return numbers.astype("i8").view(TIMES[word]) if word in TIMES else numbers
