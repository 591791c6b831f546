from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from provender.catalog import access, commonness, epoch, past, reading, vocabulary
from provender.catalog.db import open_database, transaction
from provender.catalog.nominate import Sought
from provender.core.datasets import Dataset
from provender.core.finding import Question
from provender.core.names import DatasetRef
from provender.core.policy import Action
from tests.catalog.world import FLIGHTS, NOW, SALARIES, Connect, declared, governing

MOST = 3
Counted = Callable[..., list[int]]


def flights(number: int) -> list[Dataset]:
    return [
        replace(declared(FLIGHTS), ref=DatasetRef("aviation", f"flights_{n}"))
        for n in range(number)
    ]


@pytest.fixture
def counted(governed_url: str) -> Iterator[Counted]:
    """Counts the documents that an actor sees with each word, in one process all the time."""
    engine = open_database(governed_url)

    def counted(name: str, *words: str) -> list[int]:
        with transaction(engine) as db:
            who = access.actor(db, f"person:{name}")
            visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=NOW)
            view = past.view(db, visible, as_of=None)
            read = vocabulary.read(db, words)
            sought = [Sought((tuple(code for code, _ in read[word].values()),)) for word in words]
            return commonness.counts(db, view, sought, most=MOST)

    yield counted
    engine.dispose()


def test_a_common_word_is_believed_to_be_common_for_a_while(
    connect: Connect, counted: Counted, governed_url: str, monkeypatch: pytest.MonkeyPatch
):
    connect("gov").desk.apply(governing(*flights(9)))
    assert counted("ana", "flights", "weather", "flights") == [MOST, 2, MOST]
    lose_flights(governed_url)
    assert counted("ana", "flights") == [MOST]
    monkeypatch.setattr(commonness, "time", SimpleNamespace(monotonic=lambda: 1e12))
    assert counted("ana", "flights") < [MOST]


def lose_flights(url: str) -> None:
    """Let documents be gone without a change of rights."""
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE search_documents SET scope = 0 WHERE name LIKE '%flights_%'")
        )
    engine.dispose()


def test_what_is_withdrawn_is_forgotten_at_once(connect: Connect, counted: Counted):
    connect("gov").desk.apply(governing(*flights(9)))
    assert counted("ana", "flights") == [MOST]
    connect("gov").desk.apply(governing())
    assert counted("ana", "flights") == [1]


def test_a_word_that_few_hold_is_counted_each_time(connect: Connect, counted: Counted):
    assert counted("ana", "flights") == [1]
    connect("gov").desk.apply(governing(*flights(1)))
    assert counted("ana", "flights") == [2]
    connect("gov").desk.apply(governing())
    assert counted("ana", "flights") == [1]


def test_what_is_believed_of_one_actor_says_nothing_to_another(connect: Connect, counted: Counted):
    hidden = [
        replace(declared(SALARIES), owner="person:sam", ref=DatasetRef("people", f"flights_{n}"))
        for n in range(9)
    ]
    connect("gov").desk.apply(governing(*hidden))
    assert counted("sam", "flights") == [MOST]
    assert counted("ana", "flights") < [MOST]


def test_nothing_is_found_that_is_gone(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "TELLING_UP_TO", MOST)
    connect("gov").desk.apply(governing(*flights(9)))
    finder = connect("ana").finder
    assert finder.search(Question(text="flights")).total > 9
    connect("gov").desk.apply(governing())
    found = finder.search(Question(text="flights"))
    assert found.total == len(found.hits) < 9
    assert "flights_1" not in str(found.hits)
