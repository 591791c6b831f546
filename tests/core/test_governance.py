from dataclasses import replace
from typing import Any

import pytest

from provender.core.datasets import Dataset, Format
from provender.core.glossary import Term
from provender.core.governance import (
    Change,
    Domain,
    Drift,
    Governance,
    check,
    diff,
    only,
    together,
    without,
)
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag

DATASET = Dataset(
    ref=DatasetRef("aviation", "flights"),
    description="Flights.",
    owner="team:ops",
    stewards=("person:sam",),
    format=Format.PARQUET,
    tags=("quality.raw",),
    column_tags={"tailnum": ("personal.quasi",)},
)
RULE = Rule(
    id="ml", actors=("team:ml", "anyone"), actions=(Action.READ,), purposes=("delays", "*"),
    tags=("personal.quasi",),
)  # fmt: skip
TAGS = (Tag(name="quality.raw"), Tag(name="personal.quasi", protected=True))
TERM = Term(name="delay", definition="Minutes after plan.", synonyms=("lateness",))
GOOD = Governance(
    domains=(Domain(name="aviation", owner="team:ops"), Domain(name="free")),
    teams=("team:ops", "team:ml"),
    people=(Person(id="person:sam", teams=("team:ops",)),),
    tags=TAGS,
    terms=(TERM,),
    purposes={"delays": "Predict delays."},
    rules=(RULE,),
    datasets=(DATASET,),
)


def test_what_is_in_order_has_no_problems() -> None:
    assert check(GOOD) == []
    assert check(Governance()) == []


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"teams": ("team:ops", "team:ml", "team:ml")}, "team 'team:ml' is declared twice"),
    ({"rules": (RULE, RULE)}, "rule 'ml' is declared twice"),
    ({"datasets": (DATASET, DATASET)}, "dataset 'aviation.flights' is declared twice"),
    ({"domains": (Domain(name="aviatoin"),)}, "dataset aviation.flights: domain 'aviation' is not declared (did you mean aviatoin?)"),
    ({"domains": (Domain(name="aviation", owner="team:op"),)}, "domain aviation: owner 'team:op' is not declared (did you mean team:ops?)"),
    ({"people": (Person(id="person:sam", teams=("team:opps",)),)}, "person person:sam: team 'team:opps' is not declared (did you mean team:ops?)"),
    ({"datasets": (replace(DATASET, owner="team:x"),)}, "dataset aviation.flights: owner 'team:x' is not declared"),
    ({"datasets": (replace(DATASET, stewards=("person:sma",)),)}, "steward 'person:sma' is not declared (did you mean person:sam?)"),
    ({"datasets": (replace(DATASET, tags=("quality.rw",)),)}, "tag 'quality.rw' is not in the taxonomy (did you mean quality.raw?)"),
    ({"datasets": (replace(DATASET, column_tags={"a": ("zzz",)}),)}, "dataset aviation.flights: tag 'zzz' is not in the taxonomy"),
    ({"rules": (replace(RULE, actors=("team:mll",)),)}, "rule ml: actor 'team:mll' is not declared (did you mean team:ml?)"),
    ({"rules": (replace(RULE, purposes=("delay",)),)}, "rule ml: purpose 'delay' is not declared (did you mean delays?)"),
    ({"datasets": (replace(DATASET, tags=("quality.raw=1",)),)}, "dataset aviation.flights: tag 'quality.raw=1' on the dataset: quality.raw has no value"),
    ({"datasets": (replace(DATASET, terms=("dely",)),)}, "dataset aviation.flights: term 'dely' is not declared (did you mean delay?)"),
    ({"terms": (TERM, TERM)}, "term 'delay' is declared twice"),
    ({"terms": (replace(TERM, owner="team:op"),)}, "term delay: owner 'team:op' is not declared (did you mean team:ops?)"),
    ({"tags": (*TAGS, Tag(name="a", on=("table",)))}, "tag a: on 'table' is neither of dataset and column"),
    ({"tags": (*TAGS, Tag(name="a", on=()))}, "tag a: may be put on nothing; write on: [dataset, column]"),
    ({"tags": (*TAGS, Tag(name="a=b"))}, "tag a=b: a name holds no =; list what follows it under values"),
    ({"tags": (*TAGS, Tag(name="a", values=("x", "")))}, "tag a: a value is empty"),
    ({"tags": (*TAGS, Tag(name="a", assigners=("team:op",)))}, "tag a: assigner 'team:op' is not declared (did you mean team:ops?)"),
    ({"rules": (replace(RULE, tags=("personal",)),)}, "rule ml: tag 'personal' is not in the taxonomy"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "problem"), BROKEN, ids=[problem for _, problem in BROKEN])
def test_what_is_wrong_is_said(change: dict[str, Any], problem: str) -> None:
    found = check(replace(GOOD, **change))
    assert any(problem in line for line in found), found


def test_everything_that_is_wrong_is_said_at_once() -> None:
    worst = replace(GOOD, domains=(), teams=(), people=(), tags=(), purposes={})
    assert len(check(worst)) == 8


def test_from_nothing_everything_is_added_in_the_order_it_must_be_written() -> None:
    steps = diff(Governance(), GOOD)
    assert {step.change for step in steps} == {Change.ADD}
    kinds = list(dict.fromkeys(step.kind for step in steps))
    assert kinds == ["team", "person", "domain", "tag", "term", "purpose", "rule", "dataset"]
    assert len(steps) == 11


