from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provender.core.audit import EventKind
from provender.core.datasets import whole
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    KeyReused,
    NotFound,
    PreconditionFailed,
)
from provender.core.lineage import Node, NodeKind
from provender.core.policy import Action, ColumnRef
from provender.core.requests import LAPSES, AccessRequest, RequestState, RequestStep, Wanted
from provender.core.schema import Column, Schema
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    NOW,
    REPO,
    SALARIES,
    VISIBLE,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
)

DATASET = Node(NodeKind.DATASET, str(FLIGHTS))
TAILNUM = ColumnRef("aviation.flights", "tailnum")
WANTED = Wanted(about=DATASET, columns=("tailnum",), purpose="delay", reason="to predict delays")
TWICE = replace(GOVERNANCE.tags[0], four_eyes=True)
SERVICE = Node(NodeKind.SERVICE, "delays/delay_v1")


def read(connect: Connect, who: str, *, purpose: str = "delay") -> None:
    connect(who).permit(Action.READ, [TAILNUM], purpose=purpose)


def four_eyes(connect: Connect) -> None:
    connect("gov").desk.declare(TWICE)


@pytest.fixture
def published(connect: Connect) -> Connect:
    connect("ops").publish(FLIGHTS, manifest())
    return connect


@pytest.fixture
def asked(published: Connect) -> AccessRequest:
    return published("ana").access.ask(WANTED)


def approve(connect: Connect, who: str, request: AccessRequest) -> AccessRequest:
    return connect(who).access.answer(request.id, RequestStep.APPROVE)


def test_an_approved_request_is_a_grant_and_effective_at_the_next_call(
    connect: Connect, asked: AccessRequest, clock: Clock
):
    assert (asked.id, asked.requester, asked.grantee) == ("r1", "person:ana", "person:ana")
    assert asked.lapses_at == NOW + LAPSES
    with pytest.raises(Denied):
        read(connect, "ana")
    clock.advance(timedelta(hours=1))
    approved = approve(connect, "sam", asked)
    assert (approved.state, approved.grants) == (RequestState.APPROVED, ("g1",))
    read(connect, "ana")
    given = connect("sam").records.granted("g1")
    assert (given.grantee, given.columns, given.purposes) == (
        "person:ana",
        ("tailnum",),
        ("delay",),
    )
    assert (given.granted_by, given.granted_at, given.reason) == (
        "person:sam",
        clock(),
        "to predict delays",
    )
    with pytest.raises(Denied):
        read(connect, "ana", purpose="report")
    connect("sam").records.revoke("g1")
    with pytest.raises(Denied):
        read(connect, "ana")


def test_request_and_answer_and_grant_are_in_the_audit_trail(
    connect: Connect, asked: AccessRequest
):
    approve(connect, "sam", asked)
    events = connect("gov").records.audit_events(subject="aviation.flights", limit=3)
    grant, approval, request = sorted(events, key=lambda e: e.kind != EventKind.ACCESS_GRANT)
    if approval.kind is EventKind.ACCESS_REQUEST:
        approval, request = request, approval
    assert grant.detail["grant"] == "g1"
    assert (approval.actor, approval.detail["request"]) == ("person:sam", "r1")
    assert (request.actor, request.detail["columns"]) == ("person:ana", ["tailnum"])
    assert request.detail["reason"] == "to predict delays"
    connect("gov").records.verify_audit()


def test_what_a_request_would_show_is_foreseen_without_writing(published: Connect):
    ana = published("ana").access
    before = published("gov").records.verify_audit()
    foreseen = ana.foresee(replace(WANTED, reason="", columns=("tailnum", "arr_delay")))
    assert published("gov").records.verify_audit() == before
    arr_delay, tailnum = foreseen.columns
    assert (tailnum.type, tailnum.protected, tailnum.before, tailnum.after) == (
        "string",
        ("personal",),
        False,
        True,
    )
    assert (arr_delay.tags, arr_delay.description) == (
        ("source.bts",),
        "How late the arrival was, minutes.",
    )
    assert foreseen.who_decides == {"aviation.flights": ("person:sam", "team:ops")}
    whole_ = ana.foresee(replace(WANTED, columns=()))
    shown = {column.column: column.after for column in whole_.columns}
    assert shown == {"event_timestamp": True, "tailnum": False, "arr_delay": True}
    assert list(ana.requests().items) == []


