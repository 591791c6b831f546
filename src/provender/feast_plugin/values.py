"""Single values between Feast's protobuf and Python, by the Feast type of their field."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.value_type import ValueType

FIELDS = {
    ValueType.BOOL: "bool_val",
    ValueType.INT32: "int32_val",
    ValueType.INT64: "int64_val",
    ValueType.FLOAT: "float_val",
    ValueType.DOUBLE: "double_val",
    ValueType.STRING: "string_val",
    ValueType.BYTES: "bytes_val",
    ValueType.JSON: "json_val",
    ValueType.UUID: "uuid_val",
    ValueType.TIME_UUID: "time_uuid_val",
    ValueType.PDF_BYTES: "pdf_bytes_val",
    ValueType.IMAGE_BYTES: "image_bytes_val",
    ValueType.DECIMAL: "decimal_val",
}
NO_TIMESTAMP = -(2**63)
"""What Feast writes for a timestamp that is null."""
NULL = Value()


def to_protos(values: Sequence[Any], value_type: ValueType) -> list[Value]:
    """Return one protobuf value per value; None is the empty one, NaN is NaN.

    Feast's timestamps are whole seconds: what is finer is cut off.
    """
    if value_type is ValueType.UNIX_TIMESTAMP:
        return [
            NULL if value is None else Value(unix_timestamp_val=_seconds(value)) for value in values
        ]
    field = FIELDS.get(value_type)
    if field is None:
        return list(python_values_to_proto_values(list(values), value_type))
    return [NULL if value is None else Value(**{field: value}) for value in values]


def to_python(value: Value) -> Any:
    """Return the Python value that we store for a protobuf value; None for the empty one."""
    field = value.WhichOneof("val")
    if field is None:
        return None
    if field == "unix_timestamp_val":
        seconds = value.unix_timestamp_val
        return None if seconds == NO_TIMESTAMP else datetime.fromtimestamp(seconds, UTC)
    if field in FIELDS.values():
        return getattr(value, field)
    found = feast_value_type_to_python_type(value)
    if isinstance(found, list | set):
        items = [str(item) if isinstance(item, UUID | Decimal) else item for item in found]
        return sorted(items) if isinstance(found, set) else items
    return found


def is_null(value: Value) -> bool:
    """Return whether ``value`` is the empty one."""
    return value.WhichOneof("val") is None


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp() // 1)
