import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.words import (
    LONGEST,
    asked_words,
    distance,
    inflected,
    is_likely,
    legible,
    name_words,
    root,
    run_together,
    slips_allowed,
    stubs,
    words,
)

LETTERS = st.text(alphabet="abc", max_size=6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dep_n_1h", ["dep", "n", "1h"]),
        ("aviation.flights@2", ["aviation", "flights", "2"]),
        ("arrDelay", ["arr", "delay"]),
        ("ETAModel", ["eta", "model"]),
        ("Verspätung, später", ["verspatung", "spater"]),
        ("'; DROP TABLE x --", ["drop", "table", "x"]),
        ("", []),
        ("天気", ["天気"]),
        ("x" * 100, ["x" * LONGEST]),
    ],
)
def test_words_are_what_people_would_say(text: str, found: list[str]):
    assert words(text) == found


def test_a_name_is_found_by_its_words_run_together_and_by_digits_apart():
    assert name_words("web.tail_num2") == ("web", "tail", "num2", "tailnum2", "num", "2")
    assert run_together("Tail-Num") == run_together("tailNum") == "tailnum"


def test_words_that_say_nothing_are_left_out_unless_there_are_no_others():
    assert asked_words("what is the delay of the flights") == ["delay", "flights"]
    assert asked_words("to be") == ["to", "be"]
    assert asked_words("a1 b2 c3 b2") == ["a1", "b2", "c3"]


def test_text_that_no_database_keeps_is_made_legible():
    assert legible("\0a\ud800 ") == "a?"


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("weather", "weather", 0),
        ("wether", "weather", 1),
        ("weahter", "weather", 1),
        ("whether", "weather", 2),
        ("arivals", "arrivals", 1),
        ("x", "weather", 3),
        ("abc", "cab", 2),
    ],
)
def test_slips_between_two_words_are_counted(one: str, other: str, apart: int):
    assert distance(one, other, most=2) == apart


def slow_distance(one: str, other: str) -> int:
    """Optimal string alignment as it is defined."""
    if not one or not other:
        return len(one) + len(other)
    apart = [
        slow_distance(one[:-1], other) + 1,
        slow_distance(one, other[:-1]) + 1,
        slow_distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-2:] == other[:-3:-1]:
        apart.append(slow_distance(one[:-2], other[:-2]) + 1)
    return min(apart)


@given(LETTERS, LETTERS)
def test_the_distance_is_that_of_its_definition(one: str, other: str):
    assert distance(one, other, most=2) == min(3, slow_distance(one, other))


@given(LETTERS, LETTERS)
def test_words_a_slip_apart_have_a_stub_in_common(one: str, other: str):
    if distance(one, other, most=1) <= 1:
        assert stubs(one) & stubs(other)


def test_a_finger_slips_to_the_neighbour_and_an_ear_to_another_vowel():
    assert is_likely("wwather", "weather") is True
    assert is_likely("wether", "weather") is True
    assert is_likely("weahter", "weather") is True
    assert is_likely("weatther", "weather") is True
    assert is_likely("woather", "weather") is True
    assert is_likely("pether", "wether") is False
    assert is_likely("weatpher", "weather") is False


def test_short_words_are_not_guessed_at():
    assert [slips_allowed(word) for word in ("ab", "abc", "flight", "flights")] == [0, 1, 1, 2]


def test_a_word_has_other_forms_and_a_root():
    assert inflected("batteries") == ["batteriess", "battery", "batteri", "batterie"]
    assert root("reaction") == root("react") == "react"
    assert root("late") == "late"
