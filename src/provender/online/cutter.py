"""How the asked columns are cut out of many rows of one shape at once, by numpy.

For lookups in process, never the server: this brings numpy. Rows of one shape, less their
variable bytes, are a table with one width; a column of numbers is a view of it.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np

from provender.online.decoder import DAMAGE, Decoder
from provender.online.layout import HAS_NULLS, HEAD, ROW_VERSION, Shape

HEAD_FIELDS = {"version": ("u1", 0), "check": (">u4", 1), "event": (">u8", 5), "flags": ("u1", 13)}
VERSION = bytes([ROW_VERSION])
TIMES = {
    "timestamp": "datetime64[us]",
    "timestamp_local": "datetime64[us]",
    "timestamp_ns": "datetime64[ns]",
    "time": "timedelta64[us]",
}
Array = Any
"""A numpy array."""


@lru_cache(maxsize=256)
def cutter_of(decoder: Decoder, flags: int) -> "Cutter | None":
    """Return what cuts rows with these flags; None if no row has such flags."""
    shape = decoder.layout.shape(flags)
    return Cutter(decoder, shape) if shape else None


class Cutter:
    """Cuts the columns that ``decoder`` is asked for out of rows of one ``shape``."""

    def __init__(self, decoder: Decoder, shape: Shape) -> None:
        layout = self._layout = decoder.layout
        self.decoder = decoder
        self.shape = shape
        self.width = shape.variable_at
        self.wanted = sorted(set(decoder.positions))
        self.bounded = [
            at for at in self.wanted if at in layout.offsets and layout.kinds[at].bounds
        ]
        self._flags = bytes([shape.flags])
        self._begin = itemgetter(slice(0, self.width))
        self._bits: dict[int, tuple[str, int]] = {}
        self._null_bits: dict[int, tuple[str, int]] = {}
        self._dtype = self._table()

    @property
    def has_nulls(self) -> bool:
        """Whether a column may be null."""
        return bool(self.shape.flags & HAS_NULLS)

    def heads(self, rows: Sequence[bytes | None]) -> Array:
        """Return the rows but for their variable bytes; None unless all are of this shape."""
        width, size = self.width, len(rows)
        try:
            joined = b"".join(map(self._begin, rows))  # type: ignore[arg-type]
        except TypeError:
            return None
        if (
            len(joined) != width * size
            or joined[::width] != VERSION * size
            or joined[HEAD.size - 1 :: width] != self._flags * size
        ):
            return None
        return np.frombuffer(joined, self._dtype)

    def sound(self, heads: Array, lengths: Array) -> Array:
        """Return which rows have the bytes that their lengths say, and no number beyond its bounds."""
        told = np.full(len(heads), self.width)
        for at in self._layout.variable:
            told += heads[f"length {at}"]
        sound = told == lengths
        for at in self.bounded:
            low, high = self._layout.kinds[at].bounds or (0, 0)
            sound &= (heads[str(at)] >= low) & (heads[str(at)] <= high)
        return sound

    def total(self, heads: Array) -> int:
        """Return how many bytes all rows must have together."""
        variable = [int(heads[f"length {at}"].sum()) for at in self._layout.variable]
        return self.width * len(heads) + sum(variable)

    def in_bounds(self, heads: Array) -> bool:
        """Return whether no number is beyond its bounds, null or not."""
        for at in self.bounded:
            low, high = self._layout.kinds[at].bounds or (0, 0)
            if heads[str(at)].min() < low or heads[str(at)].max() > high:
                return False
        return True

    def numbers(self, heads: Array, at: int) -> Array:
        """Return the packed numbers or truth values of the column at ``at``, zero where null."""
        if at in self._bits:
            name, bit = self._bits[at]
            return heads[name] & bit != 0
        return np.ascontiguousarray(heads[str(at)])

    def valid(self, heads: Array, at: int) -> Array:
        """Return where the column at ``at`` has a value; None: everywhere."""
        if not self.has_nulls:
            return None
        name, bit = self._null_bits[at]
        return heads[name] & bit == 0

    def variable(self, heads: Array, rows: Sequence[bytes]) -> dict[int, list[Any]] | None:
        """Return the values of the asked variable columns by position; None where null.

        None instead of all, if they are not as values are written.
        """
        found: dict[int, list[Any]] = {}
        starts = [self.width] * len(rows)
        try:
            for at in self._layout.variable:
                sizes = heads[f"length {at}"].tolist()
                ends = [start + size for start, size in zip(starts, sizes, strict=True)]
                if at in self.wanted:
                    found[at] = self._read(heads, at, rows, zip(starts, ends, strict=True))
                starts = ends
        except DAMAGE:
            return None
        return found

    def _read(self, heads: Array, at: int, rows: Sequence[bytes], spans: Any) -> list[Any]:
        pieces = [row[start:end] for row, (start, end) in zip(rows, spans, strict=True)]
        read = self._layout.kinds[at].read or bytes
        valid = self.valid(heads, at)
        if valid is None:
            return list(map(read, pieces))
        there = zip(pieces, valid.tolist(), strict=True)
        return [read(piece) if is_there else None for piece, is_there in there]

    def _table(self) -> "np.dtype[Any]":
        layout, shape = self._layout, self.shape
        fields = dict(HEAD_FIELDS)
        for at in self.wanted:
            if at in layout.offsets:
                fields[str(at)] = f"<{layout.kinds[at].code}", shape.fixed_at + layout.offsets[at]
            if self.has_nulls:
                self._null_bits[at] = _bit(fields, shape.nulls_at, at)
        for number, at in enumerate(layout.bools):
            if at in self.wanted:
                self._bits[at] = _bit(fields, shape.bools_at, number)
        code = "<u4" if shape.length_code == "I" else "u1"
        size = np.dtype(code).itemsize
        for number, at in enumerate(layout.variable):
            fields[f"length {at}"] = code, shape.lengths_at + number * size
        return _dtype(fields, self.width)


def _dtype(fields: dict[str, tuple[str, int]], width: int) -> "np.dtype[Any]":
    """Return a table of ``width`` bytes a row; of each field, its code and offset."""
    codes, offsets = zip(*fields.values(), strict=True)
    return np.dtype(
        {"names": list(fields), "formats": codes, "offsets": offsets, "itemsize": width}
    )


def _bit(fields: dict[str, tuple[str, int]], start: int, number: int) -> tuple[str, int]:
    """Return the name of the byte that holds a bit, which becomes one of ``fields``, and its mask."""
    offset, bit = start + number // 8, 1 << number % 8
    fields[f"byte {offset}"] = "u1", offset
    return f"byte {offset}", bit


def as_numpy(numbers: Array, word: str) -> Array:
    """Return packed numbers as numpy has them: instants as datetime64 in UTC."""
    if word == "date":
        return numbers.astype("datetime64[D]")
    return numbers.view(TIMES[word]) if word in TIMES else numbers


HEADS = _dtype(HEAD_FIELDS, HEAD.size)
