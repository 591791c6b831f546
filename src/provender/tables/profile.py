"""Profiles: what the columns of a table hold, counted by DuckDB in memory that rows do not add to.

One scan per group of columns takes counts, ends, and estimated quantiles and numbers of distinct
values; a second one takes means and fills the bins. Columns of few values, and keys, are counted
exactly by grouping, which goes to the disk where it has to. Columns that are a linear function of
another are looked for in `tables.relations`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import duckdb

from provender.core import typewords as words
from provender.core.contracts import Expectation
from provender.core.profiles import QUANTILES, ColumnProfile, KeyCount, Profile
from provender.core.schema import Schema
from provender.tables import measures, relations
from provender.tables.arrow import quote

Progress = Callable[[str, float], None]
"""Told what is done now, and how much of it is, from 0 to 1."""

VIEW = "rows_to_profile"
NARROW = "columns_to_profile"
COLUMNS_AT_ONCE = 40
BINS = 32
FEW_VALUES = 10_000
"""Columns of about so many distinct values or fewer are counted exactly."""
MOST_WHOLE = 2**52
"""Greater numbers have no halves between them."""
LISTED = 32
LEAST_ROWS = 10
"""A value that fewer rows have may point at somebody, so it is not listed among the frequent."""
LETTERS = 100
"""Longer texts are cut: a profile is small, whatever the values are."""

_FLOATS = frozenset({"float32", "float64"})
_WHOLE = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
_INSTANTS = frozenset({"date", "timestamp", "timestamp_local", "timestamp_ns"})
_NESTED = frozenset({"list", "map", "struct"})


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a column is counted: its kind, and the SQL of it as it is and as a number."""

    name: str
    kind: str

    @property
    def value(self) -> str:
        """The column, null where it is not finite."""
        column = quote(self.name)
        if self.kind in _FLOATS | _INSTANTS:
            return f"CASE WHEN isfinite({column}) THEN {column} END"
        return column

    @property
    def number(self) -> str | None:
        if self.kind in _FLOATS | _WHOLE or self.kind == "decimal":
            return f"({self.value})::DOUBLE"
        if self.kind == "date":
            return f"epoch_us(({self.value})::TIMESTAMP) / 1e6"
        if self.kind in _INSTANTS or self.kind == "time":
            return f"epoch_us({self.value}) / 1e6"
        return None

    @property
    def is_plain(self) -> bool:
        """Whether its values can be told apart, ordered and written as text."""
        return self.kind not in _NESTED and self.kind != "binary"


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the first scan tells of a column of numbers: what the bins are laid over."""

    lowest: float
    highest: float
    quantiles: tuple[float, ...]


def profile(
    relation: duckdb.DuckDBPyRelation,
    schema: Schema,
    connection: duckdb.DuckDBPyConnection,
    *,
    keys: Sequence[Sequence[str]] = (),
    counted: Sequence[Expectation] = (),
    progress: Progress = lambda stage, done: None,
) -> Profile:
    """Return the profile of ``relation``, whose columns are those of ``schema``.

    ``keys`` are columns, alone or several together, of which repeated values are counted exactly;
    ``counted`` is what a contract expects of numbers that are counted for it alone. What is of
    columns that are not there is left out.
    """
    relation.create_view(VIEW, replace=True)
    shapes = [_Shape(column.name, words.parse(column.type).kind) for column in schema.columns]
    (count,) = _one(connection, f"SELECT count(*) FROM {VIEW}")
    groups = list(_groups(shapes))
    exact: list[ColumnProfile] = []
    for number, group in enumerate(groups):
        progress("profiling the columns", number / len(groups))
        with _narrowed(connection, group, is_wide=len(groups) > 1) as view:
            found = _group(connection, view, group, count)
            pairs = zip(group, found, strict=True)
            exact += [_exact(connection, view, shape, one) for shape, one in pairs]
    progress("looking for columns that others give", 0.0)
    numbers = [
        shape.name for shape in shapes if shape.number and shape.kind not in _INSTANTS | {"time"}
    ]
    linear = relations.linear(connection, VIEW, [one for one in exact if one.column in numbers])
    progress("looking for repeated keys", 0.0)
    there = [tuple(key) for key in keys if all(column in schema for column in key)]
    repeated = tuple(_key(connection, key) for key in there)
    measured = measures.count(connection, VIEW, schema, counted)
    connection.execute(f"DROP VIEW {VIEW}")
    return Profile(
        row_count=count,
        columns=tuple(_with_key(one, repeated) for one in exact),
        relations=tuple(linear),
        keys=repeated,
        measures=measured,
    )


@contextmanager
def _narrowed(
    connection: duckdb.DuckDBPyConnection, group: Sequence[_Shape], *, is_wide: bool
) -> Iterator[str]:
    """What the columns of ``group`` are read from: of a wide table a copy of these columns alone.

    Each query of a table of thousands of columns looks at all their names first, and there is a
    query for each column.
    """
    if not is_wide:
        yield VIEW
        return
    listed = ", ".join(quote(shape.name) for shape in group)
    connection.execute(f"CREATE TEMP TABLE {NARROW} AS SELECT {listed} FROM {VIEW}")
    try:
        yield NARROW
    finally:
        connection.execute(f"DROP TABLE {NARROW}")


def _groups(shapes: Sequence[_Shape]) -> Iterator[Sequence[_Shape]]:
    for start in range(0, len(shapes), COLUMNS_AT_ONCE):
        yield shapes[start : start + COLUMNS_AT_ONCE]


def _group(
    connection: duckdb.DuckDBPyConnection, view: str, group: Sequence[_Shape], count: int
) -> list[ColumnProfile]:
    """Two scans of a few columns."""
    first = _one(connection, f"SELECT {', '.join(map(_first_scan, group))} FROM {view}")
    columns = []
    ends: dict[str, _Ends] = {}
    for shape, answer in zip(group, first, strict=True):
        columns.append(_counts(shape, answer, count))
        if found := _ends(answer):
            ends[shape.name] = found
    scans = {
        name: _second_scan(shape, ends[name]) for shape in group if (name := shape.name) in ends
    }
    if not scans:
        return columns
    second = _one(connection, f"SELECT {', '.join(scans.values())} FROM {view}")
    answers = dict(zip(scans, second, strict=True))
    return [
        _with_bins(one, ends[one.column], answers[one.column], kind=shape.kind)
        if one.column in answers
        else one
        for one, shape in zip(columns, group, strict=True)
    ]


def _first_scan(shape: _Shape) -> str:
    column, value = quote(shape.name), shape.value
    parts = [f"filled: count({column})"]
    if shape.kind not in _NESTED:
        parts.append(f"near: approx_count_distinct({column})")
    if shape.is_plain:
        parts += [f"low: left(min({value})::VARCHAR, {LETTERS})"]
        parts += [f"high: left(max({value})::VARCHAR, {LETTERS})"]
    if number := shape.number:
        shares = ", ".join(map(str, QUANTILES))
        parts += [f"first: min({number})", f"last: max({number})"]
        parts += [f"shares: approx_quantile({number}, [{shares}])"]
    return "{" + ", ".join(parts) + "}"


def _counts(shape: _Shape, answer: dict[str, Any], count: int) -> ColumnProfile:
    filled, near = answer["filled"], answer.get("near")
    return ColumnProfile(
        column=shape.name,
        count=count,
        nulls=count - filled,
        distinct=min(near, filled) if near is not None else None,
        lowest=_text(shape.kind, answer.get("low")),
        highest=_text(shape.kind, answer.get("high")),
    )


def _text(kind: str, value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.replace(" ", "T", 1) if kind in _INSTANTS else value


def _ends(answer: dict[str, Any]) -> _Ends | None:
    lowest, highest, shares = (answer.get(name) for name in ("first", "last", "shares"))
    if not isinstance(lowest, float) or not isinstance(highest, float):
        return None
    quantiles = tuple(map(float, shares)) if isinstance(shares, list) else ()
    if not all(map(math.isfinite, quantiles)):
        quantiles = ()
    return _Ends(lowest, highest, quantiles)


def _second_scan(shape: _Shape, ends: _Ends) -> str:
    """Moments of the values in parts of the greatest, so that no square is beyond all numbers."""
    part = f"{shape.number} / {_scale(ends)!r}"
    borders = ", ".join(f"{border!r}::DOUBLE" for border in _edges(ends, shape.kind)[1:])
    bins = f"histogram({shape.number}, [{borders}])" if borders else "NULL"
    return f"{{mean: avg({part}), deviation: stddev_pop({part}), bins: {bins}}}"


def _with_bins(
    column: ColumnProfile, ends: _Ends, answer: dict[str, Any], *, kind: str
) -> ColumnProfile:
    mean, deviation, bins = answer["mean"], answer["deviation"], answer["bins"]
    edges = _edges(ends, kind)
    counted = (
        {float(border): int(n) for border, n in bins.items()} if isinstance(bins, dict) else {}
    )
    return replace(
        column,
        mean=_scaled(mean, ends),
        deviation=_scaled(deviation, ends),
        quantiles=ends.quantiles,
        edges=edges,
        counts=tuple(counted.get(border, 0) for border in edges[1:]),
    )


def _scale(ends: _Ends) -> float:
    return max(abs(ends.lowest), abs(ends.highest)) or 1.0


def _scaled(value: object, ends: _Ends) -> float | None:
    found = value * _scale(ends) if isinstance(value, float) else math.inf
    return found if math.isfinite(found) else None


def _edges(ends: _Ends, kind: str) -> tuple[float, ...]:
    """The borders of the bins, from the least value to the greatest; one bin where all are equal.

    Few whole numbers have a bin each. Where a few values lie far out, they are in wide outer
    bins, so that the others are not all in one. A value on a border is in the bin below it.
    """
    lowest, highest = ends.lowest, ends.highest
    width = highest - lowest
    if kind in _WHOLE and width < BINS and max(abs(lowest), abs(highest)) < MOST_WHOLE:
        return tuple(lowest - 0.5 + n for n in range(int(width) + 2))
    if not 0 < width < math.inf:
        return (lowest, highest) if width == 0 else ()
    inner_low, inner_high = _body(ends)
    below, above = inner_low > lowest, inner_high < highest
    bins = BINS - below - above
    step = (inner_high - inner_low) / bins
    inner = [inner_low + n * step for n in range(bins)] + [inner_high]
    edges = [*([lowest] if below else []), *inner, *([highest] if above else [])]
    return tuple(edges) if all(a < b for a, b in pairwise(edges)) else (lowest, highest)


def _body(ends: _Ends) -> tuple[float, float]:
    """Where nearly all values are: between the hundredths, and as far again on either side."""
    if not ends.quantiles or ends.quantiles[0] >= ends.quantiles[-1]:
        return ends.lowest, ends.highest
    low, high = ends.quantiles[0], ends.quantiles[-1]
    return max(ends.lowest, low - (high - low)), min(ends.highest, high + (high - low))


def _exact(
    connection: duckdb.DuckDBPyConnection, view: str, shape: _Shape, column: ColumnProfile
) -> ColumnProfile:
    """Count the values of a column of few of them, and list those that many rows have."""
    if column.distinct is None or column.distinct > FEW_VALUES:
        return column
    listed = "NULL"
    if shape.is_plain:
        listed = (
            "(SELECT list({v: v, n: n} ORDER BY n DESC, v) FROM (SELECT "
            f"left(v::VARCHAR, {LETTERS}) AS v, n FROM counted WHERE n >= {LEAST_ROWS} "
            f"ORDER BY n DESC, v LIMIT {LISTED}))"
        )
    name = quote(shape.name)
    distinct, frequent = _one(
        connection,
        f"WITH counted AS MATERIALIZED (SELECT {name} AS v, count(*) AS n FROM {view} "
        f"WHERE {name} IS NOT NULL GROUP BY ALL) SELECT (SELECT count(*) FROM counted), {listed}",
    )
    return replace(
        column,
        distinct=distinct,
        duplicates=column.filled - distinct,
        exact=True,
        frequent=tuple((_text(shape.kind, one["v"]) or "", one["n"]) for one in frequent or ()),
    )


def _key(connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> KeyCount:
    names = [quote(column) for column in columns]
    there = " AND ".join(f"{name} IS NOT NULL" for name in names)
    (repeated,) = _one(
        connection,
        f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n FROM {VIEW} "
        f"WHERE {there} GROUP BY {', '.join(names)})",
    )
    return KeyCount(columns=columns, duplicates=repeated)


def _with_key(column: ColumnProfile, keys: Sequence[KeyCount]) -> ColumnProfile:
    """A key of one column tells how many values that column has."""
    for key in keys:
        if key.columns == (column.column,):
            distinct = column.filled - key.duplicates
            return replace(column, distinct=distinct, duplicates=key.duplicates, exact=True)
    return column


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    answer: tuple[Any, ...] | None = connection.execute(query).fetchone()
    if answer is None:
        raise RuntimeError("an aggregate without groups always has one row")
    return answer
