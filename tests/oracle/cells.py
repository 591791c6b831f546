"""Arrow columns as plain Python values, exact: no float on the way of an integer, no clock zone."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
DAY_MICROS = 86_400_000_000


def values(column):
    """The values of a column; a timestamp is its nanoseconds since 1970, in UTC or as read off the wall."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return values(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        scale = NANOS[kind.unit]
        return [None if v is None else v * scale for v in column.cast(pa.int64()).to_pylist()]
    return column.to_pylist()


def micros(column):
    """Instants as microseconds since 1970; what has no zone is UTC, a date is its midnight."""
    if pa.types.is_timestamp(column.type):
        return [None if v is None else v // 1000 for v in values(column)]
    if pa.types.is_date32(column.type):
        days = column.cast(pa.int32()).to_pylist()
        return [None if day is None else day * DAY_MICROS for day in days]
    return [None if text is None else _read(text) for text in values(column)]


def comparable(cells):
    """``cells`` such that ``==`` tells all apart that differ, and NaN from nothing but itself."""
    return [_comparable(cell) for cell in cells]


def _read(text):
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def _comparable(cell):
    if isinstance(cell, float):
        return repr(cell) if cell != cell or cell == 0 else cell
    if isinstance(cell, list):
        return [_comparable(item) for item in cell]
    if isinstance(cell, dict):
        return [(name, _comparable(item)) for name, item in cell.items()]
    return cell
