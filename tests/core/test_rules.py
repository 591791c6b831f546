from dataclasses import replace
from typing import Any

import pytest

from provender.core.conflicts import conflicts
from provender.core.datasets import Dataset, Format
from provender.core.effects import Effect
from provender.core.form import problems
from provender.core.governance import Change, Domain, Governance, Step, check, warned
from provender.core.names import DatasetRef
from provender.core.people import Actor, Person
from provender.core.policy import Action, Mode, Rule
from provender.core.rules import faults, filter_of, mask_of
from provender.core.tags import Tag

READ, SERVE, PUBLISH = Action.READ, Action.SERVE, Action.PUBLISH
RULE = Rule(id="r", actors=("team:ml",), actions=(READ,))
MASK = replace(RULE, id="m", effect=Effect.MASK, mask="hash", tags=("personal",))
DENY = replace(RULE, id="d", effect=Effect.DENY)

WRONG: list[tuple[Rule, list[str]]] = [
    (RULE, []),
    (MASK, []),
    (DENY, []),
    (replace(RULE, filter="a = actor.region", attributes={"region": ("eu", "us")}), []),
    (replace(MASK, actions=(READ, SERVE), filter="a = 1", mode=Mode.SHADOW), []),
    (replace(DENY, actions=(Action.DISCOVER, PUBLISH, Action.DEFINE)), []),
    (replace(MASK, mask="redact"), ["mask: 'redact' is not a mask"]),
    (replace(MASK, mask=""), ["mask: effect mask has one"]),
    (replace(RULE, mask="hash"), ["mask: effect mask has one"]),
    (replace(RULE, filter="a ="), ["filter: filter 'a =': the end at character 4"]),
    (replace(DENY, filter="a = 1"), ["filter: there are no rows", "actions: only of read"][:1]),
    (replace(RULE, filter="a = 1", actions=(READ, PUBLISH)), ["actions: only of read and serve"]),
    (replace(MASK, actions=(PUBLISH,)), ["actions: only of read and serve"]),
    (replace(MASK, effect=Effect.COMPUTE, mask="", actions=(PUBLISH,)), ["actions: only of read"]),
    (replace(DENY, actions=(Action.GOVERN,)), ["actions: steward and govern are not denied"]),
    (replace(DENY, actions=(Action.STEWARD,)), ["actions: steward and govern are not denied"]),
    (
        replace(DENY, actions=(Action.DISCOVER,), purposes=("x",)),
        ["purposes: discovering has none"],
    ),
    (replace(RULE, attributes={"Region": ("eu",)}), ["attributes: 'Region' is not lower-case"]),
    (replace(RULE, attributes={"region": ()}), ["attributes: region has no values"]),
    (replace(RULE, attributes={"region": ("",)}), ["attributes: region has the value ''"]),
    (replace(RULE, attributes={"region": ("x" * 201,)}), ["attributes: region has the value"]),
    (replace(RULE, attributes={"region": ("x" * 200,)}), []),
    (replace(RULE, attributes={"region": ("a\x00",)}), ["attributes: region has the value"]),
]


@pytest.mark.parametrize(("rule", "said"), WRONG)
def test_what_of_a_rule_does_not_go_together_is_said(rule: Rule, said: list[str]):
    found = list(faults(rule))
    assert len(found) == len(said)
    assert all(text.startswith(begins) for text, begins in zip(found, said, strict=True))
    assert list(problems("rule", rule.id, rule)) == [f"rule {rule.id}: {text}" for text in found]


def test_a_persons_attributes_have_names_and_values():
    good = Person(id="person:ana", attributes={"region": "eu", "clearance-2": "Ä 1"})
    assert list(problems("person", good.id, good)) == []
    bad = replace(good, attributes={"": "eu", "region": ""})
    assert len(list(problems("person", bad.id, bad))) == 2


def test_what_is_written_is_read_once():
    assert mask_of("") is None
    assert filter_of("") is None
    assert mask_of("hash") is mask_of("hash") is MASK.masks_with
    assert replace(RULE, filter="a=1").rows is filter_of("a=1")


