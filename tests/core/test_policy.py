from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.datasets import Dataset, Format
from provender.core.effects import Mask
from provender.core.errors import Denied
from provender.core.filters import Filter
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import (
    EVERY,
    Action,
    ColumnRef,
    Decision,
    Grant,
    Permit,
    Rule,
    decide,
)
from provender.values import from_json, to_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ANA = Actor("person:ana", frozenset({"team:ml"}))
FLIGHTS = Dataset(
    ref=DatasetRef("aviation", "flights"),
    description="",
    owner="team:ops",
    stewards=("person:sam",),
    format=Format.PARQUET,
    column_tags={"tailnum": ("personal.quasi",)},
)
DELAY, TAILNUM = (ColumnRef("aviation.flights", name) for name in ("delay", "tailnum"))
WHOLE = ColumnRef("aviation.flights")
PROTECTED = frozenset({"personal.quasi"})
RULE = Rule(id="ml-reads", actors=("team:ml",), actions=(Action.READ,), datasets=("aviation.*",))
GRANT = Grant(
    id="g1", grantee="person:ana", action=Action.READ, dataset="aviation.flights",
    granted_by="person:sam", granted_at=NOW,
)  # fmt: skip


def ask(
    *columns: ColumnRef,
    actor: Actor = ANA,
    action: Action = Action.READ,
    purpose: str = "delays",
    rules: tuple[Rule, ...] = (),
    grants: tuple[Grant, ...] = (),
    now: datetime = NOW,
    datasets: tuple[Dataset, ...] = (FLIGHTS,),
) -> Decision:
    return decide(
        actor, action, columns or (DELAY,), purpose=purpose, rules=rules, grants=grants, now=now,
        datasets={dataset.ref.dataset: dataset for dataset in datasets}, protected=PROTECTED,
    )  # fmt: skip


RULES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"actors": ("person:ana",)}, True),
    ({"actors": ("anyone",)}, True),
    ({"actors": ("person:bob", "team:ops")}, False),
    ({"actors": ()}, False),
    ({"actions": (Action.SERVE, Action.PUBLISH)}, False),
    ({"actions": ()}, False),
    ({"datasets": (EVERY,)}, True),
    ({"datasets": ("aviation.flights",)}, True),
    ({"datasets": ("aviation.flight",)}, False),
    ({"datasets": ("aviation",)}, False),
    ({"datasets": ("Aviation.*",)}, False),
    ({"purposes": ("delays", "x")}, True),
    ({"purposes": ("marketing",)}, False),
    ({"purposes": ()}, False),
]


@pytest.mark.parametrize(("change", "allowed"), RULES)
def test_a_rule_opens_what_it_says_and_nothing_else(change: dict[str, Any], allowed: bool) -> None:
    assert ask(rules=(replace(RULE, **change),)).allowed is allowed


GRANTS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"grantee": "team:ml"}, True),
    ({"grantee": "person:bob"}, False),
    ({"action": Action.SERVE}, False),
    ({"dataset": "aviation.weather"}, False),
    ({"dataset": "aviation.*"}, False),
    ({"columns": ("delay",)}, True),
    ({"columns": ("tailnum",)}, False),
    ({"columns": (EVERY,)}, False),
    ({"purposes": ("delays",)}, True),
    ({"purposes": ("marketing",)}, False),
    ({"until": NOW + TICK}, True),
    ({"until": NOW}, False),
    ({"revoked_at": NOW + timedelta(days=1)}, False),
]


@pytest.mark.parametrize(("change", "allowed"), GRANTS)
def test_a_grant_opens_what_it_says_and_nothing_else(change: dict[str, Any], allowed: bool) -> None:
    assert ask(grants=(replace(GRANT, **change),)).allowed is allowed


def test_a_grant_ends_at_the_instant_it_names() -> None:
    until_now = replace(GRANT, until=NOW)
    a_tick_more = replace(until_now, until=NOW + TICK)
    assert not ask(grants=(until_now,)).allowed
    assert ask(grants=(a_tick_more,)).allowed


