"""Hypothesis strategies for Arrow tables of every type word."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from provender.core.datasets import Format
from provender.tables.arrow import arrow_type

TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["", "NULL", "nan", "\\N", '"', '""', ",", "\n", "\r\n", "a\x00b", " x ", "~", "1;", "é漢😀"]
)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 2**8 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "string": TEXT,
    "binary": st.binary(max_size=8),
    "date": st.dates(date(1, 1, 2), date(9999, 12, 30)),
    "time": st.times(),
    "timestamp": INSTANTS,
    "timestamp_local": INSTANTS.map(lambda instant: instant.replace(tzinfo=None)),
    "decimal(38,10)": st.integers(-(10**37), 10**37).map(lambda n: Decimal(n).scaleb(-10)),
    "decimal(5,5)": st.integers(-99999, 99999).map(lambda n: Decimal(n).scaleb(-5)),
    "decimal(5,0)": st.integers(-99999, 99999).map(Decimal),
}
NESTED: dict[str, st.SearchStrategy[Any]] = {
    "list<string>": st.lists(st.none() | TEXT, max_size=3),
    "list<list<float64>>": st.lists(st.none() | st.lists(st.floats(), max_size=2), max_size=2),
    'struct<id:int32,"it\'s":list<date>>': st.fixed_dictionaries(
        {
            "id": st.none() | VALUES["int32"],
            "it's": st.none() | st.lists(VALUES["date"], max_size=2),
        }
    ),
    "map<string,float64>": st.dictionaries(
        st.text("abc", min_size=1, max_size=3), st.none() | st.floats(), max_size=3
    ).map(lambda pairs: list(pairs.items())),
}
UNSIGNED = frozenset({"uint8", "uint16", "uint32", "uint64"})
ABSENT = {
    Format.PARQUET: frozenset[str](),
    Format.CSV: frozenset(NESTED),
    Format.DELTA: UNSIGNED | {"time"},
    Format.ICEBERG: UNSIGNED,
    Format.JSONL: frozenset({"binary"}),
    Format.ARROW: frozenset[str](),
    Format.ORC: UNSIGNED | {"time"},
    Format.AVRO: frozenset({"uint64", *(word for word in NESTED if '"' in word)}),
}
SHORT = st.datetimes(datetime(1970, 1, 1), datetime(2262, 4, 10), timezones=st.just(UTC))  # noqa: DTZ001
NARROWER: dict[Format, dict[str, st.SearchStrategy[Any]]] = {
    # Arrow reads ORC's instants as nanoseconds, and those before 1970 a second late.
    Format.ORC: {
        "timestamp": SHORT,
        "timestamp_local": SHORT.map(lambda instant: instant.replace(tzinfo=None)),
    },
}
"""What a format holds less of; the rest is refused when it is published."""


@st.composite
def tables(draw: st.DrawFn, *formats: Format) -> pa.Table:
    """Tables that all of ``formats`` can hold: 1 to 5 columns, 1 to 6 rows."""
    absent = frozenset[str]().union(*(ABSENT[fmt] for fmt in formats))
    usable = {word: values for word, values in (VALUES | NESTED).items() if word not in absent}
    for fmt in formats:
        usable |= NARROWER.get(fmt, {})
    name = "c{}" if Format.AVRO in formats else "c{} {}"
    kinds = draw(st.lists(st.sampled_from(sorted(usable)), min_size=1, max_size=5))
    rows = draw(st.integers(1, 6))
    columns = {
        name.format(number, word): pa.array(
            draw(st.lists(st.none() | usable[word], min_size=rows, max_size=rows)), arrow_type(word)
        )
        for number, word in enumerate(kinds)
    }
    return pa.table(columns)


def same(left: Any, right: Any) -> bool:
    """Whether two Python values are the same; NaN is itself, both zeros are one."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return type(left) is type(right) and bool(left == right)


def same_rows(left: pa.Table, right: pa.Table) -> bool:
    return left.column_names == right.column_names and same(left.to_pylist(), right.to_pylist())
