from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.retention import Retention, Stored, check, due

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FLIGHTS = DatasetRef("aviation", "flights")


def version(  # type: ignore[no-untyped-def]
    number: int,
    *,
    age: float = 0,
    readable: bool = True,
    waiting: bool = False,
    pins: tuple[str, ...] = (),
):
    at = NOW - timedelta(days=age)
    return Stored(
        ref=FLIGHTS.at(number),
        published_at=at,
        size_bytes=number,
        is_readable=readable and not waiting,
        is_waiting=waiting,
        pinned_by=pins,
    )


def goes(rule: Retention, *versions: Stored) -> list[int]:
    return [one.ref.version or 0 for one in due(rule, versions, now=NOW) if one.goes]


def why(rule: Retention, *versions: Stored) -> list[str]:
    return [one.because for one in due(rule, versions, now=NOW)]


FIVE = tuple(version(n, age=10 * (5 - n)) for n in range(1, 6))
"""Published 40, 30, 20, 10 and 0 days ago."""


def test_without_a_rule_everything_stays():
    assert goes(Retention(), *FIVE) == []
    assert set(why(Retention(), *FIVE)) == {"no retention is set"}


def test_the_last_versions_stay():
    assert goes(Retention(keep_versions=2), *FIVE) == [1, 2, 3]
    assert why(Retention(keep_versions=2), *FIVE)[2:] == [
        "not among the last 2",
        "among the last 2",
        "it is what readers get",
    ]


def test_young_versions_stay_until_the_instant_at_which_they_are_not_young():
    assert goes(Retention(keep_days=20), *FIVE) == [1, 2]
    a_tick_older = version(3, age=20 + 1e-9)
    assert goes(Retention(keep_days=20), a_tick_older, version(4)) == [3]


def test_with_a_number_and_an_age_data_goes_that_is_past_both():
    assert goes(Retention(keep_versions=2, keep_days=30), *FIVE) == [1]
    assert goes(Retention(keep_versions=4, keep_days=0), *FIVE) == [1]
    assert why(Retention(keep_versions=2, keep_days=30), *FIVE)[0] == (
        "not among the last 2 and older than 30 days"
    )


def test_what_readers_get_stays_however_old_it_is():
    assert goes(Retention(keep_days=0), version(1, age=99), version(2, age=98)) == [1]


def test_versions_that_readers_do_not_get_do_not_take_the_place_of_others():
    recalled = version(4, readable=False)
    assert goes(Retention(keep_versions=2), version(1), version(2), version(3), recalled) == [1, 4]
    assert goes(Retention(keep_versions=1), version(1, readable=False), version(2)) == [1]


def test_what_readers_do_not_get_is_never_said_to_be_among_the_last():
    between, newest = version(2, readable=False), version(4, readable=False)
    told = why(Retention(keep_versions=2), version(1), between, version(3), newest)
    assert told == [
        "among the last 2",
        "not for readers, so not among the last 2",
        "it is what readers get",
        "not for readers, so not among the last 2",
    ]
    assert goes(Retention(keep_versions=9), between, version(3), newest) == [2, 4]
    young = why(Retention(keep_versions=1, keep_days=30), version(3), newest)[1]
    assert young == "published 2026-03-01, within 30 days"
    assert why(Retention(keep_versions=1, hold="case 7"), version(3), newest)[1] == (
        "on hold: case 7"
    )
    old = why(
        Retention(keep_versions=1, keep_days=30), version(3), version(4, age=40, readable=False)
    )
    assert old[1] == "not for readers, so not among the last 1 and older than 30 days"


def test_what_waits_for_its_steward_stays_unless_something_newer_is_read_or_it_is_old():
    first = version(1, age=99, waiting=True)
    assert goes(Retention(keep_versions=3), first) == []
    assert why(Retention(keep_versions=3), first) == ["waiting for its steward"]
    assert goes(Retention(keep_versions=1), first, version(2, waiting=True)) == []
    assert goes(Retention(keep_versions=1), first, version(2)) == [1]
    assert goes(Retention(keep_versions=1), version(1, readable=False)) == [1]
    assert goes(Retention(keep_days=90), first, version(2, age=89, waiting=True)) == [1]


def test_what_is_pinned_stays_and_says_by_what():
    pinned = version(1, pins=("training set ts_1", "training set ts_2"))
    assert goes(Retention(keep_versions=1), pinned, version(2), version(3)) == [2]
    assert why(Retention(keep_versions=1), pinned, version(2))[0] == (
        "pinned by training set ts_1 and 1 more"
    )


def test_on_hold_everything_stays():
    assert goes(Retention(keep_versions=1, hold="case 7"), *FIVE) == []
    assert set(why(Retention(keep_versions=1, hold="case 7"), *FIVE)) == {"on hold: case 7"}


@pytest.mark.parametrize(
    "rule", [Retention(keep_versions=0), Retention(keep_days=-1), Retention(keep_days=10**9)]
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: Retention):
    with pytest.raises(InvalidInput):
        check(rule)


stored = st.builds(
    version,
    st.just(0),
    age=st.floats(0, 50),
    readable=st.booleans(),
    pins=st.sampled_from([(), ("a",)]),
)
number = st.none() | st.integers(1, 4)


@given(st.lists(stored, max_size=7), number, number, st.sampled_from(["", "held"]))
def test_a_reader_always_has_something_and_a_stricter_rule_keeps_no_more(
    found: list[Stored], versions: int | None, days: int | None, hold: str
):
    from dataclasses import replace

    every = [replace(one, ref=FLIGHTS.at(n)) for n, one in enumerate(found, 1)]
    rule = Retention(keep_versions=versions, keep_days=days, hold=hold)
    gone = set(goes(rule, *every))
    readable = [one.ref.version for one in every if one.is_readable]
    assert not readable or readable[-1] not in gone
    assert not gone & {one.ref.version for one in every if one.pinned_by}
    if versions is not None:
        more = replace(rule, keep_versions=versions + 1)
        assert set(goes(more, *every)) <= gone
