import math
import random
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from provender.core.datasets import Dataset, DatasetVersion, Format
from provender.core.names import DatasetRef
from provender.core.profiles import QUANTILES, ColumnProfile, KeyCount, Profile, Relation
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.arrow import schema_of
from provender.tables.profile import LEAST_ROWS, LISTED, profile
from provender.tables.session import session
from provender.tables.versions import write_version
from tests.stress import times
from tests.tables.generators import ABSENT, tables

ROWS = 3_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def profiled(table: pa.Table, keys: tuple[tuple[str, ...], ...] = ()) -> Profile:
    with session() as connection:
        return profile(connection.from_arrow(table), schema_of(table.schema), connection, keys=keys)


def of(table: pa.Table, column: str) -> ColumnProfile:
    found = profiled(table).column(column)
    assert found is not None
    return found


def sample(fmt: Format) -> pa.Table:
    """A column of every kind that ``fmt`` can hold, with nulls, NaN and infinities among them."""
    chosen = random.Random(5)
    odd = [math.nan, math.inf, -math.inf, -0.0]
    columns: dict[str, tuple[str, list[Any], pa.DataType]] = {
        "whole": ("int64", [chosen.randrange(-50, 4_000) for _ in range(ROWS)], pa.int64()),
        "few": ("int16", [chosen.randrange(1, 13) for _ in range(ROWS)], pa.int16()),
        "unsigned": ("uint32", [chosen.randrange(10**6) for _ in range(ROWS)], pa.uint32()),
        "real": (
            "float64",
            [chosen.choice(odd) if n % 50 == 0 else chosen.gauss(10, 3) for n in range(ROWS)],
            pa.float64(),
        ),
        "money": (
            "decimal(38,10)",
            [Decimal(chosen.randrange(10**9)).scaleb(-2) for _ in range(ROWS)],
            pa.decimal128(12, 2),
        ),
        "text": ("string", [f"no {chosen.randrange(40)}" for _ in range(ROWS)], pa.string()),
        "flag": ("bool", [chosen.random() < 0.3 for _ in range(ROWS)], pa.bool_()),
        "bytes": ("binary", [chosen.randbytes(2) for _ in range(ROWS)], pa.binary()),
        "day": (
            "date",
            [date(2020, 1, 1) + timedelta(days=chosen.randrange(900)) for _ in range(ROWS)],
            pa.date32(),
        ),
        "clock": ("time", [time(chosen.randrange(24), 30) for _ in range(ROWS)], pa.time64("us")),
        "instant": (
            "timestamp",
            [EPOCH + timedelta(seconds=chosen.randrange(10**9)) for _ in range(ROWS)],
            pa.timestamp("us", "UTC"),
        ),
        "items": (
            "list<string>",
            [["x"] * chosen.randrange(3) for _ in range(ROWS)],
            pa.list_(pa.string()),
        ),
        "nothing": ("string", [None] * ROWS, pa.float64()),
    }
    return pa.table(
        {
            name: pa.array(
                [None if n % 7 == 0 and name != "few" else value for n, value in enumerate(values)],
                kind,
            )
            for name, (word, values, kind) in columns.items()
            if word not in ABSENT[fmt]
        }
    )


def number(value: Any) -> float:
    match value:
        case datetime():
            return (value - EPOCH) / timedelta(seconds=1)
        case date():
            return (value - EPOCH.date()) / timedelta(seconds=1)
        case time():
            return value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    return float(value)


def finite(values: list[Any]) -> list[float]:
    return [value for value in map(number, values) if math.isfinite(value)]


@pytest.mark.parametrize("fmt", Format)
def test_a_profile_says_what_counting_by_hand_says_in_every_format(
    fmt: Format, tmp_path: Path, declare: Callable[..., Dataset]
) -> None:
    rows = sample(fmt)
    manifest = write_version(tmp_path, declare(fmt, event_timestamp=None), rows)
    version = DatasetVersion(
        ref=DatasetRef("aviation", "weather", 1),
        manifest=manifest,
        published_at=EPOCH,
        published_by="person:ana",
    )
    with session() as connection:
        relation = format_for(fmt).relation(Table.of(version), tmp_path, connection)
        found = profile(relation, manifest.schema, connection, keys=[("few", "whole")])
    assert found.row_count == ROWS
    assert [column.column for column in found.columns] == rows.column_names
    for column in found.columns:
        check(column, rows.column(column.column).to_pylist())
    pairs = Counter(
        pair
        for pair in zip(rows["few"].to_pylist(), rows["whole"].to_pylist(), strict=True)
        if None not in pair
    )
    assert found.keys == (
        KeyCount(columns=("few", "whole"), duplicates=pairs.total() - len(pairs)),
    )


