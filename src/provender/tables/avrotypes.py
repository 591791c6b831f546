"""Between Avro's types and Arrow's.

Source: the specification of Apache Avro 1.12, sections "Complex Types" and "Logical Types".
"""

import re
from typing import Any
from uuid import UUID

import fastavro
import pyarrow as pa
from fastavro.schema import SchemaParseException, UnknownType

from provender.core.errors import InvalidInput
from provender.tables.keeping import OTHERWISE

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PRIMITIVES = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
    "fixed": pa.binary(),
}
LOGICAL = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", tz="UTC"),
    "timestamp-micros": pa.timestamp("us", tz="UTC"),
    "timestamp-nanos": pa.timestamp("ns", tz="UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
    "uuid": pa.string(),
}
AVRO: dict[pa.DataType, Any] = {
    pa.bool_(): "boolean",
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()), "int"),
    **dict.fromkeys((pa.int64(), pa.uint32()), "long"),
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.binary(): "bytes",
    pa.date32(): {"type": "int", "logicalType": "date"},
    pa.time64("us"): {"type": "long", "logicalType": "time-micros"},
    pa.timestamp("us", tz="UTC"): {"type": "long", "logicalType": "timestamp-micros"},
    pa.timestamp("us"): {"type": "long", "logicalType": "local-timestamp-micros"},
}


def arrow_schema_of(schema: Any, file: str) -> pa.Schema:
    """Return the columns of the records of ``file``, which has the Avro ``schema``.

    Raises:
        InvalidInput: it has no records, or a field has a type that no column has.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record" or not schema["fields"]:
        raise InvalidInput(
            f"{file} holds no records with fields", hint="tables are files of Avro records"
        )
    named: dict[str, Any] = {}
    try:
        return pa.schema([_field(field, named) for field in schema["fields"]])
    except _NoColumn as error:
        raise InvalidInput(
            f"{file}: {error}", hint="write it as one type, or null and one"
        ) from error


def narrowed(schema: Any, names: list[str]) -> Any | None:
    """Return the record ``schema`` with the fields ``names`` alone; None if they do not stand alone."""
    fields = [field for field in schema["fields"] if field["name"] in names]
    kept = {key: schema[key] for key in ("type", "name", "namespace") if key in schema}
    try:
        return fastavro.parse_schema({**kept, "fields": fields}, _write_hint=False)
    except (SchemaParseException, UnknownType):
        return None


def batch_of(records: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    """Return ``records`` as columns of ``schema``."""
    columns = [
        pa.array([_plain(record[field.name]) for record in records], field.type) for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def avro_schema(schema: pa.Schema) -> dict[str, Any]:
    """Return the Avro schema of rows of ``schema``.

    Raises:
        InvalidInput: a column's name or type is none that Avro has.
    """
    problems: list[str] = []
    avro = _record("row", list(schema), problems)
    if problems:
        raise InvalidInput(f"Avro cannot hold {'; '.join(problems)}", hint=OTHERWISE)
    return avro


def records_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of ``batch`` as fastavro takes them: maps are dictionaries.

    Raises:
        ValueError: a map has a key twice, or an instant is beyond the years 1 to 9999.
    """
    try:
        records: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="strict")
    except (KeyError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return records


class _NoColumn(ValueError):
    """A type that no column has."""


def _field(field: Any, named: dict[str, Any]) -> pa.Field:
    kind, nullable = _type(field["type"], field["name"], named)
    return pa.field(field["name"], kind, nullable=nullable)


def _type(avro: Any, where: str, named: dict[str, Any]) -> tuple[pa.DataType, bool]:
    """Return the Arrow type, and whether it may be null. ``named`` are the types defined so far."""
    if isinstance(avro, list):
        some = [one for one in avro if one != "null"]
        if len(some) > 1:
            raise _NoColumn(f"field {where} is a union of {len(some)} types")
        kind = _type(some[0], where, named)[0] if some else pa.null()
        return kind, "null" in avro or not some
    if isinstance(avro, str):
        if avro in PRIMITIVES:
            return PRIMITIVES[avro], avro == "null"
        if named.get(avro) is None:
            raise _NoColumn(f"field {where} has the type {avro}, which contains itself")
        return named[avro], False
    return _complex(avro, where, named), False


def _complex(avro: Any, where: str, named: dict[str, Any]) -> pa.DataType:
    kind, name = avro["type"], avro.get("name", "")
    if name:
        named[name] = None
    match kind:
        case "record" | "error":
            found = pa.struct([_field(field, named) for field in avro["fields"]])
        case "array":
            item, nullable = _type(avro["items"], where, named)
            found = pa.list_(pa.field("item", item, nullable=nullable))
        case "map":
            value, nullable = _type(avro["values"], where, named)
            found = pa.map_(pa.string(), pa.field("value", value, nullable=nullable))
        case str() if avro.get("logicalType") == "decimal":
            found = pa.decimal128(avro["precision"], avro.get("scale", 0))
        case str() if avro.get("logicalType") in LOGICAL:
            found = LOGICAL[avro["logicalType"]]
        case _:
            found = _type(kind, where, named)[0]
    if name:
        named[name] = found
    return found


def _plain(value: Any) -> Any:
    """Return ``value`` with text for UUIDs, at any depth."""
    match value:
        case UUID():
            return str(value)
        case list() if value and isinstance(value[0], UUID | list | dict):
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
    return value


def _record(name: str, fields: list[pa.Field], problems: list[str]) -> dict[str, Any]:
    problems += [f"the name {field.name!r}" for field in fields if not NAME.match(field.name)]
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": f.name, "type": _avro(f"{name}_{n}", f, problems)}
            for n, f in enumerate(fields)
        ],
    }


def _avro(name: str, field: pa.Field, problems: list[str]) -> Any:
    kind = field.type
    avro: Any = AVRO.get(kind)
    if pa.types.is_decimal(kind):
        avro = {"type": "bytes", "logicalType": "decimal"}
        avro |= {"precision": kind.precision, "scale": kind.scale}
    elif pa.types.is_struct(kind):
        avro = _record(name, list(kind), problems)
    elif pa.types.is_list(kind):
        avro = {"type": "array", "items": _avro(name, kind.value_field, problems)}
    elif pa.types.is_map(kind) and kind.key_type == pa.string():
        avro = {"type": "map", "values": _avro(name, kind.item_field, problems)}
    if avro is None:
        problems.append(f"{field.name} ({kind})")
    return ["null", avro] if field.nullable else avro
