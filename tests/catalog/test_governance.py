from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from provender.catalog.documents import read_governance
from provender.catalog.export import export, write
from provender.core.audit import EventKind
from provender.core.digest import plain
from provender.core.effects import Effect
from provender.core.errors import Denied, NotFound, Problems
from provender.core.glossary import Term
from provender.core.governance import Change, Governance, Step
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, ColumnRef, Rule
from provender.core.tags import Tag
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    dataset,
    declared,
    governing,
    listed,
    manifest,
    searched,
)

NEW = Person(id="person:new", teams=("team:ops",))
MORE = governing(people=(*GOVERNANCE.people, NEW))


def test_anybody_may_apply_the_first_and_only_governors_the_next(connect_empty: Connect):
    steps = connect_empty("ana").desk.apply(GOVERNANCE)
    assert {step.change for step in steps} == {Change.ADD}
    with pytest.raises(Denied, match="person:ana may not change governance") as error:
        connect_empty("ana").desk.apply(MORE)
    assert error.value.hint == "person:gov can"
    assert connect_empty("ana").actor.teams == {"team:models"}
    connect_empty("gov").desk.apply(MORE)
    assert connect_empty("new").actor.teams == {"team:ops"}


def test_applying_the_same_again_changes_nothing(connect: Connect):
    before = connect("gov").records.verify_audit()
    steps = connect("gov").desk.apply(GOVERNANCE)
    assert {step.change for step in steps} == {Change.KEEP}
    assert connect("gov").records.verify_audit() == before


def test_many_datasets_are_declared_with_few_statements_and_kept_as_one_by_one(connect: Connect):
    gov = connect("gov")
    made = [
        dataset(DatasetRef("aviation", f"made_{n}"), f"Made {n}.", tags=("source.bts",))
        for n in range(60)
    ]
    with statements() as asked:
        gov.desk.apply(governing(*made))
    assert len(asked) < 4 * len(made)
    gov.desk.apply(governing(*made, replace(made[7], description="Said anew.")))
    assert gov.finder.entry(made[7].ref).revision == 2
    assert searched(gov, "anew")[0].name == made[7].ref.dataset
    states = gov.desk.history("dataset", made[7].ref.dataset).items
    assert [state.value["description"] for state in states] == ["Said anew.", "Made 7."]
    events = gov.records.audit_events(kind=EventKind.DATASET_DECLARE, limit=61)
    assert [event.subject for event in events] == [
        made[7].ref.dataset,
        *(one.ref.dataset for one in reversed(made)),
    ]


def test_what_no_file_could_say_is_declared_by_nobody(connect: Connect, tmp_path: Path):
    desk = connect("gov").desk
    late = dataset(DatasetRef("aviation", "late"), " Late. ", fresh_within=timedelta(days=10**6))
    for value in (late, Term(name="late", definition=""), Tag(name="a b")):
        with pytest.raises(Problems):
            desk.declare(value)
    desk.declare(replace(late, fresh_within=timedelta(days=1), column_tags={"a": ()}))
    write(tmp_path, export(desk.governance(), tmp_path))
    assert {step.change for step in desk.plan(read_governance(tmp_path))} == {Change.KEEP}


def test_a_rule_that_fits_no_dataset_is_planned_with_a_warning(connect: Connect):
    rules = (
        *GOVERNANCE.rules,
        Rule(id="typo", actors=("anyone",), actions=(Action.READ,), datasets=("aviaton.*", "*")),
        Rule(id="fits", actors=("anyone",), actions=(Action.READ,), datasets=("*.flights",)),
    )
    desk = connect("gov").desk
    warned = {step.name: step.warnings for step in desk.plan(governing(rules=rules))}
    assert {name: told for name, told in warned.items() if told} == {
        "typo": ("rule typo: no dataset fits 'aviaton.*' now",)
    }
    desk.apply(governing(rules=rules))
    assert not [step for step in desk.plan(governing(rules=rules)) if step.warnings]


