from datetime import timedelta

import pytest

from provender.core.wording import brief, lasting, rounded, shortened, told


@pytest.mark.parametrize(
    ("time", "says"),
    [
        (timedelta(hours=12), "12 h"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(days=14), "14 d"),
        (timedelta(seconds=1.5), "1.5 s"),
        (timedelta(), "0 s"),
    ],
)
def test_a_time_is_told_in_its_largest_whole_unit(time: timedelta, says: str) -> None:
    assert lasting(time) == says


def test_numbers_are_rounded_and_whatever_else_stays_what_it_is() -> None:
    assert told("43.70172207719999", "float64") == rounded(43.70172207719999) == "43.7017"
    assert told("-0.00012345678", "decimal(20,11)") == "-0.000123457"
    assert told("12345678901", "int64") == "12345678901"
    assert told("43.70172207719999", "string") == "43.70172207719999"
    assert told("2023-01-01 00:00:00", "timestamp") == "2023-01-01 00:00:00"


def test_in_little_room_numbers_are_whole_instants_are_days_and_words_end_in_an_ellipsis() -> None:
    assert brief("43.70172207719999", "float64") == "43.7017"
    assert brief("12345678901234567", "int64") == "12345678901234567"
    assert brief("2023-01-01 12:34:56+00", "timestamp") == "2023-01-01"
    assert brief("United", "string") == "United"
    assert brief("Extraordinarily long", "string") == "Extraordinari…"


def test_a_long_text_ends_at_a_word() -> None:
    assert shortened("one two three", most=13) == "one two three"
    assert shortened("one two three", most=12) == "one two …"
