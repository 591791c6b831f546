"""What a contract wants counted and no profile holds by itself: missing and invalid values."""

import json
from collections.abc import Iterable, Sequence

import duckdb

from provender.core import typewords as words
from provender.core.contracts import PLAIN, Expectation, Metric, Valid
from provender.core.profiles import Measure
from provender.core.schema import Schema
from provender.tables.arrow import literal, quote
from provender.tables.session import session

NUMBERS = frozenset(
    {"float32", "float64", "decimal", "int8", "int16", "int32", "int64"}
) | frozenset({"uint8", "uint16", "uint32", "uint64"})

INSTANTS = frozenset({"date", "timestamp", "timestamp_local", "timestamp_ns"})


def count(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    schema: Schema,
    expectations: Iterable[Expectation],
) -> tuple[Measure, ...]:
    """Return for each of ``expectations`` how many rows of ``view`` are so, in one scan.

    Those are left out that cannot be counted: of several columns, of ones that are not there, by
    patterns that DuckDB does not know (RE2 has neither look-ahead nor back references).
    """
    counted = {
        one.measure: f"count(*) FILTER ({_condition(one, schema)})"
        for one in expectations
        if len(one.columns) == 1 and one.columns[0] in schema and _is_known(connection, one.valid)
    }
    if not counted:
        return ()
    found = connection.execute(f"SELECT {', '.join(counted.values())} FROM {view}").fetchone()
    return tuple(
        Measure(name=name, value=value) for name, value in zip(counted, found or (), strict=True)
    )


def can_match(pattern: str) -> bool:
    """Return whether values can be looked at for ``pattern``."""
    with session() as connection:
        return _is_known(connection, Valid(pattern=pattern))


def _is_known(connection: duckdb.DuckDBPyConnection, valid: Valid | None) -> bool:
    if valid is None or not valid.pattern:
        return True
    try:
        connection.execute(f"SELECT regexp_matches('', {literal(valid.pattern)})")
    except duckdb.Error:
        return False
    return True


def _condition(expectation: Expectation, schema: Schema) -> str:
    (name,) = expectation.columns
    column = quote(name)
    kind = words.parse(schema.column(name).type).kind
    is_number = kind in NUMBERS
    if expectation.metric is Metric.MISSING_VALUES:
        return _is_one_of(column, expectation.missing, is_number=is_number)
    valid = " AND ".join(_is_valid(column, expectation.valid or Valid(), kind=kind))
    return f"{column} IS NOT NULL AND NOT coalesce({valid or 'true'}, false)"


def _is_valid(column: str, valid: Valid, *, kind: str) -> Iterable[str]:
    if valid.values:
        yield f"({_is_one_of(column, valid.values, is_number=kind in NUMBERS)})"
    if valid.pattern:
        yield f"regexp_matches({column}::VARCHAR, {literal(valid.pattern)})"
    if valid.least is not None:
        yield f"try_cast({column} AS DOUBLE) >= {valid.least!r}"
    if valid.most is not None:
        yield f"try_cast({column} AS DOUBLE) <= {valid.most!r}"
    instant = column if kind in INSTANTS else f"{column}::VARCHAR"
    for sign, end in ((">=", valid.first), ("<=", valid.last)):
        if end is not None:
            yield f"try_cast({instant} AS TIMESTAMPTZ) {sign} {literal(end.isoformat())}::TIMESTAMPTZ"
    if valid.shortest is not None:
        yield f"length({column}::VARCHAR) >= {valid.shortest}"
    if valid.longest is not None:
        yield f"length({column}::VARCHAR) <= {valid.longest}"


def _is_one_of(column: str, values: Sequence[PLAIN], *, is_number: bool) -> str:
    """Numbers are compared as numbers, everything else by how it is written."""
    parts = [f"{column} IS NULL"] if None in values else []
    said = [value for value in values if value is not None]
    numbers = [value for value in said if isinstance(value, int | float) and value is not True]
    if is_number and numbers:
        listed = ", ".join(repr(float(value)) for value in numbers)
        parts.append(f"try_cast({column} AS DOUBLE) IN ({listed})")
    if said:
        listed = ", ".join(literal(_written(value)) for value in said)
        parts.append(f"coalesce({column}::VARCHAR IN ({listed}), false)")
    return " OR ".join(parts) or "false"


def _written(value: PLAIN) -> str:
    return value if isinstance(value, str) else json.dumps(value)
