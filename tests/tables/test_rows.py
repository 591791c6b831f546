import math
import random
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.datasets import Dataset, Format, Manifest
from provender.core.errors import InvalidInput
from provender.tables.arrow import Naive, schema_of
from provender.tables.rows import inspect, logical_digest
from provender.tables.session import session
from provender.tables.versions import write_version
from tests.stress import times
from tests.tables.generators import same_rows, tables
from tests.tables.oracle import digest_by_hand

REUSE = settings(
    deadline=None,
    max_examples=times(40, calm=8),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@settings(deadline=None, max_examples=times(60, calm=30))
@given(tables())
def test_the_digest_is_the_one_done_by_hand(table: pa.Table) -> None:
    assert logical_digest(table) == digest_by_hand(table)


@settings(deadline=None, max_examples=times(25, calm=12))
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table: pa.Table, shuffle: random.Random) -> None:
    order = list(range(table.num_rows))
    shuffle.shuffle(order)
    assert logical_digest(table.take(order)) == logical_digest(table)


@settings(deadline=None, max_examples=times(25, calm=12))
@given(tables())
def test_a_reader_in_pieces_has_the_digest_of_the_table(table: pa.Table) -> None:
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1))
    assert logical_digest(reader) == logical_digest(table)


@pytest.mark.parametrize("fmt", Format)
@REUSE
@given(data=st.data())
def test_rows_have_one_digest_in_every_format_and_read_back_the_same(
    lake: Path,
    declare: Callable[..., Dataset],
    read: Callable[[Path, Manifest], pa.Table],
    fmt: Format,
    data: st.DataObject,
) -> None:
    table = data.draw(tables(fmt))
    dataset = declare(fmt, event_timestamp=None)
    fresh = lake / uuid4().hex
    manifest = write_version(fresh, dataset, table, naive=Naive.LOCAL)
    assert manifest.logical_digest == digest_by_hand(table)
    assert same_rows(read(fresh, manifest), table)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 1], [1]),
        ([1, 1, 2], [1, 2, 2]),
        ([1, None], [1, 0]),
        ([1.0], [1]),
        ([""], [None]),
        (["a", "b"], ["ab", ""]),
        ([["a", "b"]], [["ab"]]),
        ([["a"], []], [["a"], None]),
        ([[""]], [[]]),
        ([[None]], [["~"]]),
        ([math.inf], [math.nan]),
    ],
)
def test_different_rows_differ(left: list[object], right: list[object]) -> None:
    kind = pa.array([*left, *right]).type if left != [1.0] else None
    assert logical_digest(pa.table({"x": pa.array(left, kind)})) != logical_digest(
        pa.table({"x": pa.array(right, kind)})
    )


def test_values_that_move_between_columns_differ() -> None:
    assert logical_digest(pa.table({"a": ["x", "y"], "b": ["p", "q"]})) != logical_digest(
        pa.table({"a": ["x", "y"], "b": ["q", "p"]})
    )
    assert logical_digest(pa.table({"a": ["1:"], "b": [""]})) != logical_digest(
        pa.table({"a": [""], "b": ["1:"]})
    )


def test_every_nan_is_one_value_and_both_zeros_are_one() -> None:
    odd_nan = pa.array([0x7FF8_0000_0000_0001 - 2**64 + 2**64], pa.int64()).view(pa.float64())
    assert logical_digest(pa.table({"x": odd_nan})) == logical_digest(pa.table({"x": [-math.nan]}))
    assert logical_digest(pa.table({"x": [0.0]})) == logical_digest(pa.table({"x": [-0.0]}))


def test_names_and_types_of_columns_count() -> None:
    base = logical_digest(pa.table({"x": pa.array([1], pa.int64())}))
    assert base != logical_digest(pa.table({"y": pa.array([1], pa.int64())}))
    assert base != logical_digest(pa.table({"x": pa.array([1], pa.int32())}))


def test_encodings_do_not_count() -> None:
    plain = pa.array(["a", "b", "a", None])
    expected = logical_digest(pa.table({"x": plain}))
    assert logical_digest(pa.table({"x": plain.dictionary_encode()})) == expected
    assert logical_digest(pa.table({"x": plain.cast(pa.large_string())})) == expected
    assert logical_digest(pa.table({"x": plain.cast(pa.string_view())})) == expected


def test_a_column_of_arrows_null_type_counts_as_strings() -> None:
    nothing = pa.table({"x": pa.nulls(3)})
    assert logical_digest(nothing) == logical_digest(pa.table({"x": pa.nulls(3, pa.string())}))


def test_no_rows_have_a_digest_too() -> None:
    empty = pa.table({"x": pa.array([], pa.int64())})
    assert logical_digest(empty) == digest_by_hand(empty)


def test_nan_counts_in_files_whose_statistics_leave_it_out(tmp_path: Path) -> None:
    table = pa.table({"x": [1.5, math.nan, -0.0]})
    pq.write_table(table, tmp_path / "x.parquet", write_statistics=True)
    with session() as connection:
        relation = connection.read_parquet(str(tmp_path / "x.parquet"))
        found = inspect(relation, schema_of(table.schema), connection).logical_digest
    assert found == digest_by_hand(table)


def test_a_comparison_with_nan_in_the_lake_looks_at_the_values(
    lake: Path, declare: Callable[..., Dataset], read: Callable[[Path, Manifest], pa.Table]
) -> None:
    table = pa.table({"x": [1.5, math.nan]})
    for fmt in (Format.PARQUET, Format.DELTA):
        manifest = write_version(lake, declare(fmt, event_timestamp=None), table)
        file = lake / manifest.location / manifest.files[0].path
        with session() as connection:
            count = connection.sql(
                "SELECT count(*) FROM "
                f"read_parquet($${file}$$, hive_partitioning=false) WHERE x > 1e300"
            ).fetchall()
        assert count == [(1,)], fmt


def test_event_timestamps_beyond_the_calendar_are_refused() -> None:
    table = pa.table({"t": pa.array([2**62], pa.timestamp("us", "UTC"))})
    with session() as connection, pytest.raises(InvalidInput, match="beyond the years"):
        inspect(
            connection.from_arrow(table),
            schema_of(table.schema),
            connection,
            event_timestamp="t",
        )
