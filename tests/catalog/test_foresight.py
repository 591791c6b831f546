"""What a request would show is told in the sight of who looks."""

from dataclasses import replace

from provender.core.lineage import Node, NodeKind
from provender.core.policy import Action, Rule
from provender.core.requests import ForeseenColumn, Wanted
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    SALARIES,
    Connect,
    declared,
    governing,
    manifest,
)

WANTED = Wanted(about=Node(NodeKind.DATASET, str(FLIGHTS)), purpose="delay", reason="to predict")


def test_who_asks_for_somebody_else_is_not_told_what_those_may_already(connect: Connect):
    hidden = replace(declared(SALARIES), column_tags={"name": ("personal",)})
    made = replace(declared(FLIGHTS), column_from={"arr_delay": (f"{SALARIES}.name",)})
    reads = Rule(
        id="gov-reads",
        actors=("person:gov",),
        actions=(Action.READ, Action.DISCOVER),
        datasets=("*",),
    )
    connect("gov").desk.apply(governing(hidden, made, rules=(*GOVERNANCE.rules, reads)))
    connect("ops").publish(FLIGHTS, manifest())
    wanted = replace(WANTED, grantee="person:gov")

    def seen(who: str) -> dict[str, ForeseenColumn]:
        return {c.column: c for c in connect(who).access.foresee(wanted).columns}

    for_ana, for_sam = seen("ana"), seen("sam")
    assert {(c.known, c.before) for c in for_ana.values()} == {(False, False)}
    assert not any("gov-reads" in c.because or "salaries" in c.because for c in for_ana.values())
    assert {c.column: c.after for c in for_ana.values()} == {
        "event_timestamp": True,
        "tailnum": False,
        "arr_delay": False,
    }
    assert "carried from what it was made from" in for_ana["arr_delay"].because
    assert for_sam["event_timestamp"].before is True  # who decides may know
    assert "salaries" not in for_sam["arr_delay"].because
    assert "carried from people.salaries.name" in seen("gov")["arr_delay"].because
    asked = connect("ana").access.ask(replace(wanted, columns=("event_timestamp",)))
    assert asked.id == "r1"  # that it is open already is not told, either
    assert {c.known for c in connect("ana").access.requested(asked.id).columns} == {False}
    assert {c.before for c in connect("sam").access.requested(asked.id).columns} == {True}
