"""The simulator over a real trail, on both databases; a hundred thousand decisions in seconds."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from provender.catalog import audit
from provender.catalog.db import open_database, transaction
from provender.catalog.rows import AuditRow
from provender.core.audit import EventKind, chain
from provender.core.errors import Denied, InvalidInput, Problems
from provender.core.policy import Action, ColumnRef
from provender.core.tally import Matter
from tests.catalog.world import FLIGHTS, GOVERNANCE, NOW, Clock, Connect, governing, manifest
from tests.stress import times
from tests.tallies import batch, tally

SINCE = NOW - timedelta(days=1)
DECISIONS = 10_000
WITHIN = 8.0
"""Seconds for a tenth of what is promised, on two busy cores; the rest is the machine's."""


def without_rule(identity: str):
    return replace(GOVERNANCE, rules=tuple(r for r in GOVERNANCE.rules if r.id != identity))


def test_who_would_lose_and_gain_is_told_before_anything_is_applied(connect: Connect, clock: Clock):
    connect("ops").publish(FLIGHTS, manifest())
    clock.advance(timedelta(hours=1))
    began = clock()
    arr_delay, tailnum = (ColumnRef(str(FLIGHTS), name) for name in ("arr_delay", "tailnum"))
    for _ in range(3):
        connect("max").permit(Action.READ, [arr_delay], purpose="report")
    with pytest.raises(Denied):
        connect("ana").permit(Action.READ, [arr_delay, tailnum], purpose="report")
    connect("ops").desk.rename(FLIGHTS, "aviation.departures", expected=None)
    gov = connect("gov")
    count = gov.records.verify_audit()
    now = gov.desk.governance()
    assert gov.access.simulate(now, since=began).changes_nothing
    lost = replace(now, rules=tuple(rule for rule in now.rules if rule.id != "report"))
    found = gov.access.simulate(lost, since=began)
    assert (found.decisions, found.questions) == (4, 2)
    first, second = found.losses
    assert (first.question.actor, first.question.dataset, first.columns, first.times) == (
        "person:max",
        "aviation.departures",
        ("arr_delay",),
        3,
    )
    assert (second.question.actor, second.columns) == ("person:ana", ("arr_delay",))
    reached = tuple(replace(rule, tags=("personal",)) for rule in now.rules)
    gains = gov.access.simulate(replace(now, rules=reached), since=began).gains
    assert [(one.question.actor, one.columns, one.becomes) for one in gains] == [
        ("person:ana", ("tailnum",), "rule report")
    ]
    clock.advance(timedelta(microseconds=1))
    assert gov.access.simulate(lost, since=clock()).decisions == 0
    assert gov.records.verify_audit() == count
    assert gov.desk.governance() == now


def test_testing_a_policy_is_for_who_governs_and_of_the_past(connect: Connect):
    with pytest.raises(Denied):
        connect("ana").access.simulate(GOVERNANCE, since=SINCE)
    gov = connect("gov").access
    with pytest.raises(InvalidInput):
        gov.simulate(GOVERNANCE, since=NOW + timedelta(days=1))
    with pytest.raises(Problems):
        gov.simulate(governing(teams=()), since=SINCE)


def test_lookups_that_were_told_together_count_each(connect: Connect):
    gov = connect("gov")
    matter = Matter(
        lease="lease_1",
        actor="person:max",
        purpose="report",
        project="shop",
        reasons={str(FLIGHTS): {"arr_delay": "rule report"}},
    )
    allowed, refused = (
        tally(matter, NOW, allowed=one, lookups=often, last=f"a.{often}")
        for one, often in ((True, 31), (False, 4))
    )
    gov.records.tell_lookups(batch(allowed, refused))
    found = gov.access.simulate(gov.desk.governance(), since=SINCE)
    assert (found.decisions, found.questions) == (35, 1)


def test_a_hundred_thousand_decisions_are_decided_again_in_seconds(
    governed_url: str, connect: Connect, clock: Clock
):
    """At STRESS=10; a tenth of them otherwise. Each has an id of its own, few are distinct."""
    count = times(DECISIONS)
    engine = open_database(governed_url)
    with transaction(engine, write=True) as db:
        last = audit.last(db)
        rows = []
        for number in range(count):
            last = chain(
                last,
                at=clock(),
                actor=f"person:p{number % 100}",
                kind=EventKind.ACCESS_PERMIT if number % 3 else EventKind.ACCESS_DENY,
                subject=str(FLIGHTS),
                detail={
                    "action": "read",
                    "purpose": "report",
                    "decision": f"dec_{number:016x}",
                    "reasons": {f"c{number % 7}": "rule report", "arr_delay": "rule report"},
                },
            )
            rows.append(
                {
                    part: getattr(last, part)
                    for part in AuditRow.__table__.columns.keys()  # noqa: SIM118 - columns, not a dict
                }
            )
        db.execute(insert(AuditRow), rows)
    engine.dispose()
    began = time.perf_counter()
    found = connect("gov").access.simulate(without_rule("report"), since=SINCE)
    seconds = time.perf_counter() - began
    assert (found.decisions, found.questions, found.losing) == (count, 700, 700)
    assert seconds < WITHIN, f"{count:,} decisions took {seconds:.2f} s"
