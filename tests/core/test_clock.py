from datetime import UTC, datetime, timedelta, timezone

import pytest

from provender.core.clock import duration, frozen_at, to_utc, utc_now
from provender.core.errors import InvalidInput


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


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5_400), ("36h", 129_600), (" 7d", 604_800)]
)
def test_durations_are_a_number_and_a_unit(text, seconds):
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 days", "1w", "9999999d"])
def test_other_words_are_no_durations(text):
    with pytest.raises(InvalidInput, match="is not a duration"):
        duration(text)
