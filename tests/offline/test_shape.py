"""The rule that chooses how a view is joined, and how much is held at a time."""

import pytest

from provender.offline.shape import Join, Sizes, bin_rows, choose_shape, chunk_rows

GIB = 1 << 30


def sizes(**changes):
    plain = {"spine_rows": 1_000, "source_rows": 10_000, "reach_rows": 10_000, "row_bytes": 100.0}
    return Sizes(**(plain | changes))


def test_a_small_table_is_one_statement():
    shape = choose_shape(sizes(), budget=GIB)
    assert shape.join is Join.SQL
    assert "10,000 of 10,000 rows are within reach" in str(shape)


def test_a_table_too_large_to_read_for_the_spine_is_matched_by_slots():
    shape = choose_shape(sizes(reach_rows=10_000_000, source_rows=50_000_000), budget=GIB)
    assert shape.join is Join.SLOTS
    assert not shape.is_staged
    assert "954 MiB with all columns needed, more than 256 MiB" in str(shape)


def test_statistics_that_leave_little_make_a_large_table_small():
    shape = choose_shape(sizes(reach_rows=100_000, source_rows=50_000_000), budget=GIB)
    assert shape.join is Join.SQL


def test_less_memory_makes_tables_large_sooner():
    middling = sizes(reach_rows=1_000_000, source_rows=1_000_000)
    assert choose_shape(middling, budget=4 * GIB).join is Join.SQL
    assert choose_shape(middling, budget=GIB // 4).join is Join.SLOTS


def test_a_large_spine_is_matched_by_slots_whatever_the_table():
    assert choose_shape(sizes(spine_rows=500_001), budget=GIB).join is Join.SLOTS


@pytest.mark.parametrize(
    ("spine_rows", "expected"), [(1_000, (Join.SQL, False)), (600_000, (Join.SLOTS, True))]
)
def test_rows_without_numbers_are_staged_only_for_a_large_spine(spine_rows, expected):
    unknown = sizes(spine_rows=spine_rows, source_rows=None, reach_rows=None, row_bytes=None)
    shape = choose_shape(unknown, budget=GIB)
    assert (shape.join, shape.is_staged) == expected


def test_without_numba_everything_is_one_statement():
    shape = choose_shape(sizes(spine_rows=10_000_000), budget=GIB, can_slots=False)
    assert shape.join is Join.SQL
    assert "numba" in str(shape)


def test_what_is_held_at_a_time_follows_the_budget():
    assert chunk_rows(GIB) * 96 <= GIB / 3
    assert bin_rows(GIB // 4, row_bytes=200) * 200 <= GIB / 48
    assert bin_rows(64 * GIB, row_bytes=200) == 262_144
    assert chunk_rows(10**12) < 2**31


def test_an_answer_too_large_for_one_statement_is_matched_by_slots():
    shape = choose_shape(sizes(spine_rows=450_000, answer_bytes=700.0), budget=4 * GIB)
    assert shape.join is Join.SLOTS
    assert "the answer has 300 MiB, more than 256 MiB" in str(shape)


def test_types_that_duckdb_lacks_are_left_to_arrow():
    assert choose_shape(sizes(sql_changes=("id",)), budget=GIB).join is Join.SLOTS
