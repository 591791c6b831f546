from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from provender.core.errors import Conflict, Denied, InvalidInput
from provender.core.lineage import Node, NodeKind
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.requests import (
    LAPSES,
    TAKEN,
    TOGETHER,
    TRANSITIONS,
    AccessRequest,
    RequestPart,
    RequestState,
    RequestStep,
    Wanted,
    advance,
    check_wanted,
    lapses_at,
)
from provender.core.rules import REQUESTED

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLIGHTS, PLANES = "aviation.flights", "aviation.planes"
ANA = Actor("person:ana", frozenset({"team:models"}))
SAM, OPS = Actor("person:sam"), Actor("person:ops")
REQUEST = AccessRequest(
    id="r1",
    requester="person:ana",
    grantee="team:models",
    about=Node(NodeKind.DATASET, FLIGHTS),
    action=Action.READ,
    purpose="delay",
    parts=(RequestPart(dataset=FLIGHTS, columns=("tailnum",)),),
    until=None,
    reason="to predict",
    asked_at=NOW,
    lapses_at=NOW + LAPSES,
)
FOUR_EYES = replace(REQUEST, parts=(replace(REQUEST.parts[0], approvals=TOGETHER),))


def take(request, step, *, by=SAM, decides=(FLIGHTS,), answer="why not", now=NOW):
    return advance(request, step, by=by, decides=decides, answer=answer, now=now)


@pytest.mark.parametrize(("state", "step"), [*product(RequestState, TAKEN)])
def test_a_step_is_taken_exactly_where_the_table_has_it(state, step):
    request = replace(REQUEST, state=state)
    by = ANA if step is RequestStep.WITHDRAW else SAM
    if (state, step) not in TRANSITIONS:
        with pytest.raises(Conflict, match=f"cannot {step} request r1: it is already {state}"):
            take(request, step, by=by)
        return
    after = take(request, step, by=by)
    assert after.state is TRANSITIONS[state, step]
    assert (after.decided_by, after.decided_at, after.answer) == (by.id, NOW, "why not")
    assert after.revision == request.revision + 1


def test_only_what_is_open_goes_on():
    assert {state for state, _ in TRANSITIONS} == {RequestState.OPEN}
    assert {step for _, step in TRANSITIONS} == set(RequestStep)


@pytest.mark.parametrize("step", [RequestStep.APPROVE, RequestStep.REJECT])
@pytest.mark.parametrize(
    ("by", "words"),
    [
        (Actor("person:ana"), "their own request"),
        (Actor("person:bob", frozenset({"team:models"})), "for themselves, or a team of theirs"),
        (Actor("team:models"), "for themselves"),
    ],
)
def test_nobody_decides_what_they_asked_for_or_what_is_for_themselves(step, by, words):
    with pytest.raises(Denied, match=words):
        take(REQUEST, step, by=by)


def test_only_who_decides_about_a_dataset_of_it_answers():
    for decides in ((), (PLANES,)):
        with pytest.raises(Denied, match=r"does not decide about aviation\.flights"):
            take(REQUEST, RequestStep.APPROVE, decides=decides)


def test_only_who_asked_withdraws_and_nobody_lets_it_expire():
    with pytest.raises(Denied, match="cannot withdraw request r1 of person:ana"):
        take(REQUEST, RequestStep.WITHDRAW)
    with pytest.raises(Denied, match="nobody lets a request expire"):
        take(REQUEST, RequestStep.EXPIRE)


def test_a_rejection_says_why():
    with pytest.raises(InvalidInput, match="needs a reason"):
        take(REQUEST, RequestStep.REJECT, answer=" ")


def test_four_eyes_are_of_two_people():
    once = take(FOUR_EYES, RequestStep.APPROVE)
    assert (once.state, once.is_approved, once.lacking(once.parts[0])) == (
        RequestState.OPEN,
        False,
        1,
    )
    assert (once.decided_by, once.decided_at, once.revision) == ("", None, 2)
    with pytest.raises(Conflict, match="person:sam approved request r1 already") as error:
        take(once, RequestStep.APPROVE)
    assert "1 more for aviation.flights" in error.value.hint
    twice = take(once, RequestStep.APPROVE, by=OPS)
    assert (twice.state, twice.decided_by, twice.revision) == (
        RequestState.APPROVED,
        "person:ops",
        3,
    )
    assert [one.by for one in twice.approvals] == ["person:sam", "person:ops"]


