"""Arrow batches to keys and rows in bulk, for writers only: this module brings pyarrow.

Byte for byte what `online.codec` writes row by row; tests hold the two together.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.names import suggest
from provender.core.serving import ServedView
from provender.online.codec import BITMAP_AT, SIGN, KeyCodec, RowCodec
from provender.online.kinds import INTEGERS, Kind
from provender.online.store import OnlineStore

Progress = Callable[[int], None]
INSTANT = pa.timestamp("us", tz="UTC")
LAST_US = 253_402_300_800_000_000  # the year 10000, which Python's instants do not reach
FIRST_US = -62_135_596_800_000_000  # the year 1
ARROW_SLOTS: dict[str, tuple[Any, str]] = {
    **{word: (pa.int64(), "<i8") for word in INTEGERS if word != "uint64"},
    "uint64": (pa.uint64(), "<u8"),
    "float64": (pa.float64(), "<f8"),
    "bool": (pa.uint8(), "<u8"),
    "timestamp": (INSTANT, "<i8"),
    "timestamp_ns": (pa.timestamp("ns", tz="UTC"), "<i8"),
    "timestamp_local": (pa.timestamp("us"), "<i8"),
    "date": (pa.date32(), "<i8"),
    "time": (pa.time64("us"), "<i8"),
}
"""The Arrow type whose numbers are the slot's, and how numpy writes those."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch's keys and rows; ``skipped`` had a null join key or event timestamp."""

    keys: list[bytes]
    rows: list[bytes]
    skipped: int


@dataclass(frozen=True, slots=True)
class Materialised:
    """What became of all rows: written, kept back by a newer stored row, or skipped for nulls."""

    read: int = 0
    written: int = 0
    kept: int = 0
    skipped: int = 0


class BatchEncoder:
    """Encodes Arrow batches for one view of one project, compiled once.

    Columns go by the names of features and join keys, else by those of their source columns.
    """

    def __init__(
        self,
        project: str,
        view: ServedView,
        *,
        event_timestamp: str | None = None,
        created_timestamp: str | None = None,
    ) -> None:
        self.view = view
        self._keys = KeyCodec(project, view)
        self._rows = RowCodec(view)
        self._event = event_timestamp or view.event_timestamp
        self._created = created_timestamp or view.created_timestamp

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Return the keys and rows of ``batch``.

        Raises:
            InvalidInput: a column is missing, or a value does not fit the declared type.
        """
        whole = batch.num_rows
        batch = self._without_nulls(batch)
        rows: list[bytes] = self._packed(batch).to_pylist()
        return Encoded(self._packed_keys(batch), rows, whole - batch.num_rows)

    def _without_nulls(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        needed = [self._column(batch, field) for field in self.view.join_keys]
        needed.append(_named(batch, self.view, self._event))
        if not any(column.null_count for column in needed):
            return batch
        valid = pc.is_valid(needed[0])
        for column in needed[1:]:
            valid = pc.and_(valid, pc.is_valid(column))
        return batch.filter(valid)

    def _column(self, batch: pa.RecordBatch, field: FieldSpec) -> pa.Array:
        return _named(batch, self.view, field.name, field.source_column)

    def _packed_keys(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return the keys: text and whole numbers in bulk, other types one by one."""
        fields = self.view.join_keys
        columns = [self._column(batch, field) for field in fields]
        if not fields or any(f.type != "string" and f.type not in INTEGERS for f in fields):
            values = [column.to_pylist() for column in columns]
            return self._keys.keys(values, batch.num_rows)
        parts: list[Any] = [self._keys.prefix]
        for index, (field, column) in enumerate(zip(fields, columns, strict=True)):
            parts += [b","] if index else []
            parts += self._key_part(field, column)
        joined: list[bytes] = _join(*parts, b"}").to_pylist()
        return joined

    def _key_part(self, field: FieldSpec, column: pa.Array) -> list[Any]:
        if field.type == "string":
            text = self._cast(_text(column), pa.large_binary(), field)
            length = pc.cast(pc.cast(pc.binary_length(text), pa.large_string()), pa.large_binary())
            return [b"s", length, b":", text]
        number = self._cast(column, ARROW_SLOTS[field.type][0], field)
        self._check_bounds(number, field)
        return [b"i", pc.cast(pc.cast(number, pa.large_string()), pa.large_binary())]

    def _packed(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the rows: the fixed parts laid out by numpy, the variable ones joined on."""
        fixed = np.zeros((batch.num_rows, self._rows.fixed_size), np.uint8)
        fixed[:, : len(self._rows.head)] = np.frombuffer(self._rows.head, np.uint8)
        fixed[:, 5:21] = self._times(batch)
        nulls = np.zeros((batch.num_rows, 8 * self._rows.bitmap_size), bool)
        variable: list[pa.Array] = []
        offset = np.zeros(batch.num_rows, np.int64)
        slot_at = BITMAP_AT + self._rows.bitmap_size
        for index, field in enumerate(self.view.columns):
            kind = self._rows.kinds[index]
            column = self._column(batch, field)
            nulls[:, index] = column.is_null().to_numpy(zero_copy_only=False)
            here = fixed[:, slot_at + 8 * index : slot_at + 8 * index + 8]
            if kind.variable:
                data = self._variable(column, field, kind)
                length = pc.fill_null(pc.binary_length(data), 0).to_numpy(zero_copy_only=False)
                here[:, :4] = _bytes(np.where(nulls[:, index], 0, offset).astype("<u4"))
                here[:, 4:] = _bytes(length.astype("<u4"))
                offset += length
                variable.append(data)
            else:
                here[:] = _bytes(self._fixed(column, field))
        fixed[:, BITMAP_AT:slot_at] = np.packbits(nulls, axis=1, bitorder="little")
        buffers = [None, pa.py_buffer(fixed)]
        whole = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(self._rows.fixed_size), batch.num_rows, buffers
        )
        return _join(pc.cast(whole, pa.large_binary()), *variable)

    def _times(self, batch: pa.RecordBatch) -> Any:
        event = _micros(_named(batch, self.view, self._event), self._event)
        stamps = np.zeros((batch.num_rows, 2), ">u8")
        stamps[:, 0] = _ordered(event)
        if self._created and self._created in batch.schema.names:
            column = batch.column(self._created)
            created = _ordered(_micros(pc.fill_null(column, _epoch(column.type)), self._created))
            stamps[:, 1] = np.where(
                column.is_valid().to_numpy(zero_copy_only=False), created, np.uint64(0)
            )
        return stamps.view(np.uint8).reshape(batch.num_rows, 16)

    def _fixed(self, column: pa.Array, field: FieldSpec) -> Any:
        if field.type == "float32":
            single = self._cast(column, pa.float32(), field)
            return _numbers(pc.cast(single, pa.float64()), "<f8")
        kind, layout = ARROW_SLOTS[field.type]
        if field.type == "bool":
            column = self._cast(column, pa.bool_(), field)
        if pa.types.is_timestamp(kind):
            return _micros(column, field.name, to=kind).astype(layout)
        numbers = self._cast(column, kind, field)
        self._check_bounds(numbers, field)
        return _numbers(numbers, layout)

    def _variable(self, column: pa.Array, field: FieldSpec, kind: Kind) -> pa.Array:
        if field.type == "string":
            return self._cast(_text(column), pa.large_binary(), field)
        if field.type == "binary":
            return self._cast(column, pa.large_binary(), field)
        values = [None if value is None else kind.write(value) for value in column.to_pylist()]
        return pa.array(values, pa.large_binary())

    def _check_bounds(self, numbers: pa.Array, field: FieldSpec) -> None:
        if field.type not in INTEGERS or field.type in ("int64", "uint64"):
            return
        low, high = INTEGERS[field.type]
        bounds = pc.min_max(numbers).as_py()
        if bounds["min"] is not None and not low <= bounds["min"] <= bounds["max"] <= high:
            raise self._misfit(field, f"it reaches from {bounds['min']} to {bounds['max']}")

    def _cast(self, column: pa.Array, kind: Any, field: FieldSpec) -> pa.Array:
        try:
            return pc.cast(column, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self._misfit(field, str(error)) from None

    def _misfit(self, field: FieldSpec, why: str) -> InvalidInput:
        return InvalidInput(
            f"column {field.name!r} of feature view {self.view.name} does not fit {field.type}: {why}",
            hint="declare the type that the source has",
        )


def write_batches(
    store: OnlineStore,
    encoder: BatchEncoder,
    batches: Iterable[pa.RecordBatch],
    *,
    progress: Progress | None = None,
) -> Materialised:
    """Write ``batches`` to ``store``, one at a time; call ``progress`` with each one's rows.

    Raises:
        InvalidInput: a column is missing or does not fit; earlier batches are written.
        Unavailable: the store does not answer; writing everything again is safe.
    """
    read = written = kept = skipped = 0
    for batch in batches:
        encoded = encoder.encode(batch)
        done = store.write(zip(encoded.keys, encoded.rows, strict=True))
        read += batch.num_rows
        written += done.written
        kept += done.kept
        skipped += encoded.skipped
        if progress is not None:
            progress(batch.num_rows)
    return Materialised(read, written, kept, skipped)


def _named(batch: pa.RecordBatch, view: ServedView, *names: str) -> pa.Array:
    for name in names:
        if name in batch.schema.names:
            return batch.column(name)
    raise InvalidInput(
        f"column {names[0]!r} is missing for feature view {view.name}",
        hint=suggest(names[0], batch.schema.names),
    )


def _join(*parts: Any) -> pa.Array:
    wrapped = [pa.scalar(p, pa.large_binary()) if isinstance(p, bytes) else p for p in parts]
    nothing = pa.scalar(b"", pa.large_binary())
    return pc.binary_join_element_wise(
        *wrapped, nothing, null_handling="replace", null_replacement=b""
    )


def _text(column: pa.Array) -> pa.Array:
    """Return text columns as such: dictionaries decoded, numbers written out."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.cast(column, pa.large_string())


def _micros(column: pa.Array, name: str, *, to: Any = INSTANT) -> Any:
    """Return instants as whole numbers in the unit of ``to``; without a zone they are UTC.

    Raises:
        InvalidInput: they are no instants, or out of range.
    """
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None and to.tz:
            column = pc.assume_timezone(column, "UTC")
        numbers = _numbers(pc.cast(pc.cast(column, to, safe=False), pa.int64()), "<i8")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"column {name!r} holds no instants: {error}", hint="make it a timestamp"
        ) from None
    if (
        to.unit == "us"
        and len(numbers)
        and not FIRST_US <= numbers.min() <= numbers.max() < LAST_US
    ):
        raise InvalidInput(
            f"column {name!r} has instants outside the years 1 to 9999",
            hint="correct them at the source, or leave those rows out",
        )
    return numbers


def _epoch(kind: Any) -> pa.Scalar:
    return pc.cast(pa.scalar(0, pa.int64() if kind.bit_width == 64 else pa.int32()), kind)


def _numbers(column: pa.Array, layout: str) -> Any:
    if pa.types.is_temporal(column.type):
        column = pc.cast(column, pa.int64() if column.type.bit_width == 64 else pa.int32())
    return pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(layout)


def _ordered(numbers: Any) -> Any:
    """Return signed microseconds as the unsigned numbers that compare in the same order."""
    return numbers.astype(np.int64).view(np.uint64) ^ np.uint64(SIGN)


def _bytes(numbers: Any) -> Any:
    return np.ascontiguousarray(numbers).view(np.uint8).reshape(len(numbers), numbers.itemsize)
