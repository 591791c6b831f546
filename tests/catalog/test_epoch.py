"""The policy's epoch rises with everything that may change a decision, and with nothing else."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from threading import Event, get_ident

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, or_, select, text
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from provender.catalog import access, declarations, epoch, governance, naming
from provender.catalog.changes import Change
from provender.catalog.db import WRITING, open_database, transaction
from provender.catalog.door import Door
from provender.catalog.rows import DatasetRow, ScopeRow
from provender.core.datasets import Dataset
from provender.core.errors import Denied
from provender.core.finding import Question
from provender.core.governance import Domain, Governance, diff
from provender.core.people import Actor
from provender.core.policy import Action, Grant, Rule
from provender.core.tags import Tag
from tests.catalog.test_access import WHO, opened, row, worlds
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
    given = sam.grant(FLIGHTS, grantee="person:ana")
    seen.append(now())
    sam.revoke(given.id)
    seen.append(now())
    gov.apply_governance(governing(replace(declared(FLIGHTS), stewards=())))
    seen.append(now())
    assert seen == sorted(set(seen))
    gov.apply_governance(governing(replace(declared(FLIGHTS), stewards=())))
    ops.publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    with pytest.raises(Denied):
        connect("max").apply_governance(replace(GOVERNANCE, rules=GOVERNANCE.rules[:1]))
    assert now() == seen[-1]
    engine.dispose()


def check_scopes(
    engine: Engine,
    declared: Sequence[Dataset],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    action: Action,
) -> None:
    """What scopes and grants open is what the SQL of `access.visible` lists."""
    tags = tuple(Tag(name=name, protected=name != "open") for name in ("open", "closed"))
    world = Governance(
        domains=(Domain(name="a"), Domain(name="b")),
        tags=tags,
        rules=tuple(replace(rule, id=f"r{n}") for n, rule in enumerate(rules)),
    )
    with Session(engine.execution_options(**{WRITING: True})) as db:  # never committed
        for step in diff(Governance(), world):
            db.merge(governance.ROWS[step.kind](step.value))
        db.flush()
        for each in declared:
            declarations.keep(db, [each], change=Change(1, NOW, WHO.id, ""))
        there = naming.numbers(db, (each.ref.dataset for each in declared))
        db.add_all(row(number, grant, there) for number, grant in enumerate(grants))
        db.flush()
        listed = set(db.scalars(access.visible_numbers(db, WHO, action, now=NOW)))
        opened = epoch.visible_scopes(db, WHO, action, now=NOW)
        scoped = select(DatasetRow.id).where(
            or_(DatasetRow.scope.in_(opened.scopes), DatasetRow.id.in_(opened.datasets))
        )
        assert set(db.scalars(scoped)) == listed
        inside = select(ScopeRow.id).where(text(opened.inside("id")))
        assert set(db.scalars(inside)) == opened.scopes


@worlds
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_scopes_and_grants_open_what_the_gate_would(
    url: str,
    declared: Sequence[Dataset],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    action: Action,
):
    with opened(url) as engine:
        check_scopes(engine, declared, rules, grants, action)


def test_what_nearly_everybody_sees_is_said_by_what_is_closed():
    open_ = frozenset(range(1, 5_001)) - {7}
    assert epoch.Visible(open_, closed=frozenset({7, 6_000})).inside("s") == (
        "s BETWEEN 1 AND 5000 AND NOT (s IN (7))"
    )
    assert epoch.Visible(frozenset({7}), closed=open_).inside("s") == "s IN (7)"
    assert epoch.Visible(frozenset(), closed=open_).inside("s") == "1 = 0"


def test_what_was_decided_holds_until_the_policy_changes_and_no_longer(
    governed_url: str, connect: Connect
):
    ana, sam, hr = connect("ana"), connect("sam"), connect("gov")
    assert ana.search("salaries") == []
    closed = replace(GOVERNANCE, rules=(*GOVERNANCE.rules, OPEN_PEOPLE))
    hr.apply_governance(closed)
    assert [hit.name for hit in ana.search("salaries")] == [SALARIES.dataset]
    hr.apply_governance(GOVERNANCE)
    assert ana.search("salaries") == []
    assert sam.search("flights")


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


def test_a_writer_may_copy_what_readers_keep_meanwhile(governed_sqlite: str):
    engine, done = open_database(governed_sqlite), Event()
    interval = sys.getswitchinterval()

    def decide(*, write: bool) -> int:
        while not done.is_set():
            with transaction(engine, write=write) as db:
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
    owner.apply_governance(governing(ours))
    connect("dev").record(REPO)
    connect("sam").grant(SALARIES, grantee="person:ana", until=clock.now + timedelta(hours=1))
    found = {hit.name for hit in ana.search("pay salaries")}
    assert {SALARIES.dataset, "pay", "pay_v1"} <= found
    counted = {v.value: v.documents for v in ana.finder.facets(Question())["domain"]}
    assert counted["people"] == 1
    clock.advance(timedelta(hours=1))
    assert not {hit.name for hit in ana.search("pay salaries")} & {SALARIES.dataset, "pay"}
    assert "people" not in {v.value for v in ana.finder.facets(Question())["domain"]}
