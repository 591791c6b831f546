"""What a verdict says, word for word, and the smallest differences that change one.

Each test kills what would otherwise be a surviving mutant of core/policy.py (``make mutants``).
"""

from dataclasses import replace

import pytest

from provender.core.decisions import Decision, Reason
from provender.core.effects import Effect
from provender.core.limits import Limits
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from tests.core.test_effects_of_rules import DENY, HASH, MASK, REACHES, reason
from tests.core.test_policy import ANA, DELAY, FLIGHTS, GRANT, NOW, RULE, TAILNUM, WHOLE, ask

ELSEWHERE = ColumnRef("aboard.meals", "price")
"""It comes before the flights, and is not in the catalog."""
SAM = Actor("person:sam")
PILOT = ColumnRef("aviation.flights", "pilot")


def verdicts(decision: Decision) -> dict[ColumnRef, bool]:
    return {one.column: one.allowed for one in decision.reasons}


def test_what_is_outside_of_a_token_is_closed_with_the_reason_and_the_rest_is_not():
    limited = replace(ANA, limits=Limits(datasets=("aviation.*",)))
    found = ask(ELSEWHERE, DELAY, actor=limited, rules=(replace(RULE, datasets=("*",)),))
    assert verdicts(found) == {ELSEWHERE: False, DELAY: True}
    assert reason(found, ELSEWHERE) == Reason(
        column=ELSEWHERE,
        allowed=False,
        because=limited.limits.bars(Action.READ, "aboard.meals", "delays"),
        effect=Effect.DENY,
    )
    assert reason(found, ELSEWHERE).because


@pytest.mark.parametrize(("purpose", "allowed"), [("delays", True), ("ads", False)])
def test_a_token_for_a_purpose_is_for_no_other(purpose: str, allowed: bool):
    limited = replace(ANA, limits=Limits(purpose="delays"))
    assert ask(DELAY, actor=limited, purpose=purpose, rules=(RULE,)).allowed is allowed


def test_what_is_not_in_the_catalog_closes_nothing_else():
    found = ask(ELSEWHERE, DELAY, rules=(replace(RULE, datasets=("*",)),))
    assert verdicts(found) == {ELSEWHERE: False, DELAY: True}
    assert reason(found, ELSEWHERE).because == "not in the catalog"


def test_an_office_is_said_with_the_tags_that_it_goes_past():
    found = ask(TAILNUM, actor=SAM, action=Action.PUBLISH)
    assert found.decided_at == NOW
    assert found.reasons == (
        Reason(
            column=TAILNUM,
            allowed=True,
            because="owner or steward",
            effect=Effect.SEE,
            tags=("personal.quasi",),
        ),
    )


def test_a_rule_that_opens_is_named_and_no_grant_is():
    found = reason(ask(TAILNUM, rules=(REACHES,)))
    assert (found.rule, found.grant, found.tags) == ("reaches", "", ("personal.quasi",))


def test_a_grant_of_a_column_says_that_the_dataset_is_there_and_of_no_other_column():
    named = replace(GRANT, columns=("tailnum",))
    assert ask(WHOLE, action=Action.DISCOVER, grants=(named,)).allowed
    assert not ask(DELAY, action=Action.DISCOVER, grants=(named,)).allowed


def test_a_grant_of_a_column_gives_no_whole_dataset():
    assert not ask(WHOLE, grants=(replace(GRANT, columns=("tailnum",)),)).allowed


def test_every_tag_that_closes_is_said_and_that_no_purpose_is():
    tagged = replace(FLIGHTS, column_tags={"pilot": ("personal.quasi", "personal.quasi=weak")})
    closed = ask(PILOT, datasets=(tagged,))
    assert reason(closed, PILOT).because == (
        "tagged personal.quasi, personal.quasi=weak, for purpose delays"
    )
    assert reason(ask(DELAY, purpose=""), DELAY).because == (
        "no rule or grant, and no purpose is given"
    )


def test_a_column_that_is_denied_by_its_tag_hides_no_dataset():
    denied = replace(DENY, tags=("personal.quasi",), actions=(Action.DISCOVER, Action.READ))
    found = ask(WHOLE, DELAY, action=Action.DISCOVER, rules=(RULE, denied))
    assert verdicts(found) == {WHOLE: True, DELAY: True}
    assert not ask(TAILNUM, rules=(REACHES, denied)).allowed


@pytest.mark.parametrize(
    ("masks", "strictest"),
    [
        (("hash", "bucket(10)"), "hash"),
        (("constant('x')", "truncate(3)"), "constant('x')"),
        (("truncate(1)", "truncate(3)"), "truncate(1)"),
        (("bucket(10)", "bucket(100)"), "bucket(100)"),
    ],
)
def test_of_two_masks_that_counts_which_leaves_less(masks: tuple[str, str], strictest: str):
    one, other = (replace(MASK, id=f"m{n}", mask=mask) for n, mask in enumerate(masks))
    for rules in ((one, other), (other, one)):
        assert reason(ask(TAILNUM, rules=rules)).mask == strictest
    assert reason(ask(TAILNUM, rules=(HASH,))).mask == "hash"


def test_who_decides_is_told_of_all_that_is_asked_about_each_once():
    found = ask(ELSEWHERE, DELAY, TAILNUM)
    assert found.who_decides == FLIGHTS.who_decides != ()