def check(found: ColumnProfile, values: list[Any]) -> None:
    filled = [value for value in values if value is not None]
    assert (found.count, found.nulls) == (len(values), len(values) - len(filled)), found.column
    if found.column == "items":
        assert found.distinct is None
        return
    kept = [
        str(value) if isinstance(value, float) and math.isnan(value) else value for value in filled
    ]
    assert (found.distinct, found.exact) == (len(set(kept)), True), found.column
    assert found.duplicates == len(filled) - len(set(kept))
    listed = dict(found.frequent)
    assert (
        list(listed.values())
        == sorted(
            (n for n in Counter(kept).values() if n >= LEAST_ROWS and found.column != "bytes"),
            reverse=True,
        )[:LISTED]
    )
    if found.column in ("text", "bytes", "flag", "nothing"):
        assert (found.mean, found.quantiles, found.edges) == (None, (), ())
        return
    check_numbers(found, finite(filled))


def check_numbers(found: ColumnProfile, numbers: list[float]) -> None:
    mean = math.fsum(numbers) / len(numbers)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / len(numbers))
    assert found.mean == pytest.approx(mean)
    assert found.deviation == pytest.approx(deviation, rel=1e-6)
    in_order = sorted(numbers)
    for share, quantile in zip(QUANTILES, found.quantiles, strict=True):
        low = in_order[max(0, int((share - 0.02) * len(numbers)))]
        high = in_order[min(len(numbers) - 1, int((share + 0.02) * len(numbers)))]
        assert low <= quantile <= high
    bins = Counter(max(1, bisect_left(found.edges, value)) for value in numbers)
    assert found.counts == tuple(bins[n] for n in range(1, len(found.edges)))
    assert sum(found.counts) == len(numbers)
    assert found.edges[0] <= in_order[0]
    assert found.edges[-1] >= in_order[-1]


@given(table=tables())
@settings(max_examples=times(40), deadline=None)
def test_no_value_of_any_type_breaks_a_profile(table: pa.Table) -> None:
    found = profiled(table)
    for column in found.columns:
        values = table.column(column.column).to_pylist()
        assert column.count == len(values)
        assert column.nulls == values.count(None)
        assert all(map(math.isfinite, (*column.edges, *column.quantiles)))


