"""A token narrows its actor, and what it makes is no wider than itself."""

import time
from itertools import product

import pytest

from provender.core.errors import InvalidInput
from provender.core.limits import NO_LIMITS, ONLY_LOOKING, Limits
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Rule, decide
from tests.catalog.world import FLIGHTS, NOW, SALARIES, declared

NAMES = ("aviation.flights", "aviation.weather", "people.salaries", "*")
PATTERNS = ("*", "aviation.*", "aviation.f*", "aviation.flights", "*.salaries", "a*")
LIMITS = [
    Limits(actions=actions, datasets=(pattern,), purpose=purpose)
    for actions in (("*",), ("read",), ("read", "serve"), ("discover",))
    for pattern in PATTERNS
    for purpose in ("", "delay", "report")
]


def allowed(limits: Limits) -> set[tuple[str, str, str]]:
    asked = product(Action, NAMES, ("", "delay", "report"))
    return {question for question in asked if not limits.bars(*question)}


def test_what_is_within_others_allows_no_more() -> None:
    everything = {limits: allowed(limits) for limits in LIMITS}
    for inner, outer in product(LIMITS, LIMITS):
        if inner.within(outer):
            assert everything[inner] <= everything[outer], (inner, outer)
        assert inner.within(NO_LIMITS)
        assert inner.within(inner)


def test_less_is_not_within_more_the_other_way_round() -> None:
    assert not NO_LIMITS.within(Limits(actions=("read",)))
    assert not NO_LIMITS.within(Limits(datasets=("aviation.*",)))
    assert not NO_LIMITS.within(Limits(purpose="report"))
    assert not NO_LIMITS.within(Limits(project="delays"))
    assert Limits(datasets=("aviation.flights",)).within(Limits(datasets=("aviation.*", "x.y")))
    assert not Limits(datasets=("aviation.*",)).within(Limits(datasets=("aviation.flights",)))


@pytest.mark.parametrize(
    ("limits", "purpose", "because"),
    [
        (NO_LIMITS, "report", "rule all"),
        (Limits(purpose="report"), "report", "rule all"),
        (
            Limits(purpose="report"),
            "delay",
            "outside the token's scope: it is for purpose report",
        ),
        (
            Limits(actions=("serve", "define")),
            "report",
            "outside the token's scope: it is for actions serve, define",
        ),
        (
            Limits(datasets=("people.*",)),
            "report",
            "outside the token's scope: it is for datasets people.*",
        ),
    ],
)
def test_what_is_outside_of_a_token_is_closed_with_that_as_its_reason(
    limits: Limits, purpose: str, because: str
) -> None:
    everything = Rule(id="all", actors=("anyone",), actions=tuple(Action), tags=("personal",))
    decision = decide(
        Actor("person:ana", limits=limits),
        Action.READ,
        [ColumnRef(FLIGHTS.dataset, "tailnum")],
        purpose=purpose,
        datasets={FLIGHTS.dataset: declared(FLIGHTS), SALARIES.dataset: declared(SALARIES)},
        protected=frozenset({"personal"}),
        rules=[everything],
        grants=(),
        now=NOW,
    )
    assert decision.reasons[0].because == because
    assert decision.allowed == because.startswith("rule")


def test_who_only_looks_changes_and_reads_nothing() -> None:
    assert {action for action in Action if not ONLY_LOOKING.bars(action, "a.b", "")} == {
        Action.DISCOVER
    }


@pytest.mark.parametrize("wrong", ["", "a b", "a[b]", "A.b", "a" * 200, "a.b\n"])
def test_a_pattern_is_a_name_with_stars(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="not a pattern"):
        Limits(datasets=(wrong,))


def test_limits_that_allow_nothing_are_a_mistake() -> None:
    for nothing in ({"actions": ()}, {"datasets": ()}):
        with pytest.raises(InvalidInput, match="allow nothing"):
            Limits(**nothing)


def test_whether_a_name_is_reached_costs_next_to_nothing_however_many_patterns_there_are() -> None:
    """Else a process compiles patterns all the time: servers wait for what they may serve."""
    every = [
        Limits(datasets=tuple(f"*a{owner}*b{number}*.*c*" for number in range(50)))
        for owner in range(100)
    ]
    assert not any(limits.reaches("x.y") for limits in every)
    began = time.process_time()
    for _ in range(20):
        assert not any(limits.reaches("aviation.flights") for limits in every)
    assert time.process_time() - began < 2
    assert every[3].reaches("za3b4.czz")
    assert every[3].within(every[3])
