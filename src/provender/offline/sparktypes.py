"""Arrow types on their way to Spark and back: which Spark reads itself, and what stands for the others.

Spark has no times of day, no nanoseconds, no unsigned integers. Times and nanoseconds travel as
integers; unsigned integers as the next wider type, which Spark itself makes of them. What comes
back is cast to the type that it had, so nothing of this is seen.
"""

from collections.abc import Callable

import pyarrow as pa

from provender.core.errors import InvalidInput

Test = Callable[[pa.DataType], bool]
PLAIN: tuple[Test, ...] = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_float32, pa.types.is_float64,
    pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
    pa.types.is_fixed_size_binary, pa.types.is_date32, pa.types.is_timestamp, pa.types.is_decimal128,
    pa.types.is_decimal32, pa.types.is_decimal64,
)  # fmt: skip


def spark_reads(kind: pa.DataType, *, as_: pa.DataType) -> bool:
    """Return whether Spark itself finds in a Parquet column of this type what DuckDB gives ``as_``."""
    found = _plain(kind)
    return found is not None and found == _plain(as_)


def _plain(kind: pa.DataType) -> pa.DataType | None:
    """The type without Arrow's encodings and zones, which Parquet does not keep; None if not for Spark."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_map(kind):
        return _nested("map", [_plain(kind.key_type), _plain(kind.item_type)])
    if _is_list(kind):
        return _nested("list", [_plain(kind.value_type)])
    if pa.types.is_struct(kind):
        return _nested(
            "struct", [_plain(field.type) for field in kind], [field.name for field in kind]
        )
    if not any(test(kind) for test in PLAIN):
        return None
    if pa.types.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        return pa.timestamp(unit, "UTC" if kind.tz else None)
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    return kind


def _nested(
    shape: str, parts: list[pa.DataType | None], names: list[str] | None = None
) -> pa.DataType | None:
    if not parts or None in parts:
        return None
    if shape == "map":
        return pa.map_(*parts)
    return (
        pa.list_(*parts)
        if shape == "list"
        else pa.struct(list(zip(names or [], parts, strict=True)))
    )


def wire_type(kind: pa.DataType, column: str) -> pa.DataType:
    """Return the type in which values of ``kind`` are written for Spark.

    Raises:
        InvalidInput: there is none; ``column`` is named.
    """
    if pa.types.is_null(kind):
        return pa.bool_()
    if pa.types.is_time(kind):
        return pa.int64() if pa.types.is_time64(kind) else pa.int32()
    if pa.types.is_dictionary(kind):
        return wire_type(kind.value_type, column)
    if pa.types.is_map(kind):
        return pa.map_(wire_type(kind.key_type, column), wire_type(kind.item_type, column))
    if _is_list(kind):
        return pa.list_(wire_type(kind.value_type, column))
    if pa.types.is_struct(kind) and kind.num_fields:
        return pa.struct([(field.name, wire_type(field.type, column)) for field in kind])
    if any(test(kind) for test in PLAIN):
        return kind
    raise InvalidInput(
        f"column {column} has the type {kind}, which Spark does not have",
        hint=f"leave {column} out, cast it in the source, or use engine: duckdb",
    )


def restored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return what came back from Spark in the type that it had before."""
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    if pa.types.is_dictionary(kind):
        return values.cast(kind.value_type).dictionary_encode().cast(kind)
    return values if values.type == kind else values.cast(kind)


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