def test_a_request_for_a_view_or_service_becomes_grants_on_what_it_rests_on(connect: Connect):
    names = ("event_timestamp", "origin", "temp", "wind")
    schema = Schema(tuple(Column(name=name, type="string") for name in names))
    ops = connect("ops")
    ops.publish(HOURLY, manifest(of=HOURLY, schema=schema))
    tagged = replace(declared(HOURLY), column_tags={"origin": ("personal",)})
    connect("gov").desk.apply(governing(tagged))
    connect("ana").record(VISIBLE)
    wanted = replace(WANTED, about=SERVICE, columns=())
    asked = connect("max").access.ask(wanted)
    (part,) = asked.parts
    assert (part.dataset, part.columns) == (str(HOURLY), ("event_timestamp", "origin", "temp"))
    approved = approve(connect, "ops", asked)
    given = ops.records.granted(approved.grants[0])
    assert (given.asked_for, given.columns) == (str(SERVICE), part.columns)
    columns = [ColumnRef(str(HOURLY), name) for name in part.columns]
    connect("max").permit(Action.READ, columns, purpose="delay")
    for kind, name in ((NodeKind.VIEW, "weather"), (NodeKind.ON_DEMAND, "heat")):
        of = replace(wanted, about=Node(kind, f"delays/{name}"))
        foreseen = connect("max").access.foresee(of)
        assert [column.column for column in foreseen.columns] == list(part.columns)
        assert all(column.before for column in foreseen.columns)
        with pytest.raises(Conflict, match="may read that already for delay"):
            connect("max").access.ask(of)


def test_four_eyes_take_two_people_neither_of_whom_asked(published: Connect):
    four_eyes(published)
    with pytest.raises(Denied, match="takes the approval of two people") as error:
        published("sam").records.grant(FLIGHTS, grantee="person:ana", columns=["tailnum"])
    assert "provender access request aviation.flights --columns tailnum" in error.value.hint
    asked = published("ana").access.ask(WANTED)
    assert asked.parts[0].approvals == 2
    once = approve(published, "sam", asked)
    assert (once.state, once.grants) == (RequestState.OPEN, ())
    with pytest.raises(Denied):
        read(published, "ana")
    with pytest.raises(Conflict, match="approved request r1 already"):
        approve(published, "sam", asked)
    assert approve(published, "ops", asked).state is RequestState.APPROVED
    read(published, "ana")
    end = NOW + timedelta(days=9)
    assert published("sam").access.renew("g1", until=end).until == end
    with pytest.raises(Denied, match="takes the approval of two people"):
        published("sam").access.renew("g1", until=None)


def test_a_tag_that_asks_for_four_eyes_since_counts(connect: Connect, asked: AccessRequest):
    four_eyes(connect)
    assert asked.parts[0].approvals == 1
    assert approve(connect, "sam", asked).state is RequestState.OPEN


def test_nobody_decides_about_their_own_request_nor_for_a_team_of_theirs(published: Connect):
    own = published("sam").access.ask(WANTED)
    with pytest.raises(Denied, match="their own request"):
        approve(published, "sam", own)
    theirs = published("max").access.ask(replace(WANTED, grantee="team:ops"))
    with pytest.raises(Denied, match="a team of theirs"):
        approve(published, "ops", theirs)
    assert approve(published, "sam", theirs).state is RequestState.APPROVED


def test_who_has_no_say_decides_nothing_and_sees_no_request_of_others(
    connect: Connect, asked: AccessRequest
):
    for_ana = connect("max").access.ask(replace(WANTED, grantee="team:models"))
    assert connect("ana").access.requested(for_ana.id).request == for_ana
    with pytest.raises(Denied, match="a team of theirs"):
        approve(connect, "ana", for_ana)
    with pytest.raises(Denied, match="their own"):
        approve(connect, "max", for_ana)
    with pytest.raises(NotFound, match="request 'r1' not found"):
        connect("max").access.requested(asked.id)
    with pytest.raises(NotFound):
        approve(connect, "max", asked)
    assert [one.id for one in connect("max").access.requests().items] == ["r2"]
    assert [one.id for one in connect("sam").access.requests().items] == ["r2", "r1"]


def test_what_is_hidden_cannot_be_asked_for_in_the_words_of_what_is_not_there(connect: Connect):
    messages = []
    for name in (str(SALARIES), "people.wages"):
        with pytest.raises(NotFound) as error:
            connect("ana").access.ask(
                replace(WANTED, about=Node(NodeKind.DATASET, name), columns=())
            )
        messages.append(error.value.message.replace(name, "it"))
    assert len(set(messages)) == 1


