from dataclasses import replace
from typing import Any

import pytest

from provender.core.datasets import Dataset, Format
from provender.core.governance import Change, Domain, Governance, check, diff
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
GOOD = Governance(
    domains=(Domain(name="aviation", owner="team:ops"), Domain(name="free")),
    teams=("team:ops", "team:ml"),
    people=(Person(id="person:sam", teams=("team:ops",)),),
    tags=(Tag(name="quality.raw"), Tag(name="personal.quasi", protected=True)),
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
    assert kinds == ["team", "person", "domain", "tag", "purpose", "rule", "dataset"]
    assert len(steps) == 10


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
    assert kinds == ["dataset", "rule", "purpose", "tag", "domain", "person", "team"]
    assert len(steps) == 11


def test_the_order_of_a_datasets_columns_is_no_change() -> None:
    two = replace(DATASET, column_tags={"a": ("quality.raw",), "b": ("quality.raw",)})
    turned = replace(two, column_tags=dict(reversed(two.column_tags.items())))
    (step,) = [
        step
        for step in diff(replace(GOOD, datasets=(two,)), replace(GOOD, datasets=(turned,)))
        if step.kind == "dataset"
    ]
    assert step.change is Change.KEEP