@pytest.mark.parametrize(
    ("rules", "grants", "allowed"),
    [
        ((RULE,), (), False),
        ((replace(RULE, tags=("personal.quasi",)),), (), True),
        ((replace(RULE, tags=("personal.other",)),), (), False),
        ((), (GRANT,), False),
        ((), (replace(GRANT, columns=("tailnum",)),), True),
        ((RULE,), (replace(GRANT, columns=("tailnum",)),), True),
    ],
)
def test_a_protected_column_is_reached_only_by_its_tag_or_its_name(
    rules: tuple[Rule, ...], grants: tuple[Grant, ...], allowed: bool
) -> None:
    assert ask(TAILNUM, rules=rules, grants=grants).allowed is allowed


def test_a_tag_on_the_dataset_closes_every_column() -> None:
    closed = replace(FLIGHTS, tags=("personal.quasi",))
    assert not ask(DELAY, rules=(RULE,), datasets=(closed,)).allowed
    assert not ask(DELAY, grants=(GRANT,), datasets=(closed,)).allowed


def test_one_closed_column_closes_the_decision_and_is_named() -> None:
    decision = ask(DELAY, TAILNUM, rules=(RULE,))
    assert [(str(r.column), r.allowed, r.because) for r in decision.reasons] == [
        ("aviation.flights.delay", True, "rule ml-reads"),
        ("aviation.flights.tailnum", False, "tagged personal.quasi, for purpose delays"),
    ]
    with pytest.raises(Denied, match=r"may not read aviation.flights.tailnum \(tagged") as caught:
        decision.require()
    assert caught.value.hint == (
        "person:sam or team:ops can grant it; ask: provender access request aviation.flights "
        "--columns tailnum --purpose delays --reason …"
    )


def test_a_dataset_that_is_not_there_is_closed_to_every_rule() -> None:
    decision = ask(rules=(replace(RULE, datasets=(EVERY,)),), datasets=())
    assert not decision.allowed
    with pytest.raises(Denied, match="not in the catalog") as caught:
        decision.require()
    assert "nobody is its steward" in caught.value.hint


@pytest.mark.parametrize("who", ["person:sam", "team:ops"])
@pytest.mark.parametrize("action", Action)
def test_owners_and_stewards_publish_and_decide_but_do_not_read(who: str, action: Action) -> None:
    actor = Actor(who) if who.startswith("person") else Actor("person:x", frozenset({who}))
    expected = action in (Action.PUBLISH, Action.STEWARD, Action.DISCOVER)
    assert ask(WHOLE, actor=actor, action=action, purpose="").allowed is expected


def test_whoever_may_do_something_may_discover_it_without_a_purpose() -> None:
    for_delays = replace(RULE, purposes=("delays",))
    named = replace(GRANT, columns=("tailnum",), purposes=("delays",))
    assert not ask(WHOLE, action=Action.DISCOVER, purpose="").allowed
    assert ask(WHOLE, action=Action.DISCOVER, purpose="", rules=(for_delays,)).allowed
    assert ask(WHOLE, action=Action.DISCOVER, purpose="", grants=(named,)).allowed
    over = replace(named, until=NOW)
    assert not ask(WHOLE, action=Action.DISCOVER, purpose="", grants=(over,)).allowed


def test_governing_is_asked_of_everything_and_opened_by_a_rule_alone() -> None:
    everything = ColumnRef(EVERY)
    rule = Rule(id="admins", actors=("person:ana",), actions=(Action.GOVERN,))
    assert ask(everything, action=Action.GOVERN, rules=(rule,)).allowed
    assert not ask(everything, action=Action.GOVERN, rules=(RULE,)).allowed
    assert not ask(everything, action=Action.GOVERN).allowed