def test_of_a_request_each_sees_the_parts_whose_datasets_they_may_discover(connect: Connect):
    connect("dev").record(REPO)
    connect("gov").desk.apply(governing(replace(declared(SALARIES), stewards=("person:max",))))
    wanted = replace(WANTED, about=Node(NodeKind.VIEW, "delays/pay"), columns=())
    asked = connect("max").access.ask(wanted)
    assert asked.datasets == (str(SALARIES),)
    with pytest.raises(NotFound):
        connect("ops").access.requested(asked.id)
    connect("gov").desk.apply(GOVERNANCE)
    left = connect("max").access.requested(asked.id).request
    assert (left.parts, left.about) == ((), Node(NodeKind.DATASET, ""))


def test_a_request_that_nobody_answered_is_over_by_the_time_of_the_catalog(
    connect: Connect, asked: AccessRequest, clock: Clock
):
    clock.advance(LAPSES - timedelta(microseconds=1))
    assert connect("sam").access.requests(state=RequestState.OPEN).items == (asked,)
    clock.advance(timedelta(microseconds=1))
    assert connect("sam").access.requests(state=RequestState.OPEN).items == ()
    (over,) = connect("sam").access.requests(state=RequestState.EXPIRED).items
    assert (over.state, over.decided_at) == (RequestState.EXPIRED, clock())
    for who, step in (
        ("sam", RequestStep.APPROVE),
        ("sam", RequestStep.REJECT),
        ("ana", RequestStep.WITHDRAW),
    ):
        with pytest.raises(Conflict, match="already expired"):
            connect(who).access.answer(asked.id, step, reason="late")
    assert connect("sam").records.grants().items == ()
    again = connect("ana").access.ask(WANTED)
    assert again.id == "r2"


def test_a_grant_ends_at_the_instant_that_was_asked_for(published: Connect, clock: Clock):
    end = NOW + timedelta(days=1)
    asked = published("ana").access.ask(replace(WANTED, until=end))
    assert asked.lapses_at == end
    approve(published, "sam", asked)
    read(published, "ana")
    clock.advance(timedelta(days=1))
    with pytest.raises(Denied):
        read(published, "ana")


def test_a_request_that_is_sent_twice_is_made_once(connect: Connect, asked: AccessRequest):
    ana = connect("ana").access
    assert ana.ask(WANTED) == asked
    first = ana.ask(replace(WANTED, purpose="report"), key="k")
    ana.answer(first.id, RequestStep.WITHDRAW)
    assert ana.ask(replace(WANTED, purpose="report"), key="k") == first
    with pytest.raises(KeyReused):
        ana.ask(WANTED, key="k")
    assert [one.id for one in ana.requests().items] == ["r2", "r1"]


def test_an_approval_that_is_sent_twice_gives_once(connect: Connect, asked: AccessRequest):
    sam = connect("sam").access
    first = sam.answer(asked.id, RequestStep.APPROVE, key="k")
    assert sam.answer(asked.id, RequestStep.APPROVE, key="k") == first
    with pytest.raises(Conflict, match="already approved"):
        sam.answer(asked.id, RequestStep.APPROVE)
    connect("sam").records.revoke("g1")
    with pytest.raises(Conflict):
        sam.answer(asked.id, RequestStep.APPROVE)
    assert len(connect("sam").records.grants().items) == 1


def test_an_answer_to_what_changed_meanwhile_is_refused(published: Connect):
    four_eyes(published)
    asked = published("ana").access.ask(WANTED)
    approve(published, "sam", asked)
    with pytest.raises(PreconditionFailed, match="is at revision 2, not 1"):
        published("ops").access.answer(asked.id, RequestStep.APPROVE, expected=asked.revision)
    done = published("ops").access.answer(asked.id, RequestStep.APPROVE, expected=2)
    assert (done.state, done.revision) == (RequestState.APPROVED, 3)


def test_a_rejection_says_why_and_a_withdrawal_is_for_who_asked(
    connect: Connect, asked: AccessRequest
):
    with pytest.raises(InvalidInput, match="needs a reason"):
        connect("sam").access.answer(asked.id, RequestStep.REJECT)
    with pytest.raises(Denied):
        connect("sam").access.answer(asked.id, RequestStep.WITHDRAW)
    rejected = connect("sam").access.answer(
        asked.id, RequestStep.REJECT, reason="use carrier instead"
    )
    assert (rejected.state, rejected.answer) == (RequestState.REJECTED, "use carrier instead")
    assert connect("ana").access.requested(asked.id).request == rejected
    with pytest.raises(Denied):
        read(connect, "ana")


