"""Columns that are a linear function of another: guessed from a sample, then proved by all rows.

Such a column says nothing of its own. Where it does so by mistake (a unit converted twice, a copy
for a measurement), nothing else in a profile shows it.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import duckdb

from provender.core.profiles import ColumnProfile, Relation
from provender.tables.arrow import quote

MOST_COLUMNS = 40
SAMPLED = 1_000
SEED = 7
LEAST_SAMPLED = 5
LEAST_ROWS = 1_000
LEAST_VALUES = 10
"""Fewer distinct values fit a line by chance."""
EXACT = 1e-6
"""What a value may be off, in parts of the values' deviation: floats are rounded."""
GREATEST = 1e100
"""Greater numbers have no squares."""

Numbers = list[float | None]


def linear(
    connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[ColumnProfile]
) -> list[Relation]:
    """Return for each numeric column of ``view`` by which earlier one it is given, if by any.

    Rows in which either is null do not count; there must be `LEAST_ROWS` others. Of very many
    columns the first `MOST_COLUMNS` are looked at.
    """
    names = [column.column for column in columns if _varies(column)][:MOST_COLUMNS]
    if len(names) < 2:
        return []
    sample = _sample(connection, view, names)
    likely = [
        (one, other)
        for one, other in combinations(names, 2)
        if _is_linear(sample[one], sample[other])
    ]
    found: dict[str, Relation] = {}
    for of, column in likely:
        if column not in found and (relation := _proved(connection, view, column, of)):
            found[column] = relation
    return list(found.values())


def _varies(column: ColumnProfile) -> bool:
    bounds = [abs(edge) for edge in column.edges]
    many = column.distinct is not None and column.distinct >= LEAST_VALUES
    return many and column.filled >= LEAST_ROWS and bool(bounds) and max(bounds) < GREATEST


def _sample(
    connection: duckdb.DuckDBPyConnection, view: str, names: Sequence[str]
) -> dict[str, Numbers]:
    numbers = ", ".join(f"{_number(name)} AS c{n}" for n, name in enumerate(names))
    rows = connection.execute(
        f"SELECT {numbers} FROM (FROM {view} USING SAMPLE reservoir({SAMPLED} ROWS) REPEATABLE ({SEED}))"
    ).fetchall()
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def _number(name: str) -> str:
    return f"CASE WHEN isfinite({quote(name)}::DOUBLE) THEN {quote(name)}::DOUBLE END"


def _is_linear(of: Numbers, column: Numbers) -> bool:
    """Whether the line through the two pairs that lie farthest apart goes through all of them."""
    pairs = list(_pairs(of, column))
    if len(pairs) < LEAST_SAMPLED:
        return False
    (x1, y1), (x2, y2) = min(pairs), max(pairs)
    if x1 == x2 or y1 == y2:
        return False
    slope = (y2 - y1) / (x2 - x1)
    allowed = EXACT * abs(y2 - y1)
    return all(abs(y - (y1 + slope * (x - x1))) <= allowed for x, y in pairs)


def _pairs(of: Numbers, column: Numbers) -> Iterator[tuple[float, float]]:
    for x, y in zip(of, column, strict=True):
        if x is not None and y is not None:
            yield x, y


def _proved(
    connection: duckdb.DuckDBPyConnection, view: str, column: str, of: str
) -> Relation | None:
    """The line through all rows in which both are there, if each is on it."""
    rows = f"(SELECT {_number(of)} AS x, {_number(column)} AS y FROM {view})"
    fit = connection.execute(
        "SELECT count(*), count(DISTINCT x), regr_slope(y, x), regr_intercept(y, x), "
        f"stddev_pop(y), avg(abs(y)) FROM {rows} WHERE x IS NOT NULL AND y IS NOT NULL"
    ).fetchone()
    if fit is None or fit[0] < LEAST_ROWS or fit[1] < LEAST_VALUES or not fit[4]:
        return None
    count, _, slope, intercept, deviation, size = fit
    if intercept and abs(intercept) <= EXACT * size:
        intercept = 0.0
    slope = _short(slope)
    (off,) = connection.execute(
        f"SELECT max(abs(y - (? * x + ?))) FROM {rows}", [slope, intercept]
    ).fetchone() or (math.inf,)
    if off is None or off > EXACT * deviation * 10:
        return None
    return Relation(column=column, of=of, slope=slope, intercept=_short(intercept), rows=count)


def _short(number: float) -> float:
    """The number as people would have written it: ten digits of it."""
    return float(f"{number:.10g}")