def test_ends_are_written_as_the_values_are() -> None:
    rows = pa.table(
        {
            "at": pa.array(
                [datetime(2023, 1, 2, 3, 4, 5, 600, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")
            ),
            "local": pa.array([datetime(2023, 1, 2), None], pa.timestamp("us")),  # noqa: DTZ001
            "price": pa.array([Decimal("0.10"), Decimal("12.50")], pa.decimal128(6, 2)),
            "text": ["a" * 5_000, "b"],
            "odd": [math.nan, 2.5],
        }
    )
    found = {column.column: (column.lowest, column.highest) for column in profiled(rows).columns}
    assert found == {
        "at": ("2023-01-02T03:04:05.0006+00",) * 2,
        "local": ("2023-01-02T00:00:00",) * 2,
        "price": ("0.10", "12.50"),
        "text": ("a" * 100, "b"),
        "odd": ("2.5", "2.5"),
    }


def test_values_far_out_are_in_wide_bins_so_that_the_others_are_told_apart() -> None:
    speeds = of(pa.table({"speed": [float(n % 40) for n in range(10_000)] + [1048.4]}), "speed")
    assert speeds.edges[-1] == 1048.4
    assert speeds.edges[-2] < 100
    assert speeds.counts[-1] == 1
    assert sum(1 for count in speeds.counts if count) > 10


def test_a_value_that_few_rows_have_is_not_listed() -> None:
    rows = pa.table({"who": ["Ana"] * (LEAST_ROWS - 1) + ["Max"] * LEAST_ROWS})
    found = of(rows, "who")
    assert found.frequent == (("Max", LEAST_ROWS),)
    assert found.distinct == 2


def test_very_many_values_are_estimated_and_keys_counted() -> None:
    rows = pa.table({"id": [*list(range(30000)), 0, 1], "other": list(range(30_002))})
    found = profiled(rows, keys=(("id",), ("id", "other")))
    identity, other = found.columns
    assert (identity.distinct, identity.duplicates, identity.exact) == (30_000, 2, True)
    assert other.duplicates is None
    assert not other.exact
    assert other.distinct == pytest.approx(30_000, rel=0.1)
    assert [key.duplicates for key in found.keys] == [2, 0]


def test_rows_with_a_null_in_the_key_repeat_nothing() -> None:
    rows = pa.table({"a": [1, 1, None, None], "b": ["x", "x", "x", "x"]})
    assert profiled(rows, keys=(("a", "b"),)).keys[0].duplicates == 1


def gusts(rows: int = 4_000) -> pa.Table:
    chosen = random.Random(3)
    speed = [None if n % 25 == 0 else chosen.randrange(31) * 1.15078 for n in range(rows)]
    return pa.table(
        {
            "humid": [chosen.random() * 100 for _ in range(rows)],
            "wind_speed": pa.array(speed, pa.float64()),
            "wind_gust": pa.array([x and x * 1.15078 for x in speed], pa.float64()),
            "fahrenheit": [n % 90 * 1.8 + 32 for n in range(rows)],
            "celsius": pa.array([n % 90 for n in range(rows)], pa.int32()),
        }
    )


def test_a_column_that_another_gives_is_found() -> None:
    gust, celsius = profiled(gusts()).relations
    assert gust == Relation(
        column="wind_gust", of="wind_speed", slope=1.15078, intercept=0.0, rows=3_840
    )
    assert (celsius.column, celsius.of, celsius.rows) == ("celsius", "fahrenheit", 4_000)
    assert celsius.slope == pytest.approx(1 / 1.8)
    assert celsius.intercept == pytest.approx(-32 / 1.8)


def test_one_row_that_is_off_is_no_relation() -> None:
    rows = gusts(50_000)
    gust = rows["wind_gust"].to_pylist()
    gust[25_001] = 2.0
    spoiled = rows.set_column(2, "wind_gust", pa.array(gust, pa.float64()))
    assert [relation.column for relation in profiled(spoiled).relations] == ["celsius"]


@pytest.mark.parametrize("rows", [999, 1_000])
def test_a_relation_needs_a_thousand_rows(rows: int) -> None:
    few = pa.table({"a": [float(n) for n in range(rows)], "b": [2.0 * n + 1 for n in range(rows)]})
    assert len(profiled(few).relations) == (rows == 1_000)


def test_columns_of_few_values_fit_a_line_by_chance_and_are_no_relation() -> None:
    rows = pa.table({"a": [n % 9 for n in range(5_000)], "b": [n % 9 * 3 for n in range(5_000)]})
    assert profiled(rows).relations == ()


MANY = """
import sys
import duckdb
from provender.core.schema import Column, Schema
from provender.tables.profile import profile
from provender.tables.session import session
rows = int(sys.argv[1])
with session() as connection:
    connection.execute("SET memory_limit = '256MB'")
    connection.execute(f"SET temp_directory = '{sys.argv[2]}'")
    relation = connection.sql(
        f"SELECT range AS id, hash(range) % 100000 / 7 AS x, 'v' || hash(range) % 50000 AS s FROM range({rows})"
    )
    columns = [("id", "int64"), ("x", "float64"), ("s", "string")]
    schema = Schema(tuple(Column(name=name, type=kind) for name, kind in columns))
    found = profile(relation, schema, connection, keys=[("id",)])
# Not ru_maxrss: that begins with what the process had that started this one.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(found.row_count, found.keys[0].duplicates, int(status["VmHWM"].split()[0]) // 1024)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    rows = times(3_000_000)
    script = (
        tmp_path / "many.py"
    )  # code without a file is taken to be interactive, and told progress
    script.write_text(MANY)
    done = subprocess.run(
        [sys.executable, str(script), str(rows), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, repeated, peak = map(int, done.stdout.split())
    assert (count, repeated) == (rows, 0)
    assert peak < 700, f"{peak} MiB, of which DuckDB may take 256"


def test_columns_of_a_wide_table_are_profiled_as_those_of_a_narrow_one() -> None:
    wide = pa.table({f"c{n}": [(n * row) % 17 for row in range(200)] for n in range(95)})
    narrow = profiled(wide.select(["c0", "c41", "c94"]))
    found = profiled(wide)
    assert [column.column for column in found.columns] == wide.column_names
    assert tuple(found.column(column.column) for column in narrow.columns) == narrow.columns