NOT_ASKED_FOR: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"columns": ("tailnumber",)}, NotFound, "'tailnumber' not found"),
    ({"purpose": "dealy"}, NotFound, "purpose 'dealy' not found"),
    ({"grantee": "person:mx"}, NotFound, "person:mx is not declared"),
    ({"grantee": "mx"}, InvalidInput, "'mx' is not an actor"),
    ({"until": NOW}, InvalidInput, "is over already"),
    ({"reason": ""}, InvalidInput, "needs a reason"),
    ({"about": Node(NodeKind.TRAINING_SET, "ts_1"), "columns": ()}, InvalidInput, "cannot be"),
    ({"about": Node(NodeKind.SERVICE, "delays/x"), "columns": ()}, NotFound, "not found"),
    ({"about": Node(NodeKind.SERVICE, "x/x")}, InvalidInput, "columns are not asked for"),
    ({"about": Node(NodeKind.SERVICE, "x/x"), "columns": ()}, NotFound, "project 'x'"),
]


def test_what_cannot_be_asked_for_is_said(published: Connect):
    published("ana").record(VISIBLE)
    before = published("gov").records.verify_audit()
    for changed, error, words in NOT_ASKED_FOR:
        with pytest.raises(error, match=words):
            published("ana").access.ask(replace(WANTED, **changed))
    assert published("gov").records.verify_audit() == before


def test_requests_are_listed_in_parts(published: Connect):
    ana = published("ana").access
    for number in range(5):
        ana.ask(replace(WANTED, reason=f"reason {number}"))
    told = whole(lambda after: ana.requests(limit=2, after=after))
    assert [one.id for one in told] == ["r5", "r4", "r3", "r2", "r1"]
    with pytest.raises(InvalidInput, match="is not a request"):
        ana.requests(after="first")
    with pytest.raises(NotFound, match="request 'first' not found"):
        ana.requested("first")


def test_a_request_follows_its_dataset_to_another_name(connect: Connect, asked: AccessRequest):
    connect("ops").desk.rename(FLIGHTS, "aviation.departures", expected=None)
    seen = connect("ana").access.requested(asked.id).request
    assert (seen.about.name, seen.datasets) == ("aviation.departures", ("aviation.departures",))
    approve(connect, "sam", asked)
    read(connect, "ana")


def test_to_define_or_publish_is_asked_for_a_dataset_as_a_whole(published: Connect):
    wanted = replace(WANTED, action=Action.PUBLISH, purpose="", columns=())
    asked = published("ana").access.ask(wanted)
    approve(published, "sam", asked)
    assert published("ana").publish(FLIGHTS, manifest(3)).number == 2
    with pytest.raises(Conflict, match="may publish that already"):
        published("ana").access.ask(wanted)


def test_a_grant_is_renewed_by_a_steward_and_not_by_who_has_it(published: Connect, clock: Clock):
    end = NOW + timedelta(days=1)
    given = published("sam").records.grant(
        FLIGHTS, grantee="person:ana", columns=["tailnum"], until=end
    )
    with pytest.raises(Denied):
        published("ana").access.renew(given.id, until=None)
    with pytest.raises(InvalidInput, match="over already"):
        published("sam").access.renew(given.id, until=NOW)
    clock.advance(timedelta(days=2))
    with pytest.raises(Denied):
        read(published, "ana")
    later = clock() + timedelta(days=1)
    renewed = published("sam").access.renew(given.id, until=later, reason="still needed")
    assert renewed == replace(given, until=later)
    assert published("sam").access.renew(given.id, until=later) == renewed
    read(published, "ana")
    (event,) = published("gov").records.audit_events(kind=EventKind.ACCESS_RENEW)
    assert event.detail["reason"] == "still needed"
    published("sam").records.revoke(given.id)
    with pytest.raises(Conflict, match="was revoked"):
        published("sam").access.renew(given.id, until=None)
    own = published("sam").records.grant(FLIGHTS, grantee="team:ops")
    with pytest.raises(Denied, match="to themselves"):
        published("ops").access.renew(own.id, until=later)
