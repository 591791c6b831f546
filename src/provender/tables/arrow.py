"""Between our type words and Arrow's types, and the one form in which rows are stored.

Stored rows have microsecond timestamps in UTC and none of Arrow's encodings (dictionaries,
large, view and fixed-size variants), so equal values are equal columns whatever made them.
"""

from collections import Counter
from enum import StrEnum

import pyarrow as pa

from provender.core import typewords as words
from provender.core.errors import InvalidInput
from provender.core.schema import Column, Schema
from provender.core.typewords import Word

SCALARS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ns": pa.timestamp("ns", tz="UTC"),
    "timestamp_local": pa.timestamp("us"),
}
_WORDS = {kind: word for word, kind in SCALARS.items()}
_ENCODINGS = {
    pa.large_string(): "string",
    pa.string_view(): "string",
    pa.large_binary(): "binary",
    pa.binary_view(): "binary",
    pa.float16(): "float32",
    pa.date64(): "date",
}


class Naive(StrEnum):
    """What a timestamp without a zone means."""

    UTC = "utc"  # it is an instant, written in UTC
    LOCAL = "local"  # it is a wall-clock reading, and stays one
    REFUSE = "refuse"  # nobody knows: an error


def quote(identifier: str) -> str:
    """Return ``identifier`` as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return ``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def type_word(kind: pa.DataType) -> str:
    """Return our word for an Arrow type; encodings of the same values have the same word.

    Raises:
        InvalidInput: there is no word for it.
    """
    return str(_word(kind))


def arrow_type(word: str) -> pa.DataType:
    """Return the Arrow type of a type word, in the form that is stored.

    Raises:
        InvalidInput: ``word`` is not a type word.
    """
    return _arrow(words.parse(word))


def schema_of(schema: pa.Schema) -> Schema:
    """Return the columns of an Arrow schema in our words.

    Raises:
        InvalidInput: a column's type has no word, or the names cannot be told apart.
    """
    _check_names(schema.names)
    return Schema(tuple(_column(field) for field in schema))


def without_null_types(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with strings for columns of Arrow's null type."""
    return pa.schema(
        [
            field.with_type(pa.string()) if pa.types.is_null(field.type) else field
            for field in schema
        ]
    )


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of stored rows with ``schema``."""
    return pa.schema(
        [
            pa.field(column.name, arrow_type(column.type), nullable=column.nullable)
            for column in schema.columns
        ]
    )


def stored_schema(schema: pa.Schema, *, event_timestamp: str | None, naive: Naive) -> Schema:
    """Return the schema that rows with the Arrow ``schema`` are stored with.

    Nanoseconds become microseconds; timestamps without a zone become what ``naive`` says; the
    event timestamp is never null.

    Raises:
        InvalidInput: a column cannot be stored; every such column is named.
    """
    found = schema_of(schema)
    unsaid = [c.name for c in found.columns if c.type == "timestamp_local"]
    if unsaid and naive is Naive.REFUSE:
        raise InvalidInput(
            f"timestamps without a time zone: {', '.join(unsaid)}",
            hint="give them a zone, or say assume_utc=True (--assume-utc) if they are UTC",
        )
    return Schema(
        tuple(
            Column(
                name=column.name,
                type=_stored_word(column.type, naive),
                nullable=column.nullable and column.name != event_timestamp,
            )
            for column in found.columns
        )
    )


def to_stored(batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with the types of ``target``.

    Raises:
        InvalidInput: a value would be changed by it, such as nanoseconds cut off.
    """
    arrays = []
    for field, array in zip(target, batch.columns, strict=True):
        try:
            arrays.append(array if array.type == field.type else array.cast(field.type))
        except pa.ArrowException as error:
            raise InvalidInput(
                f"column {field.name!r} cannot be kept as {type_word(field.type)}: {error}",
                hint="round or cast it first; timestamps are kept to the microsecond",
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _column(field: pa.Field) -> Column:
    try:
        return Column(name=field.name, type=type_word(field.type), nullable=field.nullable)
    except InvalidInput as error:
        raise InvalidInput(f"column {field.name!r}: {error.message}", hint=error.hint) from error


def _check_names(names: list[str]) -> None:
    if not names:
        raise InvalidInput("the rows have no columns", hint="give at least one column")
    if "" in names:
        raise InvalidInput("a column has no name", hint="name every column")
    occur = Counter(name.lower() for name in names)
    alike = sorted({name for name in names if occur[name.lower()] > 1})
    if alike:
        raise InvalidInput(
            f"column names differ only in case, or not at all: {', '.join(alike)}",
            hint="SQL cannot tell them apart; rename them",
        )


def _stored_word(word: str, naive: Naive) -> str:
    if word == "timestamp_ns" or (word == "timestamp_local" and naive is Naive.UTC):
        return "timestamp"
    return word


def _word(kind: pa.DataType) -> Word:
    simple = _WORDS.get(kind) or _ENCODINGS.get(kind)
    if simple is not None:
        return Word(simple)
    if isinstance(kind, pa.BaseExtensionType):
        return _word(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _word(kind.value_type)
    if pa.types.is_fixed_size_binary(kind):
        return Word("binary")
    if pa.types.is_time(kind) and kind.unit != "ns":
        return Word("time")
    if pa.types.is_timestamp(kind):
        return _timestamp(kind)
    if pa.types.is_decimal(kind) and kind.precision <= 38 and kind.scale >= 0:
        return words.decimal(kind.precision, kind.scale)
    return _nested(kind)


def _timestamp(kind: pa.DataType) -> Word:
    if kind.tz is None:
        return Word("timestamp_local")
    return Word("timestamp_ns" if kind.unit == "ns" else "timestamp")


def _nested(kind: pa.DataType) -> Word:
    if pa.types.is_map(kind):
        return words.map_of(_word(kind.key_type), _word(kind.item_type))
    if pa.types.is_struct(kind) and kind.num_fields:
        return words.struct_of((field.name, _word(field.type)) for field in kind)
    if hasattr(kind, "value_type"):
        return words.list_of(_word(kind.value_type))
    hint = "cast it to a type such as string or int64"
    if pa.types.is_null(kind):
        hint = "it holds nothing but nulls; " + hint
    raise InvalidInput(f"the Arrow type {kind} cannot be stored", hint=hint)


def _arrow(word: Word) -> pa.DataType:
    parts = [(name, _arrow(part)) for name, part in word.parts]
    match word.kind:
        case "decimal":
            return _decimal(word)
        case "list":
            return pa.list_(parts[0][1])
        case "map":
            return pa.map_(parts[0][1], parts[1][1])
        case "struct":
            return pa.struct(parts)
    return SCALARS[word.kind]


def _decimal(word: Word) -> pa.DataType:
    precision, scale = word.numbers
    if not 1 <= precision <= 38 or scale > precision:
        raise InvalidInput(
            f"{word} is not a type", hint="a decimal has 1 to 38 digits, no more of them fractional"
        )
    return pa.decimal128(precision, scale)
