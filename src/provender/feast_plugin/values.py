"""Single values between Feast's protobuf and Python, by the Feast type of their field."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from feast.protos.feast.types.Value_pb2 import (
    BoolList,
    BytesList,
    DoubleList,
    Int64List,
    Map,
    MapList,
    RepeatedValue,
    StringList,
    Value,
)
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
    ValueType.PDF_BYTES: "bytes_val",
    ValueType.IMAGE_BYTES: "bytes_val",
    ValueType.DECIMAL: "decimal_val",
}
AS_THEY_ARE = frozenset(FIELDS.values())
"""Fields whose values we store."""
MAPS = {ValueType.MAP: "map_val", ValueType.STRUCT: "struct_val"}
MAP_LISTS = {ValueType.MAP_LIST: "map_list_val", ValueType.STRUCT_LIST: "struct_list_val"}
NESTED = {ValueType.VALUE_LIST: "list_val", ValueType.VALUE_SET: "set_val"}
"""Lists and sets of lists and sets."""
NO_TIMESTAMP = -(2**63)
"""What Feast writes for a timestamp that is null."""
NULL = Value()
INT64 = range(-(2**63), 2**63)


def to_protos(values: Sequence[Any], value_type: ValueType) -> list[Value]:
    """Return one protobuf value per value; None is the empty one, NaN is NaN.

    Feast's timestamps are whole seconds: what is finer is cut off.
    """
    if value_type in FIELDS:
        field = FIELDS[value_type]
        return [NULL if value is None else Value(**{field: value}) for value in values]
    if value_type is ValueType.UNIX_TIMESTAMP:
        return [
            NULL if value is None else Value(unix_timestamp_val=_seconds(value)) for value in values
        ]
    if value_type in MAPS:
        field = MAPS[value_type]
        return [NULL if value is None else Value(**{field: _map(value)}) for value in values]
    if value_type in MAP_LISTS:
        field = MAP_LISTS[value_type]
        return [NULL if value is None else Value(**{field: _maps(value)}) for value in values]
    if value_type in NESTED:
        field = NESTED[value_type]
        return [NULL if value is None else Value(**{field: _repeated(value)}) for value in values]
    return list(python_values_to_proto_values(list(values), value_type))


def to_python(value: Value) -> Any:
    """Return the Python value that we store for a protobuf value; None for the empty one."""
    field = value.WhichOneof("val")
    if field is None:
        return None
    found = getattr(value, field)
    if field == "unix_timestamp_val":
        return _instant(found)
    if field in AS_THEY_ARE:
        return found
    if field in NESTED.values():
        return [to_python(item) for item in found.val]
    if field in ("unix_timestamp_list_val", "unix_timestamp_set_val"):
        return [_instant(seconds) for seconds in found.val]
    if field in MAP_LISTS.values() or not field.endswith(("_list_val", "_set_val")):
        return feast_value_type_to_python_type(value)
    return list(found.val)


def is_null(value: Value) -> bool:
    """Return whether ``value`` is the empty one."""
    return value.WhichOneof("val") is None


def _instant(seconds: int) -> datetime | None:
    return None if seconds == NO_TIMESTAMP else datetime.fromtimestamp(seconds, UTC)


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp() // 1)


def _any(value: Any) -> Value:
    """Return a value of no declared type, as Feast infers it; also what Feast refuses to infer."""
    match value:
        case None:
            return NULL
        case bool():
            return Value(bool_val=value)
        case int():
            return Value(int64_val=value) if value in INT64 else Value(double_val=value)
        case float():
            return Value(double_val=value)
        case str():
            return Value(string_val=value)
        case bytes():
            return Value(bytes_val=value)
        case datetime():
            return Value(unix_timestamp_val=_seconds(value))
        case dict():
            return Value(map_val=_map(value))
    return _list(value)


def _list(items: Sequence[Any]) -> Value:
    """Return a list in which all are of one type as Feast has it, else one of single values."""
    kinds = {type(item) for item in items}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is bool:
        return Value(bool_list_val=BoolList(val=items))
    if kind is int and all(item in INT64 for item in items):
        return Value(int64_list_val=Int64List(val=items))
    if kind is float:
        return Value(double_list_val=DoubleList(val=items))
    if kind is str:
        return Value(string_list_val=StringList(val=items))
    if kind is bytes:
        return Value(bytes_list_val=BytesList(val=items))
    if kind is datetime:
        return Value(unix_timestamp_list_val=Int64List(val=map(_seconds, items)))
    if kind is dict:
        return Value(map_list_val=_maps(items))
    return Value(list_val=_repeated(items))


def _repeated(items: Sequence[Any]) -> RepeatedValue:
    return RepeatedValue(val=map(_any, items))


def _map(items: dict[str, Any]) -> Map:
    made = Map()
    for name, item in items.items():
        made.val[name].CopyFrom(_any(item))
    return made


def _maps(items: Sequence[dict[str, Any] | None]) -> MapList:
    """Return a list of maps; it cannot hold a null, which becomes an empty map."""
    return MapList(val=[_map(item or {}) for item in items])