def test_a_mask_or_filter_that_does_not_fit_the_newest_version_cannot_be_applied(
    connect: Connect,
):
    """Nor can the mask of a rule that is declared alone; of a project that is not there one is told."""
    connect("ops").publish(FLIGHTS, manifest())
    desk = connect("gov").desk
    mask = Rule(
        id="mask",
        actors=("anyone", "project:nowhere"),
        actions=(Action.READ,),
        datasets=(str(FLIGHTS),),
        tags=("personal",),
        effect=Effect.MASK,
        mask="bucket(10)",
    )
    rows = replace(mask, id="rows", effect=Effect.SEE, mask="", tags=(), filter="arr_dely > 3")
    with pytest.raises(Problems) as error:
        desk.plan(governing(rules=(*GOVERNANCE.rules, mask, rows)))
    assert "rule mask: mask bucket(10) does not fit tailnum, which is string" in str(error.value)
    assert "there is no column 'arr_dely' (did you mean arr_delay" in str(error.value)
    with pytest.raises(Problems, match="does not fit"):
        desk.declare(mask)
    steps = desk.plan(governing(rules=(*GOVERNANCE.rules, replace(mask, tags=()))))
    assert any("does not fit" in told for step in steps for told in step.warnings)
    good = replace(mask, mask="null")
    steps = desk.plan(governing(rules=(*GOVERNANCE.rules, good)))
    warned = {step.name: step.warnings for step in steps}["mask"]
    assert any("there is no project 'nowhere' now" in told for told in warned)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that is sent to a database meanwhile."""
    asked: list[str] = []

    def note(*told: Any) -> None:
        asked.append(told[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("desired", [GOVERNANCE, MORE, Governance()])
def test_a_plan_is_for_governors_since_it_tells_of_everything(connect: Connect, desired):
    with pytest.raises(Denied, match="person:ana may not plan governance"):
        connect("ana").desk.plan(desired)
    (event,) = connect("gov").records.audit_events(kind=EventKind.ACCESS_DENY)
    assert (event.actor, event.subject) == ("person:ana", "*")


def test_anybody_may_plan_the_first(connect_empty: Connect):
    steps = connect_empty("ana").desk.plan(GOVERNANCE)
    assert {step.change for step in steps} == {Change.ADD}


def test_a_dry_run_plans_and_writes_nothing(connect: Connect):
    before = connect("gov").records.verify_audit()
    (step,) = changed(connect("gov").desk.plan(MORE))
    assert (step.change, step.kind, step.name) == (Change.ADD, "person", "person:new")
    assert connect("gov").records.verify_audit() == before
    assert connect("new").actor.teams == frozenset()


def test_what_is_in_force_comes_back_without_what_is_hidden(connect: Connect):
    found = connect("ana").governance()
    assert found.rules == tuple(sorted(GOVERNANCE.rules, key=lambda rule: rule.id))
    assert found.people == GOVERNANCE.people
    assert found.purposes == GOVERNANCE.purposes
    assert SALARIES not in {dataset.ref for dataset in found.datasets}


def test_a_changed_dataset_changes_who_sees_it(connect: Connect):
    closed = replace(declared(FLIGHTS), tags=("personal",), stewards=("person:max",))
    steps = changed(connect("gov").desk.apply(governing(closed)))
    assert [(step.change, step.name) for step in steps] == [(Change.CHANGE, "aviation.flights")]
    assert FLIGHTS.dataset not in {s.name for s in listed(connect("ana"))}
    assert FLIGHTS.dataset in {s.name for s in listed(connect("max"))}
    assert FLIGHTS.dataset not in {s.name for s in listed(connect("sam"))}


def test_every_problem_is_told_and_nothing_is_applied(connect_empty: Connect):
    broken = replace(
        GOVERNANCE,
        rules=(Rule(id="r", actors=("person:gvo",), actions=(Action.READ,)),),
        domains=(),
        teams=(*GOVERNANCE.teams, "team:ops"),
    )
    with pytest.raises(Problems) as error:
        connect_empty("gov").desk.apply(broken)
    said = "\n".join(error.value.problems)
    assert "team 'team:ops' is declared twice" in said
    assert "rule r: actor 'person:gvo' is not declared (did you mean person:gov?)" in said
    assert "domain 'aviation' is not declared" in said
    assert "no rule has the action govern" in said
    assert listed(connect_empty("gov")) == []
    assert connect_empty("gov").records.verify_audit() == 0


def test_what_is_applied_is_written_down(connect: Connect):
    events = connect("gov").records.audit_events(limit=100)
    assert [event.kind for event in events] == [EventKind.GOVERNANCE_APPLY] + [
        EventKind.DATASET_DECLARE
    ] * len(GOVERNANCE.datasets)
    steps = events[0].detail["steps"]
    assert {"rule", "person", "tag", "purpose", "dataset"} <= {step["kind"] for step in steps}


def test_a_rule_that_is_changed_is_in_force_at_once(connect: Connect):
    asked = [ColumnRef("aviation.flights", "tailnum")]
    rule = Rule(id="report", actors=("anyone",), actions=(Action.READ,), tags=("personal",))
    others = tuple(r for r in GOVERNANCE.rules if r.id != "report")
    assert not connect("ana").records.decide(Action.READ, asked, purpose="report").allowed
    connect("gov").desk.apply(governing(rules=(*others, rule)))
    assert connect("ana").records.decide(Action.READ, asked, purpose="report").allowed
    steps = connect("gov").desk.apply(governing(rules=others))
    assert [(s.change, s.kind, s.name) for s in changed(steps)] == [
        (Change.REMOVE, "rule", "report")
    ]
    assert not connect("ana").records.decide(Action.READ, asked, purpose="report").allowed


def test_what_is_no_longer_declared_is_gone_and_that_is_written_down(connect: Connect):
    smaller = Governance(
        domains=GOVERNANCE.domains[:1],
        teams=("team:ops",),
        people=(Person(id="person:gov"), Person(id="person:ops", teams=("team:ops",))),
        tags=GOVERNANCE.tags[1:],
        rules=GOVERNANCE.rules[:2],
        datasets=(dataset(FLIGHTS, "Flights."),),
    )
    gov = connect("gov")
    planned = gov.desk.plan(smaller)
    assert gov.governance() != smaller
    assert gov.desk.apply(smaller) == planned
    assert gov.desk.plan(smaller) == [
        step for step in gov.desk.apply(smaller) if step.change is Change.KEEP
    ]
    kept = connect("ops").governance()
    assert kept == replace(smaller, people=kept.people, rules=kept.rules)
    (event, _) = gov.records.audit_events(kind=EventKind.GOVERNANCE_APPLY)
    removed = {(s["kind"], s["name"]) for s in event.detail["steps"] if s["change"] == "remove"}
    assert removed >= {
        ("domain", "people"),
        ("team", "team:hr"),
        ("person", "person:sam"),
        ("tag", "personal"),
        ("purpose", "report"),
        ("rule", "report"),
        ("dataset", "people.salaries"),
    }
    assert searched(connect("ops"), "weather") == []


def test_a_dataset_with_versions_must_stay_declared(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    without = replace(GOVERNANCE, datasets=GOVERNANCE.datasets[1:])
    desk = connect("gov").desk
    for ask in (desk.plan, desk.apply):
        with pytest.raises(Problems) as error:
            ask(without)
        assert error.value.problems == [
            "dataset aviation.flights is no longer declared, but has 1 version: "
            "keep its declaration"
        ]
    assert connect("ops").dataset(FLIGHTS)


def test_what_a_removed_person_was_granted_ends_for_good(connect: Connect, clock: Clock):
    gov, max_ = connect("gov"), connect("max")
    given = connect("sam").records.grant(FLIGHTS, grantee="person:max", columns=("tailnum",))
    asked = [ColumnRef("aviation.flights", "tailnum")]
    assert max_.records.decide(Action.READ, asked, purpose="report").allowed
    gone = governing(people=tuple(p for p in GOVERNANCE.people if p.id != "person:max"))
    gov.desk.apply(gone)
    assert not max_.records.decide(Action.READ, asked, purpose="report").allowed
    (event,) = gov.records.audit_events(kind=EventKind.ACCESS_REVOKE)
    assert (event.actor, event.detail["grant"]) == ("person:gov", given.id)
    gov.desk.apply(GOVERNANCE)
    assert not max_.records.decide(Action.READ, asked, purpose="report").allowed
    assert [grant.revoked_at for grant in list(connect("sam").records.grants().items)] == [clock()]


def test_a_dataset_that_comes_back_has_none_of_its_old_grants(connect: Connect):
    gov, sam = connect("gov"), connect("sam")
    first = sam.records.grant(FLIGHTS, grantee="person:max", columns=("tailnum",))
    gov.desk.apply(replace(GOVERNANCE, datasets=GOVERNANCE.datasets[1:]))
    gov.desk.apply(GOVERNANCE)
    assert list(sam.records.grants().items) == []
    assert sam.records.grant(FLIGHTS, grantee="person:max").id != first.id


def test_what_still_names_something_that_goes_is_a_problem(connect: Connect):
    with pytest.raises(Problems) as error:
        connect("gov").desk.apply(replace(GOVERNANCE, tags=(), teams=("team:ops",)))
    said = "\n".join(error.value.problems)
    assert "dataset aviation.flights: tag 'personal' is not in the taxonomy" in said
    assert "dataset people.salaries: owner 'team:hr' is not declared" in said


def changed(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.change is not Change.KEEP]


HIDING = Rule(
    id="hr-salaries",
    actors=("person:sam",),
    actions=(Action.READ,),
    datasets=("people.salaries", "people.sal*"),
    description="Pay of the board.",
)
PARTLY = Rule(
    id="partly",
    actors=("person:sam",),
    actions=(Action.READ,),
    datasets=("people.sal[a-z]ries", "aviation.fl*", "aviation.weather"),
    description="Pay and flights.",
)


def test_rules_name_no_datasets_that_are_hidden(connect: Connect, clock: Clock):
    gov, ana = connect("gov"), connect("ana")
    for rule in (HIDING, PARTLY):
        gov.desk.declare(rule, reason="of salaries")
    gov.desk.withdraw("rule", HIDING.id, reason="salaries are not read")
    gov.desk.declare(HIDING)
    part = replace(PARTLY, datasets=PARTLY.datasets[1:], description="")
    for known in (
        ana.governance(),
        ana.governance(datasets=False),
        ana.desk.governance(),
        ana.desk.governance(as_of=clock.now),
    ):
        rules = {rule.id: rule for rule in known.rules}
        assert HIDING.id not in rules
        assert rules[PARTLY.id] == part
    with pytest.raises(NotFound, match="rule 'hr-salaries' not found"):
        ana.desk.history("rule", HIDING.id)
    (state,) = ana.desk.history("rule", PARTLY.id).items
    assert (state.value, state.reason) == (plain(part), "")
    for who in ("gov", "sam"):
        if who == "sam":  # who may read salaries, and so knows of them
            assert {r.id: r for r in connect(who).governance().rules}[HIDING.id] == HIDING
        assert len(connect(who).desk.history("rule", HIDING.id).items) == 3
        assert plain(PARTLY) == connect(who).desk.history("rule", PARTLY.id).items[0].value
    assert set(gov.governance().rules) >= {HIDING, PARTLY}


def test_a_rule_names_datasets_that_are_there_by_what_they_are_called(connect: Connect):
    gov, named = connect("gov"), replace(HIDING, id="named", description="")
    weather = replace(named, datasets=(WEATHER.dataset,))
    gov.desk.declare(weather)
    connect("ops").desk.rename(WEATHER, "aviation.sky", expected=None)
    renamed = replace(named, datasets=("aviation.sky",))
    said = gov.governance()
    assert renamed in said.rules
    for wrong, problem in (
        (weather, "rule named: dataset aviation.weather is called aviation.sky now"),
        (
            replace(named, datasets=("aviation.flihgts",)),
            r"rule named: dataset 'aviation.flihgts' is not declared \(did you mean aviation.flights",
        ),
    ):
        with pytest.raises(Problems, match=problem):
            gov.desk.declare(wrong)
        others = tuple(rule for rule in said.rules if rule.id != "named")
        with pytest.raises(Problems, match=problem):
            gov.desk.apply(replace(said, rules=(*others, wrong)), overwrite=True)
    gov.desk.declare(replace(named, datasets=("aviation.to_come_*", "aviation.sky")))