def test_a_permit_covers_the_columns_that_were_asked_about_until_the_first_grant_ends() -> None:
    grants = (
        replace(GRANT, columns=("delay",), until=NOW + 2 * TICK),
        replace(GRANT, columns=("tailnum",), until=NOW + TICK),
    )
    permit = ask(DELAY, TAILNUM, grants=grants).require()
    assert permit.expires == NOW + TICK
    permit.cover([DELAY, TAILNUM], now=NOW)
    with pytest.raises(Denied, match="ended at"):
        permit.cover([DELAY], now=NOW + TICK)
    with pytest.raises(Denied, match=r"is not for aviation.flights.origin"):
        permit.cover([DELAY, ColumnRef("aviation.flights", "origin")], now=NOW)
    with pytest.raises(Denied, match=r"is not for aviation\.flights\n"):
        permit.cover([WHOLE], now=NOW)


def test_a_permit_for_the_dataset_is_not_one_for_its_columns() -> None:
    permit = ask(WHOLE, rules=(RULE,)).require()
    with pytest.raises(Denied):
        permit.cover([DELAY], now=NOW)


def test_a_decision_about_nothing_permits_nothing() -> None:
    decision = decide(
        ANA, Action.READ, [], purpose="", datasets={}, protected=PROTECTED, rules=[], grants=[], now=NOW
    )  # fmt: skip
    with pytest.raises(Denied):
        decision.require().cover([DELAY], now=NOW)


ACTORS = st.builds(
    Actor,
    st.sampled_from(["person:ana", "person:bob", "person:sam"]),
    st.frozensets(st.sampled_from(["team:ml", "team:ops"])),
)
NAMES = st.sampled_from(["person:ana", "person:bob", "team:ml", "anyone"])
PURPOSES = st.sampled_from(["", "delays", "marketing"])
FEW = {"max_size": 2}
ANY_RULES = st.lists(
    st.builds(
        Rule,
        id=st.just("r"),
        actors=st.lists(NAMES, **FEW).map(tuple),
        actions=st.lists(st.sampled_from(Action), **FEW).map(tuple),
        datasets=st.lists(st.sampled_from([EVERY, "aviation.*", "other.*"]), **FEW).map(tuple),
        purposes=st.lists(st.sampled_from([EVERY, "delays"]), **FEW).map(tuple),
        tags=st.sampled_from([(), ("personal.quasi",)]),
    ),
    max_size=3,
).map(tuple)
ANY_GRANTS = st.lists(
    st.builds(
        Grant,
        id=st.just("g"),
        grantee=NAMES,
        action=st.sampled_from(Action),
        dataset=st.sampled_from(["aviation.flights", "aviation.weather"]),
        granted_by=st.just("person:sam"),
        granted_at=st.just(NOW),
        columns=st.sampled_from([(), ("delay",), ("tailnum",), ("delay", "tailnum")]),
        purposes=st.sampled_from([(EVERY,), ("delays",)]),
        until=st.sampled_from([None, NOW - TICK, NOW, NOW + TICK]),
        revoked_at=st.sampled_from([None, NOW]),
    ),
    max_size=3,
).map(tuple)
COLUMNS = st.sampled_from([DELAY, TAILNUM, WHOLE, ColumnRef("aviation.nowhere", "x")])
QUESTIONS = {
    "actor": ACTORS,
    "action": st.sampled_from(Action),
    "column": COLUMNS,
    "purpose": PURPOSES,
}


@given(**QUESTIONS)
def test_without_a_rule_or_grant_nobody_reads_serves_or_governs(
    actor: Actor, action: Action, column: ColumnRef, purpose: str
) -> None:
    allowed = ask(column, actor=actor, action=action, purpose=purpose).allowed
    stewarding = action in (Action.PUBLISH, Action.STEWARD, Action.DISCOVER)
    assert allowed is (
        column.dataset == "aviation.flights"
        and stewarding
        and actor.is_one_of(("person:sam", "team:ops"))
    )


@given(rules=ANY_RULES, grants=ANY_GRANTS, **QUESTIONS)
def test_a_protected_column_never_opens_without_its_tag_or_name(
    rules: tuple[Rule, ...],
    grants: tuple[Grant, ...],
    actor: Actor,
    action: Action,
    column: ColumnRef,
    purpose: str,
) -> None:
    decision = ask(column, actor=actor, action=action, purpose=purpose, rules=rules, grants=grants)
    reading = action in (Action.READ, Action.SERVE)
    if column == TAILNUM and reading and decision.allowed:
        named = any("tailnum" in g.columns and g.in_force(NOW) for g in grants)
        assert named or any("personal.quasi" in rule.tags for rule in rules)


