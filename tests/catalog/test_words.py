import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from provender.catalog.db import open_database
from provender.catalog.words import asked_words, learn, similar, trigrams, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dep_n_1h", ["dep", "n", "1h"]),
        ("aviation.flights@2", ["aviation", "flights", "2"]),
        ("arrDelay", ["arr", "delay"]),
        ("Verspätung, später", ["verspatung", "spater"]),
        ("'; DROP TABLE x --", ["drop", "table", "x"]),
        ("", []),
        ("天気", ["天気"]),
    ],
)
def test_words_are_what_people_would_say(text: str, found: list[str]):
    assert words(text) == found


def test_words_that_say_nothing_are_left_out_unless_there_are_no_others():
    assert asked_words("what is the delay of the flights", most=9) == ["delay", "flights"]
    assert asked_words("to be", most=9) == ["to", "be"]
    assert asked_words("a1 b2 c3 b2", most=2) == ["a1", "b2"]


def test_trigrams_know_the_beginning_and_the_end():
    assert trigrams("wx") == ["  w", " wx", "wx "]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_misspelt_word_is_read_as_the_nearest_known_one(url: str):
    engine: Engine = open_database(url)
    with Session(engine) as db:
        learn(db, ["weather", "whether", "leather", "arrivals", "arrival", "the"])
        learn(db, ["weather", "tailnum"])
        assert similar(db, "wether") == ["weather", "whether"]
        assert similar(db, "arivals") == ["arrivals"]
        assert similar(db, "tialnum") == ["tailnum"]
        assert similar(db, "zzz") == []
        assert similar(db, "th") == []
    engine.dispose()
