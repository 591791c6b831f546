from dataclasses import replace

import pytest

from provender.core.audit import EventKind
from provender.core.errors import Denied, Problems
from provender.core.governance import Change, Governance
from provender.core.people import Person
from provender.core.policy import Action, ColumnRef, Rule
from tests.catalog.world import FLIGHTS, GOVERNANCE, SALARIES, Connect

MORE = Governance(people=(Person(id="person:new", teams=("team:ops",)),))


def test_anybody_may_apply_the_first_and_only_governors_the_next(connect_empty: Connect):
    steps = connect_empty("ana").apply_governance(GOVERNANCE)
    assert {step.change for step in steps} == {Change.ADD}
    with pytest.raises(Denied, match="person:ana may not change governance") as error:
        connect_empty("ana").apply_governance(MORE)
    assert error.value.hint == "person:gov can"
    assert connect_empty("ana").actor.teams == {"team:models"}
    connect_empty("gov").apply_governance(MORE)
    assert connect_empty("new").actor.teams == {"team:ops"}


def test_applying_the_same_again_changes_nothing_and_needs_no_office(connect: Connect):
    before = connect("gov").verify_audit()
    steps = connect("ana").apply_governance(GOVERNANCE)
    assert {step.change for step in steps} == {Change.KEEP}
    assert connect("gov").verify_audit() == before


def test_a_dry_run_plans_and_writes_nothing(connect: Connect):
    before = connect("gov").verify_audit()
    (step,) = connect("ana").apply_governance(MORE, dry_run=True)
    assert (step.change, step.kind, step.name) == (Change.ADD, "person", "person:new")
    assert connect("gov").verify_audit() == before
    assert connect("new").actor.teams == frozenset()


def test_what_is_in_force_comes_back_without_what_is_hidden(connect: Connect):
    found = connect("ana").governance()
    assert found.rules == tuple(sorted(GOVERNANCE.rules, key=lambda rule: rule.id))
    assert found.people == GOVERNANCE.people
    assert found.purposes == GOVERNANCE.purposes
    assert SALARIES not in {dataset.ref for dataset in found.datasets}


def test_a_changed_dataset_changes_who_sees_it(connect: Connect):
    flights = next(d for d in GOVERNANCE.datasets if d.ref == FLIGHTS)
    closed = replace(flights, tags=("personal",), stewards=("person:max",))
    steps = connect("gov").apply_governance(Governance(datasets=(closed,)))
    assert [(step.change, step.name) for step in steps] == [(Change.CHANGE, "aviation.flights")]
    assert FLIGHTS.dataset not in {s.name for s in connect("ana").datasets()}
    assert FLIGHTS.dataset in {s.name for s in connect("max").datasets()}
    assert FLIGHTS.dataset not in {s.name for s in connect("sam").datasets()}


def test_every_problem_is_told_and_nothing_is_applied(connect_empty: Connect):
    broken = replace(
        GOVERNANCE,
        rules=(Rule(id="r", actors=("person:gvo",), actions=(Action.READ,)),),
        domains=(),
        teams=(*GOVERNANCE.teams, "team:ops"),
    )
    with pytest.raises(Problems) as error:
        connect_empty("gov").apply_governance(broken)
    said = "\n".join(error.value.problems)
    assert "team 'team:ops' is declared twice" in said
    assert "rule r: actor 'person:gvo' is not declared (did you mean person:gov?)" in said
    assert "domain 'aviation' is not declared" in said
    assert "no rule has the action govern" in said
    assert connect_empty("gov").datasets() == []
    assert connect_empty("gov").verify_audit() == 0


def test_what_is_applied_is_written_down(connect: Connect):
    events = connect("gov").audit_events(limit=100)
    assert [event.kind for event in events] == [EventKind.GOVERNANCE_APPLY] + [
        EventKind.DATASET_DECLARE
    ] * len(GOVERNANCE.datasets)
    steps = events[0].detail["steps"]
    assert {"rule", "person", "tag", "purpose", "dataset"} <= {step["kind"] for step in steps}


def test_a_rule_that_is_changed_is_in_force_at_once(connect: Connect):
    asked = [ColumnRef("aviation.flights", "tailnum")]
    rule = Rule(id="report", actors=("anyone",), actions=(Action.READ,), tags=("personal",))
    assert not connect("ana").decide(Action.READ, asked, purpose="report").allowed
    connect("gov").apply_governance(Governance(rules=(rule,)))
    assert connect("ana").decide(Action.READ, asked, purpose="report").allowed