@given(rules=ANY_RULES, grants=ANY_GRANTS, more=ANY_RULES, given_more=ANY_GRANTS, **QUESTIONS)
def test_more_rules_and_grants_never_close_anything(
    rules: tuple[Rule, ...],
    grants: tuple[Grant, ...],
    more: tuple[Rule, ...],
    given_more: tuple[Grant, ...],
    actor: Actor,
    action: Action,
    column: ColumnRef,
    purpose: str,
) -> None:
    few = ask(column, actor=actor, action=action, purpose=purpose, rules=rules, grants=grants)
    many = ask(
        column, actor=actor, action=action, purpose=purpose, rules=rules + more,
        grants=grants + given_more,
    )  # fmt: skip
    assert many.allowed or not few.allowed


@given(rules=ANY_RULES, grants=ANY_GRANTS, **QUESTIONS)
def test_a_permit_is_over_no_later_than_the_decision_would_change(
    rules: tuple[Rule, ...],
    grants: tuple[Grant, ...],
    actor: Actor,
    action: Action,
    column: ColumnRef,
    purpose: str,
) -> None:
    def at(now: datetime) -> Decision:
        return ask(
            column, actor=actor, action=action, purpose=purpose, rules=rules, grants=grants, now=now
        )

    decision = at(NOW)
    if decision.allowed and not at(NOW + 2 * TICK).allowed:
        assert decision.expires is not None
        assert decision.expires <= NOW + 2 * TICK


def test_the_id_of_a_decision_is_that_of_its_content() -> None:
    assert ask().id == ask().id
    assert ask().id != ask(rules=(RULE,)).id
    assert ask().id.startswith("dec_")


PERMIT = Permit(
    decision="dec_1", actor="person:ana", action=Action.READ, purpose="delays",
    columns=frozenset({DELAY, TAILNUM}), decided_at=NOW,
)  # fmt: skip
PARTS: list[tuple[dict[str, Any], str]] = [
    ({"masks": ((TAILNUM, Mask.parse("hash")),)}, "aviation.flights.tailnum is masked: hash"),
    (
        {"filters": (("aviation.flights", Filter("delay > 0")),)},
        "of aviation.flights only rows with delay > 0",
    ),
    ({"computes": frozenset({TAILNUM})}, "aviation.flights.tailnum may feed a feature only"),
]


@pytest.mark.parametrize(("part", "why"), PARTS)
def test_a_permit_for_a_part_is_refused_by_who_gives_the_whole(part: dict[str, Any], why: str):
    PERMIT.require_whole()
    partial = replace(PERMIT, **part)
    for ask_whole in (partial.require_whole, lambda: partial.cover([DELAY], now=NOW)):
        with pytest.raises(Denied) as error:
            ask_whole()
        assert why in error.value.message
    partial.cover([DELAY, TAILNUM], now=NOW, shielded=True)
    with pytest.raises(Denied, match=r"is not for aviation\.flights\n"):
        partial.cover([WHOLE], now=NOW, shielded=True)


def test_a_permit_for_many_parts_names_a_few():
    masks = tuple((ColumnRef("a.b", f"c{n}"), Mask.parse("null")) for n in range(5))
    with pytest.raises(Denied, match=r"\(a\.b\.c0 is masked: null; .*c2 .* and 2 more\)"):
        replace(PERMIT, masks=masks).require_whole()
    with pytest.raises(Denied, match=r"\(a\.b\.c0 is masked: null; .*c2 is masked: null\)"):
        replace(PERMIT, masks=masks[:3]).require_whole()


def test_a_permit_for_a_part_keeps_it_on_the_wire():
    partial = replace(PERMIT, **PARTS[0][0], **PARTS[1][0], **PARTS[2][0])
    assert from_json(Permit, to_json(partial)) == partial
