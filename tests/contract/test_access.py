"""What every Access must do, whatever it is made of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.datasets import whole
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound, PreconditionFailed
from provender.core.lineage import Node, NodeKind
from provender.core.policy import Action, ColumnRef, Rule
from provender.core.requests import RequestState, RequestStep, Wanted
from tests.catalog.world import FLIGHTS, NOW, SALARIES, manifest
from tests.contract.conftest import Connect

DATASET = Node(NodeKind.DATASET, str(FLIGHTS))
WANTED = Wanted(about=DATASET, columns=("tailnum",), purpose="delay", reason="to predict delays")


def test_access_is_foreseen_asked_for_given_and_renewed(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    ana, sam = connect("ana").access, connect("sam").access
    foreseen = ana.foresee(replace(WANTED, reason="", until=NOW + timedelta(days=1)))
    (column,) = foreseen.columns
    assert (column.before, column.after, column.protected) == (False, True, ("personal",))
    asked = ana.ask(WANTED, key="k")
    assert ana.ask(WANTED, key="k") == asked
    assert sam.requests(state=RequestState.OPEN).items == (asked,)
    assert sam.requested(asked.id).request == asked
    with pytest.raises(PreconditionFailed):
        sam.answer(asked.id, RequestStep.APPROVE, expected=asked.revision + 1)
    approved = sam.answer(asked.id, RequestStep.APPROVE, expected=asked.revision, key="a")
    assert sam.answer(asked.id, RequestStep.APPROVE, expected=asked.revision, key="a") == approved
    with pytest.raises(Conflict):
        sam.answer(asked.id, RequestStep.REJECT, reason="too late")
    tailnum = [ColumnRef(str(FLIGHTS), "tailnum")]
    connect("ana").permit(Action.READ, tailnum, purpose="delay")
    (grant,) = approved.grants
    end = NOW + timedelta(days=9)
    assert sam.renew(grant, until=end, reason="again").until == end
    assert sam.renew(grant, until=None).until is None
    with pytest.raises(NotFound):
        connect("max").access.renew(grant, until=None)


def test_what_cannot_be_asked_for_or_answered_is_said(connect: Connect):
    ana = connect("ana").access
    with pytest.raises(NotFound):
        ana.ask(replace(WANTED, about=Node(NodeKind.DATASET, str(SALARIES)), columns=()))
    with pytest.raises(InvalidInput):
        ana.ask(replace(WANTED, reason=""))
    asked = ana.ask(WANTED)
    with pytest.raises(Denied):
        ana.answer(asked.id, RequestStep.APPROVE)
    with pytest.raises(NotFound):
        connect("max").access.answer(asked.id, RequestStep.APPROVE)
    assert ana.answer(asked.id, RequestStep.WITHDRAW).state is RequestState.WITHDRAWN


def test_a_request_waits_in_the_inbox_until_it_is_answered(connect: Connect):
    asked = connect("ana").access.ask(WANTED)
    sam = connect("sam")
    task = sam.desk.inbox().items[0]
    assert (task.kind, task.node, task.revision) == ("request", DATASET, asked.revision)
    assert "person:ana asks to read aviation.flights (tailnum) for delay" in task.says
    with pytest.raises(Conflict, match="waits until it is answered"):
        sam.desk.settle(task.id, expected=task.revision)
    assert not [one for one in connect("ana").desk.inbox().items if one.kind == "request"]
    sam.access.answer(asked.id, RequestStep.REJECT, reason="use carrier")
    assert not sam.desk.inbox(kind="request").items


def test_requests_are_told_in_parts(connect: Connect):
    ana = connect("ana").access
    for number in range(3):
        ana.ask(replace(WANTED, reason=f"reason {number}"))
    told = whole(lambda after: ana.requests(limit=1, after=after))
    assert [one.id for one in told] == ["r3", "r2", "r1"]


def test_a_policy_is_tested_against_what_was_decided(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    arr_delay = [ColumnRef(str(FLIGHTS), "arr_delay")]
    connect("max").permit(Action.READ, arr_delay, purpose="report")
    gov = connect("gov")
    in_force = gov.desk.governance()
    rules = tuple(rule for rule in in_force.rules if rule.id != "report")
    found = gov.access.simulate(replace(in_force, rules=rules), since=NOW - timedelta(days=1))
    (loss,) = found.losses
    assert (loss.question.actor, loss.columns, loss.was) == (
        "person:max",
        ("arr_delay",),
        "rule report",
    )
    assert gov.access.simulate(in_force, since=NOW - timedelta(days=1)).changes_nothing
    with pytest.raises(Denied):
        connect("ana").access.simulate(in_force, since=NOW - timedelta(days=1))


def test_the_glass_is_broken_reviewed_and_listed(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    fire = Rule(
        id="fire", actors=("person:max",), actions=(Action.BREAK_GLASS,), tags=("personal",)
    )
    connect("gov").desk.declare(fire)
    max_ = connect("max").access
    asked = {"columns": ["tailnum"], "purpose": "delay", "hours": 2.0, "reason": "a fire"}
    taken = max_.break_glass(FLIGHTS, **asked, key="k")
    assert max_.break_glass(FLIGHTS, **asked, key="k") == taken
    with pytest.raises(InvalidInput):
        max_.break_glass(FLIGHTS, **{**asked, "hours": 100.0})
    sam = connect("sam").access
    assert sam.expiring(until=NOW + timedelta(days=1)).items[0].id == taken.grant
    assert sam.unused(since=NOW).items == ()
    assert sam.broken().items == (taken,)
    done = sam.review(taken.id, justified=False, note="no fire")
    assert sam.broken().items == (done,)
    with pytest.raises(Conflict):
        sam.review(taken.id, justified=True, note="a fire")
