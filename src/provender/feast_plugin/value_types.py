"""Feast's types and our type words, both ways. Knows nothing of data."""

from typing import TypeGuard

from feast.types import Array, FeastType, Set
from feast.value_type import ValueType

from provender.core.errors import InvalidInput

SCALARS = {
    ValueType.BOOL: "bool",
    ValueType.INT32: "int32",
    ValueType.INT64: "int64",
    ValueType.FLOAT: "float32",
    ValueType.DOUBLE: "float64",
    ValueType.STRING: "string",
    ValueType.BYTES: "binary",
    ValueType.UNIX_TIMESTAMP: "timestamp",
    ValueType.JSON: "string",
    ValueType.UUID: "string",
    ValueType.TIME_UUID: "string",
    ValueType.PDF_BYTES: "binary",
    ValueType.IMAGE_BYTES: "binary",
    ValueType.DECIMAL: "string",
    ValueType.MAP: "map<string,json>",
    ValueType.STRUCT: "struct<json>",
}
WORDS = SCALARS | {
    ValueType[f"{kind.name}_{many}"]: f"{many.lower()}<{word}>"
    for kind, word in SCALARS.items()
    for many in ("LIST", "SET")
    if f"{kind.name}_{many}" in ValueType.__members__
}
"""Types that say all of themselves: of lists in lists Feast's value type says nothing."""
UNFILLED = {
    ValueType.SCALAR_MAP: "Arrow has no such maps, and Feast's HTTP answers null for them",
    ValueType.ZONED_TIMESTAMP: "instants come out of Arrow in a form that it refuses",
}
"""What Feast 0.67 declares and cannot fill, neither by materialising nor by pushing, and why."""
INFERRED = {
    "bool": ValueType.BOOL,
    "int8": ValueType.INT32,
    "int16": ValueType.INT32,
    "int32": ValueType.INT32,
    "uint8": ValueType.INT32,
    "uint16": ValueType.INT32,
    "int64": ValueType.INT64,
    "uint32": ValueType.INT64,
    "uint64": ValueType.INT64,
    "float32": ValueType.FLOAT,
    "float64": ValueType.DOUBLE,
    "string": ValueType.STRING,
    "binary": ValueType.BYTES,
    "date": ValueType.UNIX_TIMESTAMP,
    "timestamp": ValueType.UNIX_TIMESTAMP,
    "timestamp_ns": ValueType.UNIX_TIMESTAMP,
    "timestamp_local": ValueType.UNIX_TIMESTAMP,
}


def field_word(dtype: FeastType, *, where: str) -> str:
    """Return the type word of a field's Feast type; ``where`` names the field in the error.

    Lists and sets in one another are lists: Feast keeps what is twice in those, and so do we.

    Raises:
        InvalidInput: we keep no such values.
    """
    if _holds_many(dtype) and _holds_many(dtype.base_type):
        return _nested_word(dtype, where=where)
    return type_word(dtype.to_value_type(), where=where)


def _nested_word(dtype: FeastType, *, where: str) -> str:
    if _holds_many(dtype):
        return f"list<{_nested_word(dtype.base_type, where=where)}>"
    return type_word(dtype.to_value_type(), where=where)


def _holds_many(dtype: FeastType) -> TypeGuard[Array | Set]:
    return isinstance(dtype, Array | Set)


def type_word(value_type: ValueType, *, where: str) -> str:
    """Return the type word of a Feast value type; ``where`` names the field in the error.

    Raises:
        InvalidInput: we keep no such values.
    """
    if value_type in UNFILLED:
        raise InvalidInput(
            f"{where} has Feast's type {value_type.name}, which Feast 0.67 itself cannot fill: "
            f"{UNFILLED[value_type]}",
            hint="keep the instant as UNIX_TIMESTAMP with the zone as STRING beside it, or the map as MAP",
        )
    word = WORDS.get(value_type)
    if word is None:
        raise InvalidInput(
            f"{where} has Feast's type {value_type.name}, which is not supported",
            hint=f"types are {', '.join(sorted({kind.name for kind in SCALARS}))} and lists and sets of them",
        )
    return word


def value_type(word: str) -> ValueType:
    """Return the Feast value type that a column of the type ``word`` is served as.

    Raises:
        InvalidInput: Feast has none.
    """
    if word in INFERRED:
        return INFERRED[word]
    if word.startswith("list<"):
        element = value_type(word.removeprefix("list<").removesuffix(">"))
        name = f"{element.name}_LIST"
        if name in ValueType.__members__:
            return ValueType[name]
    raise InvalidInput(
        f"a column of type {word} has no Feast type",
        hint="leave it out of the feature view's schema, or publish it as another type",
    )
