"""Keys and rows of the online store as bytes. Pure: no clock, no connection.

A key, ``p1:<project>:<view>:{<entity>}``: names are percent-encoded, so that no project's or
view's keys can begin like another's; the entity is the hash tag, so that all views of one
entity lie on one cluster node. Join keys come in order of their names: whole numbers as
``i<decimal>``, text as ``s<bytes>:<UTF-8>``, and so on (`KEY_PARTS`).

A row, little-endian but for its two times::

    0      1             5                 13                  21            21+b       21+b+8n
    | 01   | fingerprint | event timestamp | created timestamp | null bitmap | n slots  | variable

The fingerprint is of the view's columns: a row of another layout is not read. Times are
microseconds since 1970 in 8 big-endian bytes with the sign bit flipped, so that bytes compare
in order; a created timestamp of zero bytes is none, and comes before all others. The bitmap
has a bit per column, lowest first. A slot is 8 bytes (see `online.kinds`); that of a variable
column is offset and length in the variable part, each 4 bytes.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.serving import ServedView
from provender.online.kinds import INTEGERS, Kind, from_micros, is_null, kind_of, micros

KEY_VERSION = b"p1"
ROW_VERSION = b"\x01"
SIGN = 1 << 63
TIMES = struct.Struct(">QQ")
TIMES_AT = 5
BITMAP_AT = TIMES_AT + TIMES.size
NO_KEY = KEY_VERSION + b":-"
"""A key that no row ever has: stands for an entity with a null join key."""


def key_prefix(project: str, view: str | None = None) -> bytes:
    """Return what the keys of all rows of a project, or of one of its views, begin with."""
    names = (project,) if view is None else (project, view)
    return b":".join((KEY_VERSION, *(quote(name, safe="").encode() for name in names), b""))


def _number(value: Any) -> bytes:
    return b"i%d" % value


def _bytes(value: Any) -> bytes:
    return b"s%d:%b" % (len(value), value)


KEY_PARTS: dict[str, Callable[[Any], bytes]] = {
    **dict.fromkeys(INTEGERS, _number),
    "string": _bytes,
    "binary": lambda value: b"b%d:%b" % (len(value), value),
    "bool": lambda value: b"t" if value else b"f",
    "date": lambda value: b"d%d" % value,
    "timestamp": lambda value: b"u%d" % value,
}
"""How a join key of each type is written in a key; no other type can be a join key online."""


class KeyCodec:
    """The keys of one view of one project, compiled once."""

    def __init__(self, project: str, view: ServedView) -> None:
        self.view = view
        self.prefix = key_prefix(project, view.name) + b"{"
        self._parts = [_part(view, field) for field in view.join_keys]

    def key(self, values: Sequence[Any]) -> bytes | None:
        """Return the key of the entity with these join key values, in the view's order.

        None if one of them is null: no row has such a key.

        Raises:
            InvalidInput: a value is not of the join key's type.
        """
        texts = [part(value) for part, value in zip(self._parts, values, strict=True)]
        if None in texts:
            return None
        return b"%b%b}" % (self.prefix, b",".join(text for text in texts if text is not None))

    def keys(self, columns: Sequence[Sequence[Any]], rows: int) -> list[bytes]:
        """Return the key of each of ``rows`` rows; `NO_KEY` where a join key is null.

        ``columns`` holds the values of each join key, in the view's order.
        """
        return self.after_prefix(self.tails(columns, rows))

    def tails(self, columns: Sequence[Sequence[Any]], rows: int) -> list[bytes | None]:
        """Return what follows the prefix: the same for all views with the same join keys."""
        if not columns:
            return [b"}"] * rows
        if len(columns) == 1:
            part = self._parts[0]
            texts = [part(value) for value in columns[0]]
            return [None if text is None else text + b"}" for text in texts]
        size = len(self.prefix)
        whole = [self.key(values) for values in zip(*columns, strict=True)]
        return [None if key is None else key[size:] for key in whole]

    def after_prefix(self, tails: Sequence[bytes | None]) -> list[bytes]:
        """Return the keys with these tails."""
        prefix = self.prefix
        return [NO_KEY if tail is None else prefix + tail for tail in tails]


def _part(view: ServedView, field: FieldSpec) -> Callable[[Any], bytes | None]:
    write = KEY_PARTS.get(field.type)
    if write is None:
        raise InvalidInput(
            f"feature view {view.name}: join key {field.name} is {field.type}, which has no exact text",
            hint=f"join keys online are one of {', '.join(KEY_PARTS)}",
        )
    kind, is_text = kind_of(field.type), field.type == "string"
    low, high = INTEGERS.get(field.type, (1, 0))

    def part(value: Any) -> bytes | None:
        if type(value) is str and is_text and value.isascii():
            return _bytes(value.encode())
        if type(value) is int and low <= value <= high:
            return b"i%d" % value
        if is_null(value):
            return None
        if is_text and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return write(_checked(kind, value, field, f"join key {field.name}"))

    return part


@dataclass(frozen=True, slots=True)
class Row:
    """A decoded row; ``values`` in the order of the view's columns."""

    event_timestamp: datetime
    created_timestamp: datetime | None
    values: tuple[Any, ...]