FLIGHTS = Dataset(
    ref=DatasetRef("aviation", "flights"), description="", owner="team:ops", format=Format.PARQUET,
    column_tags={"tailnum": ("personal=quasi",), "gate": ("place",)},
)  # fmt: skip
PEOPLE = {
    "person:ana": Actor("person:ana", frozenset({"team:ml", "team:eu"})),
    "person:bob": Actor("person:bob"),
}
SHOW = replace(RULE, id="s", tags=("personal",))
AGAINST: list[tuple[Rule, Rule, str]] = [
    (SHOW, DENY, "rule d denies what rule s lets, such as aviation.flights: the stricter holds"),
    (DENY, SHOW, "rule d denies what rule s lets, such as aviation.flights: the stricter holds"),
    (SHOW, MASK, "rule m masks what rule s lets, such as aviation.flights.tailnum: the stricter holds"),
    (
        MASK,
        replace(MASK, id="n", mask="null"),
        "rules m and n mask aviation.flights.tailnum differently, hash and null: what leaves less holds",
    ),
    (
        MASK,
        replace(MASK, id="c", mask="", effect=Effect.COMPUTE),
        "rule c keeps for computing what rule m masks, such as aviation.flights.tailnum: the stricter holds",
    ),
    (SHOW, replace(DENY, actors=("anyone",)), "rule d denies"),
    (SHOW, replace(DENY, actors=("person:ana",)), "rule d denies"),
    (SHOW, replace(DENY, actors=("team:eu",)), "rule d denies"),
    (SHOW, replace(DENY, actors=("person:bob",)), ""),
    (SHOW, replace(DENY, actions=(SERVE,)), ""),
    (SHOW, replace(DENY, actions=(Action.DISCOVER,)), "rule d denies"),
    (replace(SHOW, purposes=("x", "y")), replace(DENY, purposes=("y",)), "rule d denies"),
    (replace(SHOW, purposes=("x",)), replace(DENY, purposes=("y",)), ""),
    (replace(SHOW, purposes=("x",)), DENY, "rule d denies"),
    (SHOW, replace(DENY, datasets=("people.*",)), ""),
    (replace(SHOW, datasets=("people.*",)), DENY, ""),
    (SHOW, replace(DENY, tags=("place",)), "rule d denies what rule s lets, such as aviation.flights.gate"),
    (SHOW, replace(DENY, tags=("personal=other",)), ""),
    (replace(SHOW, tags=()), replace(DENY, tags=("personal",)), ""),
    (replace(SHOW, attributes={"r": ("a",)}), replace(DENY, attributes={"r": ("b",)}), ""),
    (replace(SHOW, attributes={"r": ("a",)}), replace(DENY, attributes={"r": ("a", "b")}), "rule d"),
    (replace(SHOW, attributes={"r": ("a",)}), replace(DENY, attributes={"q": ("b",)}), "rule d"),
    (SHOW, replace(SHOW, id="t", tags=()), ""),
    (MASK, replace(MASK, id="n"), ""),
]  # fmt: skip


def told(new: list[Rule], rules: list[Rule]) -> dict[str, list[str]]:
    return conflicts(
        new, rules, people=PEOPLE, datasets=[FLIGHTS], protected=frozenset({"personal"})
    )


@pytest.mark.parametrize(("one", "other", "said"), AGAINST)
def test_rules_that_contradict_one_another_are_told_of_once(one: Rule, other: Rule, said: str):
    sentences = [text for texts in told([one], [one, other]).values() for text in texts]
    assert len(sentences) == bool(said)
    assert "".join(sentences).startswith(said)
    assert told([one, other], [one, other]) == ({other.id: sentences} if said else {})
    assert told([], [one, other]) == {}


def governance(*rules: Rule, **changes: Any) -> Governance:
    said = Governance(
        domains=(Domain(name="aviation"),), teams=("team:ml", "team:ops"),
        tags=(Tag(name="personal", protected=True, values=("quasi", "direct")), Tag(name="place")),
        datasets=(FLIGHTS,), rules=rules,
    )  # fmt: skip
    return replace(said, **changes)


def test_a_plan_warns_of_rules_that_contradict_or_fit_nothing():
    nowhere = replace(DENY, id="x", datasets=("people.*",))
    steps = [
        Step(change=change, kind="rule", name=rule.id, value=rule)
        for change, rule in ((Change.KEEP, SHOW), (Change.ADD, DENY), (Change.CHANGE, nowhere))
    ]
    kept, added, changed = warned(steps, governance(SHOW, DENY, nowhere), {})
    assert kept.warnings == ()
    assert added.warnings == (
        "rule d denies what rule s lets, such as aviation.flights: the stricter holds",
    )
    assert changed.warnings == ("rule x: no dataset fits 'people.*' now",)


def test_a_rule_names_tags_and_values_that_there_are():
    assert check(governance(replace(SHOW, tags=("personal", "personal=quasi", "place")))) == []
    assert check(governance(replace(SHOW, tags=("personal=x", "place=y", "nope=z")))) == [
        "rule s: tag 'nope' is not in the taxonomy (there are: personal, place)",
        "rule s: tag 'personal=x': write one of personal=quasi, personal=direct",
        "rule s: tag 'place=y': place has no value",
    ]


def test_a_rule_may_name_a_project_as_its_actor():
    assert check(governance(replace(SHOW, actors=("project:risk",)))) == []
    assert len(check(governance(replace(SHOW, actors=("team:risk",))))) == 1
