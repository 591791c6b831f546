"""Segments of the lookup log as rows: one per entity that was asked for, exactly as answered."""

import base64
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

import pyarrow as pa

from provender.core.lookuplog import (
    LOG_DATE,
    LOG_TIMESTAMP,
    MANIFEST,
    REQUEST_ID,
    ROW,
    STATUSES,
    LogShape,
)
from provender.tables.arrow import arrow_type
from provender.tables.features import feature_type, object_text

Record = dict[str, Any]
Read = Callable[[Any], Any]


def log_schema(shape: LogShape) -> pa.Schema:
    """Return the schema of the rows of segments of ``shape``."""
    return pa.schema([pa.field(name, feature_type(word)) for name, word in shape.columns()])


def log_rows(shape: LogShape, records: list[Record]) -> pa.Table:
    """Return the rows of a segment."""
    columns: dict[str, Iterable[Any]] = {}
    for at, field in enumerate(shape.given):
        columns[field.name] = _all(records, "given", at)
    for at, feature in enumerate(shape.features):
        columns[feature.column] = _all(records, "values", at)
        stamps = _all(records, "event_us", at)
        columns[f"{feature.column}__timestamp"] = (us or None for us in stamps)
        statuses = _all(records, "statuses", at)
        columns[f"{feature.column}__status"] = (STATUSES[word] for word in statuses)
    columns[LOG_TIMESTAMP] = _each(records, "at_us")
    columns[REQUEST_ID] = _each(records, "id")
    columns[ROW] = chain.from_iterable(range(record["rows"]) for record in records)
    columns[MANIFEST] = repeat(shape.manifest, sum(record["rows"] for record in records))
    stamped = _array(columns[LOG_TIMESTAMP], arrow_type("timestamp"))
    made = {
        field.name: _array(columns[field.name], field.type)
        for field in log_schema(shape)
        if field.name not in (LOG_TIMESTAMP, LOG_DATE)
    }
    made |= {LOG_TIMESTAMP: stamped, LOG_DATE: stamped.cast(pa.date32())}
    return pa.table(made).select(log_schema(shape).names)


def together(tables: list[pa.Table]) -> pa.Table:
    """Return the rows of all ``tables``, with the columns of each; null where one has none.

    Raises:
        pyarrow.ArrowTypeError: two have a column of the same name and different types.
    """
    return pa.concat_tables(tables, promote_options="default")


def _all(records: list[Record], what: str, at: int) -> Iterable[Any]:
    return chain.from_iterable(record[what][at] for record in records)


def _each(records: list[Record], what: str) -> Iterable[Any]:
    return chain.from_iterable(repeat(record[what], record["rows"]) for record in records)


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    read = _reader(kind)
    return pa.array([None if value is None else read(value) for value in values], kind)


def _reader(kind: pa.DataType) -> Read:
    """Return what makes the Python value of a JSON one that is not null."""
    if pa.types.is_list(kind):
        inner = _reader(kind.value_type)
        return lambda values: [None if value is None else inner(value) for value in values]
    if pa.types.is_struct(kind):
        inside = {field.name: _reader(field.type) for field in kind}
        return lambda value: {
            name: None if item is None else inside[name](item) for name, item in value.items()
        }
    if pa.types.is_map(kind):
        key, item = _reader(kind.key_type), _reader(kind.item_type)
        return lambda value: [
            (key(k), None if v is None else item(v))
            for k, v in (value.items() if isinstance(value, dict) else value)
        ]
    for fits, read in READERS:
        if fits(kind):
            return read
    return lambda value: value


def _instant(value: str | int) -> datetime | int:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else object_text(value)


READERS: tuple[tuple[Callable[[pa.DataType], bool], Read], ...] = (
    (pa.types.is_floating, float),
    (pa.types.is_binary, base64.b64decode),
    (pa.types.is_date, date.fromisoformat),
    (pa.types.is_time, time.fromisoformat),
    (pa.types.is_timestamp, _instant),
    (pa.types.is_decimal, Decimal),
    (pa.types.is_string, _text),
)