def test_one_of_two_can_still_reject():
    once = take(FOUR_EYES, RequestStep.APPROVE)
    assert take(once, RequestStep.REJECT, by=OPS).state is RequestState.REJECTED


def test_what_rests_on_several_datasets_is_approved_by_who_decides_about_each():
    parts = (*REQUEST.parts, RequestPart(dataset=PLANES))
    both = replace(REQUEST, parts=parts)
    half = take(both, RequestStep.APPROVE)
    assert half.state is RequestState.OPEN
    assert half.approvals[0].datasets == (FLIGHTS,)
    whole = take(half, RequestStep.APPROVE, by=OPS, decides=(FLIGHTS, PLANES))
    assert whole.state is RequestState.APPROVED
    assert whole.approvals[1].datasets == (FLIGHTS, PLANES)
    alone = take(both, RequestStep.APPROVE, decides=(PLANES, FLIGHTS))
    assert alone.state is RequestState.APPROVED
    more = take(half, RequestStep.APPROVE, decides=(FLIGHTS, PLANES))
    assert more.approvals[1].datasets == (PLANES,)


def test_a_request_expires_at_its_instant_and_not_before():
    before, then = REQUEST.lapses_at - timedelta(microseconds=1), REQUEST.lapses_at
    assert take(REQUEST, RequestStep.APPROVE, now=before).state is RequestState.APPROVED
    with pytest.raises(Conflict, match="already expired"):
        take(REQUEST, RequestStep.APPROVE, now=then)
    assert REQUEST.seen_at(before) is REQUEST
    over = REQUEST.seen_at(then)
    assert (over.state, over.decided_at) == (RequestState.EXPIRED, then)
    rejected = take(REQUEST, RequestStep.REJECT)
    assert rejected.seen_at(then) is rejected


def test_it_waits_for_a_month_or_as_long_as_what_is_asked_for():
    soon = NOW + timedelta(days=3)
    assert lapses_at(soon, now=NOW) == soon
    assert lapses_at(None, now=NOW) == lapses_at(NOW + 2 * LAPSES, now=NOW) == NOW + LAPSES


def test_a_renamed_dataset_is_called_so_in_every_part():
    once = take(FOUR_EYES, RequestStep.APPROVE)
    new = once.renamed(FLIGHTS, PLANES)
    assert (new.about.name, new.datasets, new.approvals[0].datasets) == (
        PLANES,
        (PLANES,),
        (PLANES,),
    )
    assert once.renamed("a.b", "c.d") == once


def test_a_request_without_a_purpose_becomes_a_grant_for_any():
    assert REQUEST.purposes == ("delay",)
    assert replace(REQUEST, purpose="").purposes == ("*",)


WANTED = Wanted(about=REQUEST.about, purpose="delay", reason="to predict")


@pytest.mark.parametrize("action", REQUESTED)
def test_what_can_be_asked_for(action):
    reads = action in (Action.READ, Action.SERVE)
    check_wanted(replace(WANTED, action=action, purpose="delay" if reads else ""))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"action": Action.GOVERN}, "govern cannot be requested"),
        ({"action": Action.DISCOVER, "purpose": ""}, "discover cannot be requested"),
        ({"purpose": ""}, "has to name one purpose"),
        ({"purpose": "*"}, "has to name one purpose"),
        ({"action": Action.DEFINE}, "to define is for no purpose"),
        ({"action": Action.DEFINE, "purpose": "", "columns": ("a",)}, "as a whole"),
        ({"reason": " "}, "needs a reason"),
    ],
)
def test_what_cannot_be_asked_for_is_said(changed, words):
    with pytest.raises(InvalidInput, match=words):
        check_wanted(replace(WANTED, **changed))
