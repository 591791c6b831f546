from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import InvalidInput, Stale
from provender.core.freshness import (
    OnStale,
    declared,
    parse_duration,
    refuse,
    staleness,
)

MINUTE_US = 60_000_000


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(days=1, hours=12)),
        (" 1d 12h ", timedelta(days=1, hours=12)),
    ],
)
def test_a_duration_is_whole_numbers_of_units(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "15", "m", "-1m", "1.5h", "15 minutes", "1y", "0s", "1h;2m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no duration"):
        parse_duration(text)


def test_tags_declare_how_stale_values_may_be() -> None:
    assert declared({}, where="view v") == (None, OnStale.WARN)
    assert declared({"max_staleness": "15m"}, where="view v") == (
        timedelta(minutes=15),
        OnStale.WARN,
    )
    assert declared({"max_staleness": "2h", "on_stale": "refuse"}, where="view v") == (
        timedelta(hours=2),
        OnStale.REFUSE,
    )


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"max_staleness": "soon"}, "view v: max_staleness: 'soon' is no duration"),
        ({"max_staleness": "1h", "on_stale": "panic"}, "view v: on_stale is 'panic'"),
        ({"on_stale": "null"}, "view v: on_stale is null, and no max_staleness is said"),
    ],
)
def test_tags_that_cannot_be_read_are_refused(tags: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        declared(tags, where="view v")
    assert refused.value.message == message


def test_a_row_is_stale_one_tick_after_the_limit_and_not_at_it() -> None:
    at, now = 1_000, 1_000 + MINUTE_US
    assert staleness([at], now, limit_us=MINUTE_US, on_stale=OnStale.WARN).stale_rows == 0
    assert staleness([at], now + 1, limit_us=MINUTE_US, on_stale=OnStale.WARN).stale_rows == 1


@given(
    rows=st.lists(st.integers(-5, 5).map(lambda minute: minute * MINUTE_US)),
    now=st.integers(0, 9).map(lambda minute: minute * MINUTE_US),
)
def test_staleness_is_that_of_the_rows_that_are_there(rows: list[int], now: int) -> None:
    told = staleness(rows, now, limit_us=2 * MINUTE_US, on_stale=OnStale.NULL)
    ages = [now - us for us in rows if us != 0]
    assert told.stale_rows == len([age for age in ages if age > 2 * MINUTE_US])
    assert told.oldest_seconds == (max(ages) / 1_000_000 if ages else None)


def test_stale_rows_are_refused_where_the_view_says_so_and_only_there() -> None:
    limit = timedelta(minutes=1)
    for on_stale in OnStale:
        told = staleness([1], 2 * MINUTE_US, limit_us=MINUTE_US, on_stale=on_stale)
        fresh = staleness([1], MINUTE_US, limit_us=MINUTE_US, on_stale=on_stale)
        refuse("weather", fresh, limit)
        if on_stale is not OnStale.REFUSE:
            refuse("weather", told, limit)
            continue
        with pytest.raises(Stale, match="1 row of feature view weather") as refused:
            refuse("weather", told, limit)
        assert (refused.value.status, refused.value.code) == (409, "stale")
