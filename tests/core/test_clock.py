from datetime import UTC, datetime, timedelta, timezone

from provender.core.clock import frozen_at, to_utc, utc_now


def test_now_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC


def test_an_instant_is_the_same_in_utc_and_without_a_zone_is_taken_as_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert to_utc(noon.astimezone(timezone(timedelta(hours=-5)))) == noon
    assert to_utc(noon.replace(tzinfo=None)) == noon
    assert to_utc(noon).tzinfo is UTC


def test_a_frozen_clock_stands_still() -> None:
    noon = datetime(2013, 7, 1, 12, tzinfo=UTC)
    clock = frozen_at(noon)
    assert clock() == clock() == noon
