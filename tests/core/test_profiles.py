from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.profiles import (
    QUANTILES,
    ColumnProfile,
    Profile,
    Relation,
    distance,
)


def even(low: float, high: float, count: int = 1_000) -> ColumnProfile:
    """Numbers that lie evenly between two."""
    return ColumnProfile(
        column="x",
        count=count,
        nulls=0,
        distinct=count,
        quantiles=tuple(low + share * (high - low) for share in QUANTILES),
        edges=(low, high),
        counts=(count,),
    )


def valued(**counts: int) -> ColumnProfile:
    return ColumnProfile(
        column="x",
        count=sum(counts.values()),
        nulls=0,
        distinct=len(counts),
        exact=True,
        frequent=tuple(counts.items()),
    )


def months(*counts: int) -> ColumnProfile:
    return ColumnProfile(
        column="x",
        count=sum(counts),
        nulls=0,
        distinct=len(counts),
        edges=tuple(n + 0.5 for n in range(len(counts) + 1)),
        counts=counts,
    )


def test_values_that_lie_alike_are_at_no_distance() -> None:
    assert distance(even(0, 10), even(0, 10)) == pytest.approx(0, abs=1e-9)
    assert distance(even(0, 10), even(0, 10, count=5)) == pytest.approx(0, abs=1e-9)
    assert distance(valued(a=5, b=15), valued(a=50, b=150)) == 0
    assert distance(months(3, 4, 5), months(6, 8, 10)) == 0


@given(by=st.floats(0.1, 100))
def test_the_farther_values_move_the_greater_is_their_distance(by: float) -> None:
    near, far = (
        distance(even(0, 10), even(by, 10 + by)),
        distance(even(0, 10), even(2 * by, 10 + 2 * by)),
    )
    assert near is not None
    assert far is not None
    assert 0 < near <= far + 1e-9


def test_distances_of_few_values_are_those_of_the_formula() -> None:
    # shares 0.5, 0.5 against 0.25, 0.75: Σ (a − e)·ln(a / e)
    assert distance(valued(a=2, b=2), valued(a=1, b=3)) == pytest.approx(0.2747, abs=1e-4)
    assert distance(months(2, 2), months(1, 3)) == pytest.approx(0.2747, abs=1e-4)


def test_a_value_that_is_not_there_any_more_counts_as_hardly_there() -> None:
    assert distance(valued(a=5, b=5), valued(a=10)) == pytest.approx(
        0.5 * 0.6931 + (0.5 - 1e-4) * 8.517, rel=1e-3
    )


def test_of_many_values_those_that_both_list_are_compared() -> None:
    old = replace(valued(a=40, b=30), count=100, distinct=500)
    new = replace(valued(a=40, c=35), count=100, distinct=500)
    assert distance(old, new) == 0
    assert distance(old, replace(new, frequent=(("a", 80),))) == pytest.approx(
        0.4 * 0.693 + 0.4 * 1.0986, rel=1e-3
    )


def test_nothing_is_said_of_columns_that_tell_nothing() -> None:
    silent = ColumnProfile(column="x", count=10, nulls=0, distinct=4)
    assert distance(silent, silent) is None
    assert distance(even(0, 1), replace(even(0, 1), nulls=1_000)) is None
    assert distance(valued(a=1), even(0, 1)) is None


def test_a_closed_column_keeps_its_counts_and_nothing_else() -> None:
    relations = (
        Relation(column="y", of="x", slope=2, intercept=0, rows=10),
        Relation(column="z", of="y", slope=2, intercept=0, rows=10),
    )
    x = replace(even(0, 1), lowest="0", highest="1", mean=0.5, frequent=(("a", 3),), nulls=2)
    others = (replace(x, column="y"), replace(x, column="z"))
    closed = Profile(row_count=10, columns=(x, *others), relations=relations).closed({"x"})
    assert closed.columns == (
        ColumnProfile(column="x", count=1_000, nulls=2, distinct=1_000),
        *others,
    )
    assert closed.relations == relations[1:]
