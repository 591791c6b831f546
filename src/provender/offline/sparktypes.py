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


def spark_reads(kind: pa.DataType) -> bool:
    """Return whether Spark reads a Parquet column of this type itself, every value exactly."""
    if pa.types.is_dictionary(kind):
        return spark_reads(kind.value_type)
    if pa.types.is_map(kind):
        return spark_reads(kind.key_type) and spark_reads(kind.item_type)
    if _is_list(kind):
        return spark_reads(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(spark_reads(field.type) for field in kind)
    return any(test(kind) for test in PLAIN)


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
