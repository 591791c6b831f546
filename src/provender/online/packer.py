"""Columns to the bytes of rows in bulk, for writers only: brings numpy and pyarrow.

Rows with the same flags have their parts at the same places, so each part is a column of one
numpy table; Arrow joins the variable bytes on. Byte for byte what `online.codec` writes.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.serving import ServedView
from provender.online import casts
from provender.online.layout import (
    CREATED_AFTER,
    CREATED_WHOLE,
    ESCAPED,
    HAS_LONG,
    HAS_NULLS,
    JSON_SAFE,
    MAX_SHORT,
    ROW_VERSION,
    Shape,
    check_of,
    layout_of,
)

LONG_TAIL = 24
"""Above this many bytes after the prefix, checksums are made key by key: it is faster."""
POLYNOMIAL = 0xEDB88320


@dataclass(frozen=True, slots=True)
class Times:
    """Event and created timestamps as rows order them: microseconds since 1970 plus 2^63."""

    event: Any
    created: Any
    has_created: Any


class RowPacker:
    """Packs the rows of one view, compiled once."""

    def __init__(self, view: ServedView) -> None:
        self.view = view
        self.layout = layout_of(view)
        self._check = np.uint32(check_of(view))
        self._tables: dict[int, Any] = {}

    def pack(self, columns: list[pa.Array], times: Times, checksums: Any) -> pa.Array:
        """Return the rows as a large binary array.

        Args:
            columns: the view's, in its order.
            times: of each row.
            checksums: the CRC-32 of each row's key, uint32.

        Raises:
            InvalidInput: a value does not fit its column's type.
        """
        if not len(checksums):
            return pa.array([], pa.large_binary())
        cells = _Cells(self, columns, times, checksums)
        flags = cells.flags()
        kinds = np.unique(flags)
        if len(kinds) == 1:
            return self._pack(int(kinds[0]), cells, slice(None))
        groups = [np.flatnonzero(flags == kind) for kind in kinds]
        parts = [
            self._pack(int(kind), cells, group) for kind, group in zip(kinds, groups, strict=True)
        ]
        place = np.empty(len(flags), np.int64)
        place[np.concatenate(groups)] = np.arange(len(flags))
        return pa.concat_arrays(parts).take(pa.array(place))

    def _pack(self, flags: int, cells: "_Cells", rows: Any) -> pa.Array:
        """Return the rows of the group ``rows``, which all have these flags."""
        shape = self.layout.shape(flags)
        if shape is None:
            raise ValueError(f"no row has the flags {flags}")
        table = np.zeros(len(cells.times.event[rows]), self._table(shape))
        table["version"] = ROW_VERSION
        table["check"] = cells.checksums[rows] ^ self._check
        table["event"] = cells.times.event[rows]
        table["flags"] = flags
        if flags & 3:
            created = cells.times.created[rows]
            after = flags & 3 == CREATED_AFTER
            table["created"] = created - cells.times.event[rows] if after else created
        if flags & HAS_NULLS:
            table["nulls"] = cells.null_bits(rows)
        if self.layout.bools:
            table["bools"] = cells.bool_bits(rows)
        for at, found in (*cells.numbers.items(), *cells.lengths.items()):
            table[f"c{at}"] = found[rows]
        size = shape.variable_at
        fixed = casts.binary_array(np.arange(len(table) + 1) * size, table)
        if not self.layout.variable:
            return fixed
        return casts.join(fixed, *(_some(cells.variable[at], rows) for at in self.layout.variable))

    def _table(self, shape: Shape) -> Any:
        """Return the dtype of what is fixed in rows of this shape."""
        if shape.flags not in self._tables:
            layout, kinds = self.layout, self.layout.kinds
            fields: list[tuple[str, Any, int]] = [
                ("version", "u1", 0),
                ("check", ">u4", 1),
                ("event", ">u8", 5),
                ("flags", "u1", 13),
            ]
            if shape.flags & 3:
                after = shape.flags & 3 == CREATED_AFTER
                fields.append(("created", "<u4" if after else ">u8", 14))
            if shape.flags & HAS_NULLS:
                fields.append(("nulls", ("u1", (layout.nulls_size,)), shape.nulls_at))
            if layout.bools:
                fields.append(("bools", ("u1", (layout.bools_size,)), shape.bools_at))
            offset = shape.fixed_at
            for at in layout.fixed:
                fields.append((f"c{at}", f"<{kinds[at].code}", offset))
                offset += kinds[at].width
            for at in layout.variable:
                fields.append((f"c{at}", f"<{shape.length_code}", offset))
                offset += np.dtype(shape.length_code).itemsize
            names, formats, offsets = zip(*fields, strict=True)
            self._tables[shape.flags] = np.dtype(
                {
                    "names": names,
                    "formats": formats,
                    "offsets": offsets,
                    "itemsize": shape.variable_at,
                }
            )
        return self._tables[shape.flags]


class _Cells:
    """The columns of a batch, cast: numbers and truth values by position, bytes with lengths."""

    def __init__(
        self, packer: RowPacker, columns: list[pa.Array], times: Times, checksums: Any
    ) -> None:
        view, layout = packer.view, packer.layout
        self.layout = layout
        self.times = times
        self.checksums = checksums
        fields = view.columns
        self.nulls = {
            at: column.is_null().to_numpy(zero_copy_only=False)
            for at, column in enumerate(columns)
            if column.null_count
        }
        self.numbers = {at: casts.numbers(columns[at], fields[at], view) for at in layout.fixed}
        self.bools = {at: casts.numbers(columns[at], fields[at], view) for at in layout.bools}
        self.variable = {
            at: casts.variable(columns[at], fields[at], layout.kinds[at], view)
            for at in layout.variable
        }
        self.lengths = {
            at: np.diff(casts.binary_buffers(column)[0]) for at, column in self.variable.items()
        }

    def flags(self) -> Any:
        """Return the flags of each row."""
        flags = self._created_flags()
        for null in self.nulls.values():
            flags |= np.where(null, np.uint8(HAS_NULLS), np.uint8(0))
        for lengths in self.lengths.values():
            if lengths.max(initial=0) > MAX_SHORT:
                flags |= np.where(lengths > MAX_SHORT, np.uint8(HAS_LONG), np.uint8(0))
        safe = np.ones(len(flags), bool)
        for at in self.layout.texts:
            _mark_escaped(self.variable[at], safe)
        return flags | np.where(safe, np.uint8(JSON_SAFE), np.uint8(0))

    def _created_flags(self) -> Any:
        times = self.times
        near = (times.created >= times.event) & (times.created - times.event < np.uint64(1 << 32))
        kind = np.where(near, np.uint8(CREATED_AFTER), np.uint8(CREATED_WHOLE))
        return np.where(times.has_created, kind, np.uint8(0))

    def null_bits(self, rows: Any) -> Any:
        bits = np.zeros((len(self.times.event[rows]), 8 * self.layout.nulls_size), bool)
        for at, null in self.nulls.items():
            bits[:, at] = null[rows]
        return np.packbits(bits, axis=1, bitorder="little")

    def bool_bits(self, rows: Any) -> Any:
        bits = np.zeros((len(self.times.event[rows]), self.layout.bools_size), np.uint8)
        for number, at in enumerate(self.layout.bools):
            bits[:, number >> 3] |= self.bools[at][rows].view(np.uint8) << (number & 7)
        return bits


def checksums(keys: pa.Array, prefix: bytes) -> Any:
    """Return the CRC-32 of each key, as uint32; all keys begin with ``prefix``.

    All keys take one byte after another through the table at once, while they are short.
    """
    offsets, data = casts.binary_buffers(keys)
    begins, sizes = offsets[:-1] + len(prefix), np.diff(offsets) - len(prefix)
    longest = int(sizes.max(initial=0))
    if longest > LONG_TAIL:
        whole = memoryview(data)
        ends = offsets.tolist()
        each = (crc32(whole[a:b]) for a, b in pairwise(ends))
        return np.fromiter(each, np.uint32, len(keys))
    table = _crc_table()
    state = np.full(len(keys), ~crc32(prefix) & 0xFFFFFFFF, np.uint32)
    for at in range(longest):
        rows = slice(None) if at < int(sizes.min()) else np.flatnonzero(sizes > at)
        now = state[rows]
        state[rows] = table[(now ^ data[begins[rows] + at]) & 0xFF] ^ (now >> np.uint32(8))
    return ~state


@cache
def _crc_table() -> Any:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return np.array(entries, np.uint32)


@cache
def _escaped_bytes() -> Any:
    return np.array([bool(ESCAPED.match(bytes([byte]))) for byte in range(256)])


def _mark_escaped(texts: pa.Array, safe: Any) -> None:
    """Set False in ``safe`` where a text holds a byte that JSON escapes."""
    offsets, data = casts.binary_buffers(texts)
    at = np.flatnonzero(_escaped_bytes()[data[offsets[0] : offsets[-1]]]) + offsets[0]
    if len(at):
        safe[np.searchsorted(offsets, at, side="right") - 1] = False


def _some(column: pa.Array, rows: Any) -> pa.Array:
    return column if isinstance(rows, slice) else pc.take(column, pa.array(rows))
