"""One writer at a time, readers that see one state, instants that never fall."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from provender.catalog import db as database
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.core.errors import ProvenderError
from tests.catalog.world import FLIGHTS, NOW, Clock, manifest
from tests.stress import times

ADD = text("INSERT INTO teams (id) VALUES (:id)")
COUNT = text("SELECT COUNT(*) FROM teams")


@pytest.fixture
def engine(blank_url: str) -> Iterator[Engine]:
    engine = open_database(blank_url)
    yield engine
    engine.dispose()


def test_two_questions_of_one_reader_see_the_same_state(engine: Engine):
    with transaction(engine) as reader:
        before = reader.scalar(COUNT)
        with transaction(engine, write=True) as writer:
            writer.execute(ADD, {"id": "team:new"})
        assert reader.scalar(COUNT) == before
    with transaction(engine) as reader:
        assert reader.scalar(COUNT) == before + 1


def test_a_reader_cannot_write(engine: Engine):
    with pytest.raises((ProvenderError, DBAPIError)), transaction(engine) as reader:
        reader.execute(ADD, {"id": "team:new"})
    with transaction(engine, write=True) as writer:
        assert writer.scalar(COUNT) == 0


def test_writers_of_one_process_take_turns_instead_of_waiting_for_a_lock_to_be_free(
    blank_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    engines = [open_database(blank_url) for _ in range(2)]
    started = threading.Barrier(8)

    def write(thread: int) -> None:
        started.wait()
        for number in range(times(20)):
            with transaction(engines[thread % 2], write=True) as writer:
                writer.execute(ADD, {"id": f"team:{thread}-{number}"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with transaction(engines[0]) as reader:
        assert reader.scalar(COUNT) == 8 * times(20)
    for engine in engines:
        engine.dispose()


def test_instants_of_changes_never_fall_when_a_clock_does(governed_url: str):
    ahead, behind = Clock(), Clock()
    ahead.advance(timedelta(hours=1))
    with (
        LocalCatalog(governed_url, actor="person:ops", clock=ahead) as early,
        LocalCatalog(governed_url, actor="person:ops", clock=behind) as late,
    ):
        first = early.publish(FLIGHTS, manifest(1))
        second = late.publish(FLIGHTS, manifest(2))
        assert (first.published_at, second.published_at) == (ahead.now, ahead.now)
        assert late.resolve(FLIGHTS, as_of=ahead.now) == second
        trail = late.records.audit_events(limit=100)[::-1]
    assert [event.at for event in trail] == sorted(event.at for event in trail)


def test_a_clock_that_stands_still_stamps_what_it_says(governed_url: str, clock: Clock):
    with LocalCatalog(governed_url, actor="person:ops", clock=clock) as catalog:
        published = [catalog.publish(FLIGHTS, manifest(rows)) for rows in (1, 2)]
        assert [version.published_at for version in published] == [NOW, NOW]
        assert catalog.resolve(FLIGHTS, as_of=NOW) == replace(published[1])


def test_connections_that_postgresql_closed_are_made_anew(blank_postgresql: str):
    engine, beside = open_database(blank_postgresql), open_database(blank_postgresql)
    mine = text("SELECT pg_backend_pid()")
    with transaction(engine) as one, transaction(engine) as other:
        closed = {one.scalar(mine), other.scalar(mine)}
    with transaction(beside, write=True) as db:
        for pid in closed:
            assert db.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with transaction(engine) as one, transaction(engine) as other:
        assert closed.isdisjoint({one.scalar(mine), other.scalar(mine)})
    with transaction(engine) as again:  # no other is made for it
        assert again.scalar(mine) not in closed
    engine.dispose()
    beside.dispose()
