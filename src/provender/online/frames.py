r"""Keys and rows as the arguments of Redis commands, in bulk: brings numpy and pyarrow.

An argument is ``$<bytes>\r\n<the bytes>\r\n``. Arrow writes them for a whole batch at once;
what is sent of it is a slice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.online import casts

LISTED_SIZES = 4096
"""Up to this many bytes, the head of an argument is taken from a list."""


class Arguments(NamedTuple):
    """Of ``size`` rows: all keys, then all rows, each as the text of Redis arguments."""

    size: int
    keys: memoryview
    rows: memoryview


@dataclass(frozen=True, slots=True)
class Framed:
    """A batch's keys and rows, as large binary arrays; ``skipped`` had a null key or time."""

    keys: pa.Array
    rows: pa.Array
    skipped: int = 0

    @property
    def count(self) -> int:
        return len(self.keys)

    @property
    def keys_differ(self) -> bool:
        return bool(pc.count_distinct(self.keys).as_py() == len(self.keys))

    def resp(self, chunk: int) -> Iterator[Arguments]:
        """Yield the arguments of ``chunk`` rows at a time, for a script: its keys, its rows."""
        keys, rows = _arguments(self.keys), _arguments(self.rows)
        for first in range(0, self.count, chunk):
            last = min(first + chunk, self.count)
            yield Arguments(last - first, _slice(keys, first, last), _slice(rows, first, last))

    def pairs(self, chunk: int) -> Iterator[tuple[int, memoryview]]:
        """Yield count and arguments of ``chunk`` rows at a time, for MSET: key, row, key, row."""
        end = b"\r\n"
        both = casts.join(_head(self.keys), self.keys, end, _head(self.rows), self.rows, end)
        for first in range(0, self.count, chunk):
            last = min(first + chunk, self.count)
            yield last - first, _slice(both, first, last)

    def take(self, indices: Any) -> "Framed":
        """Return the rows at ``indices``, an integer array, such as those of one cluster node."""
        picked = pa.array(indices)
        return Framed(pc.take(self.keys, picked), pc.take(self.rows, picked))


def _arguments(values: pa.Array) -> pa.Array:
    return casts.join(_head(values), values, b"\r\n")


def _head(values: pa.Array) -> pa.Array:
    """Return the head of the argument of each value: a dollar, its size, a line's end."""
    sizes = np.diff(casts.binary_buffers(values)[0])
    if sizes.max(initial=0) < LISTED_SIZES:
        return pc.take(_heads(), pa.array(sizes))
    texts = pc.cast(pc.cast(pa.array(sizes), pa.large_string()), pa.large_binary())
    return casts.join(b"$", texts, b"\r\n")


@cache
def _heads() -> pa.Array:
    return pa.array([b"$%d\r\n" % size for size in range(LISTED_SIZES)], pa.large_binary())


def _slice(values: pa.Array, first: int, last: int) -> memoryview:
    offsets, data = casts.binary_buffers(values)
    return memoryview(data)[int(offsets[first]) : int(offsets[last])]