class RowCodec:
    """The rows of one view, compiled once."""

    def __init__(self, view: ServedView) -> None:
        self.view = view
        self.head = ROW_VERSION + view.fingerprint
        self.kinds = [kind_of(column.type) for column in view.columns]
        self.bitmap_size = (len(self.kinds) + 7) // 8
        self.fixed_size = BITMAP_AT + self.bitmap_size + 8 * len(self.kinds)
        self._slots = struct.Struct("<" + "".join(kind.slot for kind in self.kinds))
        self._whole = RowReader(self, [column.name for column in view.columns])

    def encode(
        self,
        values: Mapping[str, Any],
        event_timestamp: datetime,
        created_timestamp: datetime | None = None,
    ) -> bytes:
        """Return the row's bytes; a column that ``values`` does not hold is null.

        Raises:
            InvalidInput: a value is not of its column's type.
        """
        nulls = 0
        slots: list[Any] = []
        variable: list[bytes] = []
        offset = 0
        for position, (kind, column) in enumerate(zip(self.kinds, self.view.columns, strict=True)):
            value = values.get(column.name)
            if is_null(value):
                nulls |= 1 << position
                slots += (0, 0) if kind.variable else (0,)
                continue
            written = _checked(kind, value, column, f"feature {self.view.name}:{column.name}")
            if kind.variable:
                slots += (offset, len(written))
                offset += len(written)
                variable.append(written)
            else:
                slots.append(written)
        times = pack_times(event_timestamp, created_timestamp)
        bitmap = nulls.to_bytes(self.bitmap_size, "little")
        return b"".join((self.head, times, bitmap, self._slots.pack(*slots), *variable))

    def decode(self, row: bytes) -> Row | None:
        """Return what ``row`` holds, or None if it was written with another layout."""
        read = self._whole.read([row])
        if not read.found[0]:
            return None
        event, created = TIMES.unpack_from(row, TIMES_AT)
        return Row(
            event_timestamp=from_micros(event - SIGN),
            created_timestamp=from_micros(created - SIGN) if created else None,
            values=tuple(column[0] for column in read.columns),
        )

    def reader(self, features: Sequence[str]) -> "RowReader":
        """Return what reads only these columns, in this order."""
        return RowReader(self, features)


@dataclass(slots=True)
class ReadRows:
    """Rows as columns: per row whether it was there and its event timestamp in microseconds."""

    columns: list[list[Any]]
    found: list[bool]
    event_us: list[int]


class RowReader:
    """Reads some columns of many rows of one view, skipping the slots of the others."""

    def __init__(self, codec: RowCodec, features: Sequence[str]) -> None:
        names = [column.name for column in codec.view.columns]
        positions = [names.index(feature) for feature in features]
        order = sorted(set(positions))
        self._head = codec.head
        self._size = codec.fixed_size
        self._variable_at = codec.fixed_size
        self._mask = sum(1 << position for position in order)
        codes = ["8x"] * len(names)
        at: dict[int, int] = {}
        index = 1
        for position in order:
            kind = codec.kinds[position]
            codes[position] = kind.slot
            at[position] = index
            index += 2 if kind.variable else 1
        self._body = struct.Struct(f"<{codec.bitmap_size}s" + "".join(codes))
        self._absent = (None,) * index
        self._columns = [(at[p], p, codec.kinds[p]) for p in positions]
        self._starts = {p: (at[p], codec.kinds[p].variable) for p in order}

    def read(self, rows: Sequence[bytes | None]) -> ReadRows:
        """Return the columns of ``rows``; a missing row, or one of another layout, is null."""
        head, size, unpack, mask = self._head, self._size, self._body.unpack_from, self._mask
        found: list[bool] = []
        events: list[int] = []
        bodies: list[Sequence[Any]] = []
        for row in rows:
            if row is None or len(row) < size or not row.startswith(head):
                found.append(False)
                events.append(0)
                bodies.append(self._absent)
                continue
            found.append(True)
            events.append(int.from_bytes(row[5:13], "big") - SIGN)
            body: Sequence[Any] = unpack(row, BITMAP_AT)
            nulls = int.from_bytes(body[0], "little") & mask
            bodies.append(self._without(body, nulls) if nulls else body)
        across = list(zip(*bodies, strict=True)) or [()] * len(self._absent)
        columns = [self._column(kind, at, across, rows) for at, _, kind in self._columns]
        return ReadRows(columns, found, events)

    def _without(self, body: Sequence[Any], nulls: int) -> Sequence[Any]:
        kept = list(body)
        for position, (at, _) in self._starts.items():
            if nulls >> position & 1:
                kept[at] = None
        return kept

    def _column(
        self, kind: Kind, at: int, across: list[tuple[Any, ...]], rows: Sequence[bytes | None]
    ) -> list[Any]:
        read, raw = kind.read, across[at]
        if kind.variable:
            base = self._variable_at
            return [
                None if offset is None or row is None else _slice(row, base + offset, length, read)
                for row, offset, length in zip(rows, raw, across[at + 1], strict=True)
            ]
        if read is None:
            return list(raw)
        return [None if value is None else read(value) for value in raw]


def _slice(row: bytes, start: int, length: int, read: Callable[[Any], Any] | None) -> Any:
    data = row[start : start + length]
    return read(data) if read else data


def pack_times(event_timestamp: datetime, created_timestamp: datetime | None) -> bytes:
    """Return the 16 bytes by which rows of a key are ordered: event, then created timestamp."""
    created = 0 if is_null(created_timestamp) else _positive(created_timestamp)
    return TIMES.pack(_positive(event_timestamp), created)


def _positive(instant: datetime | None) -> int:
    if instant is None or is_null(instant):
        raise InvalidInput("a row has no event timestamp", hint="leave such rows out")
    return micros(instant) + SIGN


def _checked(kind: Kind, value: Any, field: FieldSpec, what: str) -> Any:
    try:
        return kind.write(value)
    except (TypeError, ValueError, OverflowError) as error:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
        raise InvalidInput(
            f"{what} is {field.type}, and {shown} is not: {error}",
            hint=f"give a value of type {field.type}",
        ) from None