def test_applying_again_keeps_everything() -> None:
    assert {step.change for step in diff(GOOD, GOOD)} == {Change.KEEP}


def test_only_what_differs_is_changed_and_what_is_not_declared_is_removed() -> None:
    desired = replace(
        GOOD,
        datasets=(replace(DATASET, description="All flights."),),
        purposes={"delays": "Predict late arrivals."},
        rules=(),
    )
    steps = diff(GOOD, desired)
    changed = [(step.kind, step.name) for step in steps if step.change is Change.CHANGE]
    assert changed == [("purpose", "delays"), ("dataset", "aviation.flights")]
    removed = [(step.kind, step.name, step.value) for step in steps if step.change is Change.REMOVE]
    assert removed == [("rule", "ml", RULE)]


def test_removals_come_last_and_what_rests_on_something_goes_before_it() -> None:
    steps = diff(GOOD, replace(Governance(), teams=("team:new",)))
    assert (steps[0].change, steps[0].name) == (Change.ADD, "team:new")
    assert {step.change for step in steps[1:]} == {Change.REMOVE}
    kinds = list(dict.fromkeys(step.kind for step in steps[1:]))
    assert kinds == ["dataset", "rule", "purpose", "term", "tag", "domain", "person", "team"]
    assert len(steps) == 12


def test_the_order_of_a_datasets_columns_is_no_change() -> None:
    two = replace(DATASET, column_tags={"a": ("quality.raw",), "b": ("quality.raw",)})
    turned = replace(two, column_tags=dict(reversed(two.column_tags.items())))
    (step,) = [
        step
        for step in diff(replace(GOOD, datasets=(two,)), replace(GOOD, datasets=(turned,)))
        if step.kind == "dataset"
    ]
    assert step.change is Change.KEEP


def saying(*words: str) -> Governance:
    """One object, a term, that says one word; or nothing."""
    return Governance(terms=tuple(Term(name="t", definition=word) for word in words))


THREE_WAYS: list[tuple[str, str, str, Change | None, bool]] = [
    # what catalog/ said, what is in force, what catalog/ says; the step, whether it undoes
    ("", "", "a", Change.ADD, False),
    ("a", "a", "a", Change.KEEP, False),
    ("a", "a", "b", Change.CHANGE, False),
    ("a", "a", "", Change.REMOVE, False),
    ("a", "b", "a", Change.CHANGE, True),
    ("a", "b", "c", Change.CHANGE, True),
    ("a", "b", "b", Change.KEEP, False),
    ("a", "b", "", Change.REMOVE, True),
    ("a", "", "a", Change.ADD, True),
    ("a", "", "b", Change.ADD, True),
    ("a", "", "", None, False),
    ("", "a", "", Change.KEEP, False),
    ("", "a", "a", Change.KEEP, False),
    ("", "a", "b", Change.CHANGE, True),
    ("", "", "", None, False),
]


@pytest.mark.parametrize(("base", "theirs", "yours", "change", "undoes"), THREE_WAYS)
def test_a_step_compares_what_was_said_what_is_there_and_what_is_said(
    base: str, theirs: str, yours: str, change: Change | None, undoes: bool
) -> None:
    applied, current, desired = (saying(*filter(None, [word])) for word in (base, theirs, yours))
    steps = diff(current, desired, applied)
    assert [(step.change, step.overwrites) for step in steps] == (
        [(change, undoes)] if change else []
    )
    if undoes:
        assert steps[0].drift == Drift(
            base=next(iter(applied.terms), None),
            theirs=next(iter(current.terms), None),
            yours=next(iter(desired.terms), None),
        )


def test_what_was_declared_elsewhere_stays_and_is_told_to() -> None:
    (step,) = diff(saying("a"), Governance(), Governance())
    assert (step.change, step.overwrites) == (Change.KEEP, False)
    assert step.drift == Drift(base=None, theirs=step.value, yours=None)
    assert together(Governance(), [step]) == saying("a")


def test_a_drift_names_the_parts_that_would_change() -> None:
    changed = replace(DATASET, description="Edited.", tags=())
    steps = diff(replace(GOOD, datasets=(changed,)), GOOD, GOOD)
    (step,) = (step for step in steps if step.overwrites)
    assert step.drift is not None
    assert step.drift.parts == ("description", "tags")


def test_what_stays_and_what_is_desired_are_together_what_is_in_force_after() -> None:
    steps = diff(GOOD, replace(GOOD, terms=(), teams=(), purposes={}), Governance())
    found = together(replace(GOOD, terms=(), teams=(), purposes={}), steps)
    assert found == replace(GOOD, teams=GOOD.teams)


def test_one_object_is_taken_alone_and_left_out() -> None:
    for value in (DATASET, RULE, TERM, *GOOD.tags, *GOOD.people, *GOOD.domains):
        ((kind, name),) = ((step.kind, step.name) for step in diff(Governance(), only(value)))
        left = without(GOOD, kind, name)
        (gone,) = (step for step in diff(GOOD, left) if step.change is not Change.KEEP)
        assert (gone.change, gone.value) == (Change.REMOVE, value)
    assert without(GOOD, "purpose", "delays").purposes == {}
    assert without(GOOD, "team", "team:ml").teams == ("team:ops",)
