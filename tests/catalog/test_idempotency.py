"""Requests that are sent twice are done once, and answered the same."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from provender.catalog import idempotency
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import IdempotencyRow
from provender.core.datasets import Format
from provender.core.editing import Edit
from provender.core.errors import Conflict, KeyReused, NotFound
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    SALARIES,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
    versions_of,
)


def test_the_same_request_is_answered_as_it_was_first(connect: Connect, clock: Clock):
    ops = connect("ops")
    first = ops.publish(FLIGHTS, manifest(1), parent=0, key="k1")
    clock.advance(timedelta(hours=1))
    ops.publish(FLIGHTS, manifest(2))
    assert ops.publish(FLIGHTS, manifest(1), parent=0, key="k1") == first
    assert [version.number for version in versions_of(ops, FLIGHTS)] == [1, 2]
    assert ops.publish(FLIGHTS, manifest(1)).number == 3


def test_a_key_is_for_one_request(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1), key="k1")
    for again in (
        lambda: ops.publish(FLIGHTS, manifest(2), key="k1"),
        lambda: ops.publish(HOURLY, manifest(1, of=HOURLY), key="k1"),
        lambda: ops.publish(FLIGHTS, manifest(1), note="n", key="k1"),
        lambda: ops.represent(FLIGHTS.at(1), manifest(1, format=Format.CSV), key="k1"),
    ):
        with pytest.raises(KeyReused, match="'k1' came before with another request"):
            again()
    assert [version.number for version in versions_of(ops, FLIGHTS)] == [1]
    assert versions_of(ops, HOURLY) == []


def test_keys_are_an_actors_own(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest(1), key="k1")
    assert connect("sam").publish(FLIGHTS, manifest(2), key="k1").number == 2


def test_what_was_refused_is_decided_again(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    with pytest.raises(Conflict):
        ops.publish(FLIGHTS, manifest(2), parent=7, key="k1")
    assert ops.publish(FLIGHTS, manifest(2), parent=1, key="k1").number == 2


def test_an_answer_is_not_given_again_to_who_may_not_know_of_it_any_more(connect: Connect):
    gov, sam = connect("gov"), connect("sam")
    steward = replace(declared(SALARIES), stewards=("person:sam",))
    gov.desk.apply(governing(steward))
    said = Edit(description="Said once.")

    def edit() -> object:
        return sam.desk.edit(SALARIES, said, expected=None, reason="r", key="k1")

    assert edit() == edit()
    gov.desk.apply(governing(declared(SALARIES)), overwrite=True)
    with pytest.raises(NotFound):
        edit()


def test_an_answer_is_kept_for_a_week_and_then_swept_away(
    governed_url: str, connect: Connect, clock: Clock
):
    ops = connect("ops")
    first = ops.publish(FLIGHTS, manifest(1), parent=0, key="k1")
    clock.advance(idempotency.KEPT - timedelta(seconds=1))
    assert ops.publish(FLIGHTS, manifest(1), parent=0, key="k1") == first
    clock.advance(timedelta(seconds=1))
    assert ops.publish(FLIGHTS, manifest(2), key="k2").number == 2
    engine = open_database(governed_url)
    with transaction(engine) as db:
        assert db.scalars(select(IdempotencyRow.key)).all() == ["k2"]
    engine.dispose()
    assert ops.publish(FLIGHTS, manifest(3), key="k1").number == 3


def test_a_request_that_is_sent_many_times_at_once_is_done_once(governed_url: str):
    def send(_: int) -> int:
        with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
            return catalog.publish(FLIGHTS, manifest(1), parent=0, key="k1").number

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(16))) == {1}
    engine = open_database(governed_url)
    with transaction(engine) as db:
        assert db.scalar(select(func.count()).select_from(IdempotencyRow)) == 1
    engine.dispose()
