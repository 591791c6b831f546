"""What rules and grants give of a column, when there are several: the order that policy.py states."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from provender.core.datasets import Dataset
from provender.core.effects import Effect, Mask
from provender.core.errors import Denied
from provender.core.filters import Filter
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Mode, Reason, Rule, concerning
from tests.core.test_policy import ANA, DELAY, FLIGHTS, GRANT, NOW, RULE, TAILNUM, WHOLE, ask

SAM = Actor("person:sam")
REACHES = replace(RULE, id="reaches", tags=("personal.quasi",))
DENY = replace(RULE, id="deny", effect=Effect.DENY)
MASK = replace(RULE, id="mask", effect=Effect.MASK, mask="truncate(3)", tags=("personal.quasi",))
HASH = replace(MASK, id="hash", mask="hash")
COMPUTE = replace(MASK, id="compute", effect=Effect.COMPUTE, mask="")
EU = replace(RULE, id="eu", filter="region = 'eu'")
OWN = replace(RULE, id="own", filter="region = actor.region or level in (actor.level, 'x')")
NAMED = replace(GRANT, columns=("tailnum",))
PAST, SOON = replace(GRANT, until=NOW), replace(GRANT, id="g2", until=NOW.replace(day=2))


def reason(decision: Decision, column: ColumnRef = TAILNUM) -> Reason:
    (found,) = (one for one in decision.reasons if one.column == column)
    return found


def said(decision: Decision) -> tuple[bool, str, Effect, str]:
    found = reason(decision)
    return found.allowed, found.because, found.effect, found.mask


ORDER: list[tuple[dict[str, Any], tuple[bool, str, Effect, str]]] = [
    ({"rules": (REACHES,)}, (True, "rule reaches", Effect.SEE, "")),
    ({"rules": (RULE,)}, (False, "tagged personal.quasi, for purpose delays", Effect.DENY, "")),
    ({"rules": (MASK,)}, (True, "rule mask: masked, truncate(3)", Effect.MASK, "truncate(3)")),
    ({"rules": (REACHES, MASK)}, (True, "rule mask: masked, truncate(3)", Effect.MASK, "truncate(3)")),
    ({"rules": (MASK, HASH)}, (True, "rule hash: masked, hash", Effect.MASK, "hash")),
    ({"rules": (COMPUTE, HASH)}, (True, "rule compute: for computing only", Effect.COMPUTE, "")),
    ({"rules": (REACHES, COMPUTE, MASK, DENY)}, (False, "denied by rule deny", Effect.DENY, "")),
    ({"rules": (DENY,), "grants": (NAMED,)}, (False, "denied by rule deny", Effect.DENY, "")),
    ({"grants": (NAMED,)}, (True, "grant g1", Effect.SEE, "")),
    ({"rules": (HASH,), "grants": (NAMED,)}, (True, "grant g1", Effect.SEE, "")),
    (
        {"rules": (HASH,), "grants": (replace(NAMED, effect=Effect.MASK, mask="truncate(3)"),)},
        (True, "grant g1: masked, truncate(3)", Effect.MASK, "truncate(3)"),
    ),
    (
        {"rules": (MASK,), "grants": (replace(NAMED, effect=Effect.COMPUTE),)},
        (True, "rule mask: masked, truncate(3)", Effect.MASK, "truncate(3)"),
    ),
    (
        {"grants": (replace(NAMED, effect=Effect.COMPUTE), replace(NAMED, id="g2"))},
        (True, "grant g2", Effect.SEE, ""),
    ),
    ({"grants": (replace(NAMED, effect=Effect.DENY),)}, (False, "tagged personal.quasi, for purpose delays", Effect.DENY, "")),
    ({"rules": (replace(MASK, mask=""),)}, (True, "rule mask: masked, null", Effect.MASK, "null")),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), ORDER)
def test_of_several_the_one_that_counts_is_known(given: dict[str, Any], expected: Any):
    for rules in permutations(given.get("rules", ())):
        assert said(ask(TAILNUM, rules=rules, grants=given.get("grants", ()))) == expected


def test_a_grant_for_the_whole_dataset_is_masked_as_rules_say():
    whole = replace(MASK, tags=(), purposes=("other",))
    for_any = replace(whole, purposes=(EVERY,))
    masked = ask(DELAY, rules=(for_any,), grants=(GRANT,))
    assert reason(masked, DELAY).because == "rule mask: masked, truncate(3)"
    only_granted = ask(DELAY, rules=(whole,), grants=(GRANT,), purpose="")
    assert (reason(only_granted, DELAY).because, reason(only_granted, DELAY).mask) == (
        "grant g1 and rule mask: masked, truncate(3)",
        "truncate(3)",
    )
    assert (reason(only_granted, DELAY).rule, reason(only_granted, DELAY).grant) == ("mask", "g1")
    same = replace(GRANT, effect=Effect.MASK, mask="truncate(3)")
    assert reason(ask(DELAY, rules=(whole,), grants=(same,), purpose=""), DELAY).rule == ""


def test_a_mask_that_does_not_name_all_that_closes_opens_nothing_but_masks_what_is_open():
    both = replace(FLIGHTS, column_tags={"tailnum": ("personal.quasi", "legal.hold")})
    protected = frozenset({"personal.quasi", "legal.hold"})
    from provender.core.policy import decide

    def asked(*rules: Rule) -> Decision:
        return decide(
            ANA, Action.READ, [TAILNUM], purpose="delays", datasets={"aviation.flights": both},
            protected=protected, rules=rules, grants=(), now=NOW,
        )  # fmt: skip

    assert not asked(MASK).allowed
    assert not asked(REACHES).allowed
    reaches = replace(REACHES, tags=("personal.quasi", "legal.hold"))
    assert asked(reaches).is_whole
    assert said(asked(reaches, MASK))[2:] == (Effect.MASK, "truncate(3)")
    assert reason(asked(REACHES)).tags == ("legal.hold", "personal.quasi")


def test_of_a_column_without_its_tags_a_mask_says_nothing():
    assert not ask(DELAY, rules=(MASK,)).allowed
    assert reason(ask(DELAY, rules=(RULE, MASK)), DELAY).is_whole
    assert not ask(DELAY, rules=(RULE, replace(MASK, tags=()))).is_whole


def test_tags_are_named_with_a_value_or_whatever_it_is():
    valued = replace(FLIGHTS, column_tags={"tailnum": ("personal.quasi=strong",)})
    for tag, reached in (
        ("personal.quasi", True),
        ("personal.quasi=strong", True),
        ("personal.quasi=weak", False),
        ("personal.quasi=", False),
    ):
        for rule in (REACHES, MASK):
            found = ask(TAILNUM, rules=(replace(rule, tags=(tag,)),), datasets=(valued,))
            assert found.allowed is reached
        denied = replace(DENY, tags=(tag,))
        assert ask(TAILNUM, rules=(REACHES, denied), datasets=(valued,)).allowed is not reached


def test_a_denial_is_of_what_its_tags_name_or_of_all():
    tagged = replace(DENY, tags=("personal.quasi",))
    assert ask(DELAY, rules=(RULE, tagged)).allowed
    assert not ask(TAILNUM, rules=(REACHES, tagged)).allowed
    assert not ask(DELAY, rules=(RULE, DENY)).allowed
    assert ask(DELAY, rules=(RULE, replace(DENY, actions=(Action.SERVE,)))).allowed


def test_who_may_not_discover_may_do_nothing_but_govern():
    hidden = replace(DENY, actions=(Action.DISCOVER,), actors=("anyone",))
    for action in (Action.DISCOVER, Action.READ, Action.PUBLISH, Action.STEWARD):
        rule = replace(RULE, actions=(action,))
        assert ask(WHOLE, action=action, rules=(rule,)).allowed
        assert not ask(WHOLE, action=action, rules=(rule, hidden)).allowed
        assert not ask(WHOLE, action=action, actor=SAM, rules=(rule, hidden)).allowed
    governs = replace(RULE, actions=(Action.GOVERN,), datasets=(EVERY,))
    everything = ColumnRef(EVERY)
    never = replace(DENY, actions=tuple(Action), datasets=(EVERY,))
    assert ask(everything, action=Action.GOVERN, rules=(governs, never)).allowed


def test_who_may_read_a_masked_column_may_discover_its_dataset():
    for rule in (MASK, COMPUTE, replace(MASK, tags=())):
        found = ask(WHOLE, action=Action.DISCOVER, rules=(rule,), purpose="")
        assert reason(found, WHOLE).is_whole
    other = replace(FLIGHTS, column_tags={})
    assert not ask(WHOLE, action=Action.DISCOVER, rules=(MASK,), datasets=(other,)).allowed
    assert not ask(WHOLE, action=Action.READ, rules=(MASK,)).allowed
    assert not ask(DELAY, action=Action.DISCOVER, rules=(MASK,)).allowed
    masked = replace(NAMED, effect=Effect.MASK, mask="hash")
    assert reason(ask(WHOLE, action=Action.DISCOVER, grants=(masked,)), WHOLE).is_whole


def test_a_part_is_given_of_rows_only():
    publish = (Action.READ, Action.PUBLISH)
    for effect in (Effect.MASK, Effect.COMPUTE):
        rule = replace(MASK, actions=publish, effect=effect, tags=())
        assert not ask(DELAY, action=Action.PUBLISH, rules=(rule,)).allowed
        assert ask(DELAY, action=Action.READ, rules=(rule,)).allowed
        grant = replace(GRANT, action=Action.PUBLISH, effect=effect)
        assert not ask(DELAY, action=Action.PUBLISH, grants=(grant,)).allowed
        assert not ask(WHOLE, action=Action.DISCOVER, grants=(grant,)).allowed
        for action in (Action.READ, Action.SERVE):
            assert ask(DELAY, action=action, grants=(replace(grant, action=action),)).allowed
    assert ask(DELAY, action=Action.PUBLISH, rules=(replace(EU, actions=publish),)).is_whole


WHO: list[tuple[dict[str, Any], bool]] = [
    ({"projects": ("risk",)}, True),
    ({"projects": ("other", "risk")}, True),
    ({"projects": ("other",)}, False),
    ({"attributes": {"region": ("eu",)}}, True),
    ({"attributes": {"region": ("us", "eu"), "level": ("2",)}}, True),
    ({"attributes": {"region": ("us",)}}, False),
    ({"attributes": {"region": ("eu",), "level": ("3",)}}, False),
    ({"attributes": {"team": ("eu",)}}, False),
    ({"attributes": {"region": ()}}, False),
    ({"actors": ("project:risk",)}, True),
    ({"actors": ("project:other",)}, False),
]
RISKY = Actor(
    "person:ana", frozenset({"team:ml"}), frozenset({"risk"}), frozenset({("region", "eu"), ("level", "2")})
)  # fmt: skip


@pytest.mark.parametrize(("change", "meant"), WHO)
def test_a_rule_is_about_actors_by_project_and_attribute(change: dict[str, Any], meant: bool):
    assert ask(actor=RISKY, rules=(replace(RULE, **change),)).allowed is meant
    assert ask(actor=RISKY, rules=(RULE, replace(DENY, **change))).allowed is not meant


def test_a_grant_through_a_project_is_for_who_is_in_it():
    through = replace(GRANT, through="risk")
    assert ask(actor=RISKY, grants=(through,)).allowed
    assert not ask(actor=ANA, grants=(through,)).allowed
    assert not ask(actor=RISKY, grants=(replace(through, through="other"),)).allowed
    assert ask(actor=RISKY, grants=(replace(GRANT, grantee="project:risk"),)).allowed


def test_what_closes_for_a_purpose_closes_for_who_names_none():
    for closing in (
        DENY,
        replace(MASK, tags=()),
        replace(EU, id="rows"),
        replace(COMPUTE, tags=()),
    ):
        for_ads = replace(closing, purposes=("ads",))
        assert ask(rules=(RULE, for_ads)).is_whole
        assert not ask(rules=(RULE, for_ads), purpose="ads").is_whole
        assert not ask(rules=(RULE, for_ads), purpose="").is_whole
    for_ads = replace(RULE, purposes=("ads",))
    assert not ask(rules=(for_ads,), purpose="").allowed
    assert not ask(rules=(replace(MASK, tags=(), purposes=("ads",)),), purpose="").allowed


def test_every_filter_holds_bound_to_who_asks():
    found = ask(actor=RISKY, rules=(EU, OWN, REACHES), grants=(NAMED,))
    bound = "region = 'eu' or level in ('2', 'x')"
    assert reason(found, DELAY).filters == ("region = 'eu'", bound)
    assert found.require().filters == (
        ("aviation.flights", Filter("region = 'eu' and (region = 'eu' or level in ('2', 'x'))")),
    )
    named = ask(TAILNUM, actor=RISKY, rules=(EU,), grants=(NAMED,))
    assert (reason(named).grant, reason(named).filters) == ("g1", ("region = 'eu'",))
    assert not found.is_whole


def test_a_filter_that_needs_what_the_actor_has_not_closes():
    found = ask(actor=replace(RISKY, attributes=frozenset({("region", "eu")})), rules=(RULE, OWN))
    why = "rule own shows rows by actor.level, which person:ana has not"
    assert (reason(found, DELAY).allowed, reason(found, DELAY).because) == (False, why)
    assert reason(found, DELAY).rule == "own"
    assert ask(WHOLE, action=Action.DISCOVER, rules=(OWN,)).allowed
    assert not ask(actor=RISKY, rules=(EU,), grants=()).reasons[0].is_whole


def test_a_permit_says_what_the_decision_gave():
    permit = ask(DELAY, TAILNUM, rules=(RULE, HASH)).require()
    assert permit.masks == ((TAILNUM, Mask.parse("hash")),)
    assert (permit.filters, permit.computes) == ((), frozenset())
    permit = ask(DELAY, TAILNUM, rules=(RULE, COMPUTE)).require()
    assert (permit.masks, permit.computes) == ((), frozenset({TAILNUM}))
    assert permit.columns == {DELAY, TAILNUM}


def test_a_rule_that_is_only_watched_changes_nothing_and_is_told():
    shadow = replace(DENY, mode=Mode.SHADOW, tags=("personal.quasi",))
    found = ask(DELAY, TAILNUM, rules=(REACHES, shadow))
    assert found.is_whole
    assert [(r.column, r.because) for r in found.shadow] == [(TAILNUM, "denied by rule deny")]
    opening = replace(REACHES, mode=Mode.SHADOW)
    found = ask(TAILNUM, rules=(opening,))
    assert not found.allowed
    assert [(r.column, r.allowed) for r in found.shadow] == [(TAILNUM, True)]
    assert ask(DELAY, rules=(RULE, replace(shadow, actors=("person:bob",)))).shadow == ()
    assert ask(DELAY, rules=(RULE, shadow)).shadow == ()


def test_a_refusal_has_facts_for_programs():
    with pytest.raises(Denied) as error:
        ask(DELAY, TAILNUM, rules=(replace(DENY, tags=("personal.quasi",)),)).require()
    untagged, denied = error.value.facts
    assert (untagged.dataset, untagged.columns, untagged.because) == (
        "aviation.flights",
        ("delay",),
        "no rule or grant, for purpose delays",
    )
    assert untagged.who_can_grant == ("person:sam", "team:ops")
    assert untagged.command == (
        "provender access request aviation.flights --columns delay --purpose delays --reason …"
    )
    assert untagged.page == (
        "/requests/new?about=dataset%3Aaviation.flights&action=read&purpose=delays&columns=delay"
    )
    assert (denied.rule, denied.tags) == ("deny", ("personal.quasi",))
    assert (denied.who_can_grant, denied.command) == ((), "")
    assert error.value.hint == "no grant opens it; who governs can change rule deny"
    with pytest.raises(Denied) as error:
        ask(WHOLE, action=Action.STEWARD).require()
    (fact,) = error.value.facts
    assert (fact.columns, fact.who_can_grant, fact.command) == ((), (), "")


def test_a_permit_is_for_a_dataset_under_its_other_names_too():
    permit = ask(
        DELAY, TAILNUM, rules=(EU, HASH, replace(COMPUTE, tags=(), mode=Mode.SHADOW))
    ).require()
    called = {"aviation.trips": "aviation.flights", "aviation.flights": "aviation.flights"}
    named = permit.under(called)
    trips = replace(TAILNUM, dataset="aviation.trips")
    assert named.columns == permit.columns | {trips, replace(DELAY, dataset="aviation.trips")}
    assert dict(named.masks) == {TAILNUM: Mask.parse("hash"), trips: Mask.parse("hash")}
    assert dict(named.filters)["aviation.trips"] == dict(named.filters)["aviation.flights"]
    assert permit.under({"aviation.flights": "aviation.flights"}) is permit
    assert permit.under({"a.b": "c.d"}) == permit
    computing = ask(TAILNUM, rules=(COMPUTE,)).require().under(called)
    assert computing.computes == {TAILNUM, trips}


def test_a_dataset_that_is_not_there_is_closed_whatever_is_said():
    nowhere = ColumnRef("aviation.nowhere", "x")
    found = ask(nowhere, rules=(replace(RULE, datasets=(EVERY,)),))
    assert found.reasons == (
        Reason(column=nowhere, allowed=False, because="not in the catalog", effect=Effect.DENY),
    )


def test_owners_of_another_dataset_decide_nothing_here():
    other = Dataset(ref=FLIGHTS.ref, description="", owner="person:bob", format=FLIGHTS.format)
    assert not ask(WHOLE, action=Action.PUBLISH, actor=SAM, datasets=(other,)).allowed
    assert not ask(WHOLE, action=Action.DEFINE, actor=SAM).allowed


@pytest.mark.parametrize("action", [Action.DISCOVER, Action.READ])
def test_rules_that_concern_nobody_who_asks_may_be_left_out(action: Action):
    rules = (replace(RULE, actors=("person:bob",)), RULE, replace(DENY, purposes=("ads",)), MASK)
    left = concerning(ANA, action, rules, purpose="delays")
    assert [rule.id for rule in left] == [RULE.id, MASK.id]
    assert ask(DELAY, action=action, rules=rules) == ask(DELAY, action=action, rules=tuple(left))
