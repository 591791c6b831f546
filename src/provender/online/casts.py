"""Arrow columns to the numbers and bytes that rows hold, for writers only: brings pyarrow.

What does not fit the declared type is refused, with the column's name.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.serving import ServedView
from provender.online.kinds import FIRST_US, INTEGERS, LAST_US, Kind, kind_of

INSTANT = pa.timestamp("us", tz="UTC")
ARROW_TYPES: dict[str, Any] = {
    **{word: getattr(pa, word)() for word in INTEGERS},
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": INSTANT,
    "timestamp_ns": pa.timestamp("ns", tz="UTC"),
    "timestamp_local": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
}
"""The Arrow type whose numbers are those that rows hold."""


def numbers(column: pa.Array, field: FieldSpec, view: ServedView) -> Any:
    """Return a column as a numpy array of what its rows hold; 0 where null.

    Raises:
        InvalidInput: a value does not fit the field's type.
    """
    to = ARROW_TYPES[field.type]
    if pa.types.is_timestamp(to):
        return instants(column, field.name, to=to)
    found = _plain(cast(column, to, field, view))
    _check_rounded(column, found, field, view)
    bounds = kind_of(field.type).bounds
    if bounds and len(found) and not bounds[0] <= found.min() <= found.max() <= bounds[1]:
        raise _misfit(field, view, f"it reaches from {found.min()} to {found.max()}")
    return found


def variable(column: pa.Array, field: FieldSpec, kind: Kind, view: ServedView) -> pa.Array:
    """Return the bytes of a variable column, as large binary without nulls.

    Raises:
        InvalidInput: a value does not fit the field's type.
    """
    if field.type == "string":
        column = text(column)
    elif field.type != "binary":
        column = pa.array(_written(column, field, kind, view), pa.large_binary())
    found = cast(column, pa.large_binary(), field, view)
    return pc.fill_null(found, b"") if found.null_count else found


def _written(
    column: pa.Array, field: FieldSpec, kind: Kind, view: ServedView
) -> list[bytes | None]:
    """Return the bytes of each value; None where null. Arrow's maps are objects in JSON."""
    try:
        values = column.to_pylist(maps_as_pydicts="strict")
        return [None if value is None else kind.write(value) for value in values]
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise _misfit(field, view, str(error)) from None


def text(column: pa.Array) -> pa.Array:
    """Return text columns as such: dictionaries decoded, numbers written out."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.cast(column, pa.large_string())


NO_CAST = (pa.ArrowInvalid, pa.ArrowNotImplementedError)
"""A value does not fit; or Arrow knows no way from one type to the other, which no value could fit."""


def cast(column: pa.Array, to: Any, field: FieldSpec, view: ServedView) -> pa.Array:
    """Return the column as the Arrow type ``to``; refuse what it does not hold."""
    try:
        return pc.cast(column, to)
    except NO_CAST as error:
        raise _misfit(field, view, str(error)) from None


def instants(column: pa.Array, name: str, *, to: Any = INSTANT) -> Any:
    """Return instants as int64 in the unit of ``to``; without a zone they are UTC, null is 0.

    Raises:
        InvalidInput: they are no instants, or out of range.
    """
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None and to.tz:
            column = pc.assume_timezone(column, "UTC")
        found = _plain(pc.cast(pc.cast(column, to, safe=False), pa.int64()))
    except NO_CAST as error:
        raise InvalidInput(
            f"column {name!r} holds no instants: {error}", hint="make it a timestamp"
        ) from None
    if to.unit == "us" and len(found) and not FIRST_US <= found.min() <= found.max() <= LAST_US:
        raise InvalidInput(
            f"column {name!r} has instants outside the years 1 to 9999",
            hint="correct them at the source, or leave those rows out",
        )
    return found


def flags_of(column: pa.Array) -> Any:
    """Return a numpy array of truth values of a boolean column; False where null."""
    found = pc.fill_null(column, False) if column.null_count else column  # noqa: FBT003
    return found.to_numpy(zero_copy_only=False)


def binary_buffers(column: pa.Array) -> tuple[Any, Any]:
    """Return the offsets (one more than values) and all bytes of a large binary array."""
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64, len(column) + 1, 8 * column.offset)
    return ends, np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)


def binary_array(offsets: Any, data: Any) -> pa.Array:
    """Return a large binary array of the bytes between ``offsets``, without copying."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets, np.int64)), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def join(*parts: Any) -> pa.Array:
    """Return the large binary array whose values are those of ``parts``, one after another."""
    wrapped = [pa.scalar(p, pa.large_binary()) if isinstance(p, bytes) else p for p in parts]
    return pc.binary_join_element_wise(*wrapped, pa.scalar(b"", pa.large_binary()))


def _plain(column: pa.Array) -> Any:
    if pa.types.is_boolean(column.type):
        return flags_of(column)
    if pa.types.is_temporal(column.type):
        column = pc.cast(column, pa.int64() if column.type.bit_width == 64 else pa.int32())
    if column.null_count:
        column = pc.fill_null(column, 0)
    return column.to_numpy(zero_copy_only=False)


def _check_rounded(column: pa.Array, found: Any, field: FieldSpec, view: ServedView) -> None:
    """Refuse a finite number that is too large for a float of 32 bits."""
    if field.type != "float32" or column.type == pa.float32():
        return
    infinite = np.isinf(found)
    if infinite.any():
        wide = _plain(cast(column, pa.float64(), field, view))
        if not np.isinf(wide[infinite]).all():
            raise _misfit(field, view, f"{wide[infinite][0]} is beyond its range")


def _misfit(field: FieldSpec, view: ServedView, why: str) -> InvalidInput:
    return InvalidInput(
        f"column {field.name!r} of feature view {view.name} does not fit {field.type}: {why}",
        hint="declare the type that the source has",
    )
