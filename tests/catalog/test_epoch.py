"""The policy's epoch rises with everything that may change a decision, and with nothing else."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from threading import Event, get_ident

import pytest
from sqlalchemy import delete
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from provender.catalog import access, epoch, scopes
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.rows import RuleRow, TagRow
from provender.core.errors import Denied
from provender.core.finding import Question
from provender.core.people import Actor
from provender.core.policy import Action, Rule
from tests.catalog.test_access import opened
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    NOW,
    REPO,
    SALARIES,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
    searched,
)

OPEN_PEOPLE = Rule(
    id="people-are-known", actors=("anyone",), actions=(Action.DISCOVER,), datasets=("people.*",)
)


def epoch_of(way: Door) -> int:
    with way.reading() as db:
        return epoch.now(db)


def test_the_epoch_rises_with_what_may_change_a_decision(governed_url: str, connect: Connect):
    engine = open_database(governed_url)

    def now() -> int:
        with transaction(engine) as db:
            return epoch.now(db)

    sam, gov, ops = connect("sam"), connect("gov"), connect("ops")
    seen = [now()]
    given = sam.records.grant(FLIGHTS, grantee="person:ana")
    seen.append(now())
    sam.records.revoke(given.id)
    seen.append(now())
    gov.desk.apply(governing(replace(declared(FLIGHTS), stewards=())))
    seen.append(now())
    assert seen == sorted(set(seen))
    gov.desk.apply(governing(replace(declared(FLIGHTS), stewards=())))
    ops.publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    with pytest.raises(Denied):
        connect("max").desk.apply(replace(GOVERNANCE, rules=GOVERNANCE.rules[:1]))
    assert now() == seen[-1]
    engine.dispose()


def test_who_leaves_a_team_reads_as_its_member_no_more(governed_url: str, connect: Connect):
    with opened(governed_url) as engine:

        def teams() -> frozenset[str]:
            with transaction(engine) as db:
                return access.actor(db, "person:ana").teams

        assert teams() == teams() == {"team:models"}
        ana, *others = GOVERNANCE.people
        people = (replace(ana, teams=()), *others)
        connect("gov").desk.apply(replace(GOVERNANCE, people=people))
        assert teams() == frozenset()


@pytest.mark.parametrize(
    "scoped",
    [(), (3,), range(0, 400, 5), range(90), (*range(70), 399)],
    ids=["none", "one", "some", "most", "with one far off"],
)
def test_however_many_scopes_there_are_just_they_are_open(blank_url: str, scoped: Sequence[int]):
    every = range(-1, 420)
    rows = " UNION ALL ".join(f"SELECT {number} AS n" for number in every)
    with opened(blank_url) as engine, Session(engine) as db:
        condition = scopes.within(db, "n", set(scoped))
        fitting = [
            list(db.connection().exec_driver_sql(f"SELECT n FROM ({rows}) t WHERE {one}").scalars())
            for one in (condition, f"NOT ({condition})")
        ]
    assert sorted(fitting[0]) == [*scoped]
    assert sorted(fitting[1]) == [number for number in every if number not in scoped]


def test_what_was_decided_holds_until_the_policy_changes_and_no_longer(
    governed_url: str, connect: Connect
):
    ana, sam, hr = connect("ana"), connect("sam"), connect("gov")
    assert searched(ana, "salaries") == []
    closed = replace(GOVERNANCE, rules=(*GOVERNANCE.rules, OPEN_PEOPLE))
    hr.desk.apply(closed)
    assert [hit.name for hit in searched(ana, "salaries")] == [SALARIES.dataset]
    hr.desk.apply(GOVERNANCE)
    assert searched(ana, "salaries") == []
    assert searched(sam, "flights")


def test_what_was_decided_for_the_busiest_is_kept(
    governed_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(epoch, "MOST_KEPT", 2)
    engine = open_database(governed_url)
    decided: list[str] = []
    listen(engine, "before_cursor_execute", lambda *said: decided.append(said[2]))
    with transaction(engine) as db:
        for name in ("ana", "dev", "ana", "max", "ana"):
            decided.clear()
            who = Actor(f"person:{name}", frozenset())
            epoch.visible_scopes(db, who, Action.DISCOVER, now=NOW)
    assert not [statement for statement in decided if "scopes" in statement.split("WHERE")[0]]
    engine.dispose()


def test_what_a_writer_undid_was_never_known(governed_url: str):
    engine, who = open_database(governed_url), Actor("person:ana", frozenset())

    def open_to_ana(db: Session) -> int:
        return len(epoch.visible_scopes(db, who, Action.DISCOVER, now=NOW).scopes)

    def is_rule(db: Session) -> bool:
        return OPEN_PEOPLE in epoch.policy(db).rules

    with transaction(engine, write=True) as db:  # asks before anybody has read
        before = open_to_ana(db)
        db.add(RuleRow(id=OPEN_PEOPLE.id, value=OPEN_PEOPLE))
        db.flush()
        assert not is_rule(db)  # of an epoch, all that was kept holds
        epoch.bump(db)
        assert is_rule(db)
        db.rollback()
    for write in (False, True):
        with transaction(engine, write=write) as db:
            assert not is_rule(db)
            assert open_to_ana(db) == before
    engine.dispose()


def test_who_is_about_to_write_asks_for_nothing_that_readers_know(governed_url: str):
    engine = open_database(governed_url)
    with transaction(engine) as db:
        epoch.policy(db)
        epoch.actor(db, "person:sam")
    asked: list[str] = []
    with transaction(engine, write=True) as db:
        listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        epoch.policy(db)
        assert epoch.actor(db, "person:sam").id == "person:sam"
    assert len(asked) == 1
    assert "counters" in asked[0]
    engine.dispose()


def test_a_writer_may_copy_what_readers_keep_meanwhile(governed_sqlite: str):
    engine, done = open_database(governed_sqlite), Event()
    interval = sys.getswitchinterval()

    def decide(*, write: bool) -> int:
        while not done.is_set():
            with transaction(engine, write=write) as db:
                if write:
                    db.execute(delete(TagRow).where(TagRow.name == "nobody's"))
                for _ in range(1 if write else 50):
                    who = Actor(f"person:{get_ident()}-{next(number)}", frozenset())
                    epoch.visible_scopes(db, who, Action.DISCOVER, now=NOW)
        return next(number)

    number = count()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor() as pool:
            each = [pool.submit(decide, write=write) for write in (False, False, True)]
            done.wait(1)
            done.set()
            assert all(one.result() >= 0 for one in each)
    finally:
        sys.setswitchinterval(interval)
        engine.dispose()


def test_a_grant_opens_what_is_found_until_the_instant_it_ends(connect: Connect, clock: Clock):
    owner, ana = connect("gov"), connect("ana")
    ours = replace(declared(SALARIES), stewards=("person:sam",))
    owner.desk.apply(governing(ours))
    connect("dev").record(REPO)
    connect("sam").records.grant(
        SALARIES, grantee="person:ana", until=clock.now + timedelta(hours=1)
    )
    found = {hit.name for hit in searched(ana, "pay salaries")}
    assert {SALARIES.dataset, "pay", "pay_v1"} <= found
    counted = {v.value: v.documents for v in ana.finder.facets(Question())["domain"]}
    assert counted["people"] == 1
    clock.advance(timedelta(hours=1))
    assert not {hit.name for hit in searched(ana, "pay salaries")} & {SALARIES.dataset, "pay"}
    assert "people" not in {v.value for v in ana.finder.facets(Question())["domain"]}
