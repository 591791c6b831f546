from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.audit import EventKind
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.policy import Action, ColumnRef
from tests.catalog.world import (
    FLIGHTS,
    NOW,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
)

TAILNUM = ColumnRef("aviation.flights", "tailnum")


def read(connect: Connect, who: str, *, purpose: str = "delay") -> None:
    connect(who).permit(Action.READ, [TAILNUM], purpose=purpose)


def test_a_grant_opens_a_protected_column_to_a_team_until_its_end(connect: Connect, clock: Clock):
    connect("ops").publish(FLIGHTS, manifest())
    with pytest.raises(Denied):
        read(connect, "ana")
    end = NOW + timedelta(days=1)
    given = connect("sam").records.grant(
        FLIGHTS,
        grantee="team:models",
        columns=["tailnum"],
        purposes=["delay"],
        until=end,
        reason="ticket 7",
    )
    assert (given.id, given.granted_by, given.granted_at) == ("g1", "person:sam", NOW)
    permit = connect("ana").permit(Action.READ, [TAILNUM], purpose="delay")
    assert permit.expires == end
    with pytest.raises(Denied):
        read(connect, "ana", purpose="report")
    with pytest.raises(Denied):
        read(connect, "max")
    clock.advance(timedelta(days=1))
    with pytest.raises(Denied):
        read(connect, "ana")


def test_a_revoked_grant_opens_nothing_and_stays_on_record(connect: Connect, clock: Clock):
    connect("ops").publish(FLIGHTS, manifest())
    given = connect("sam").records.grant(FLIGHTS, grantee="person:max", columns=["tailnum"])
    read(connect, "max")
    clock.advance(timedelta(hours=1))
    ended = connect("ops").records.revoke(given.id)
    assert ended.revoked_at == clock()
    with pytest.raises(Denied):
        read(connect, "max")
    clock.advance(timedelta(hours=1))
    assert connect("sam").records.revoke(given.id) == ended
    assert list(connect("sam").records.grants(FLIGHTS).items) == [ended]
    kinds = [
        event.kind
        for event in connect("gov").records.audit_events(subject="aviation.flights", limit=9)
    ]
    assert kinds.count(EventKind.ACCESS_REVOKE) == 1
    again = connect("sam").records.grant(FLIGHTS, grantee="person:max", columns=["tailnum"])
    assert again.id == "g2"


def test_the_same_grant_again_is_the_one_in_force(connect: Connect, clock: Clock):
    first = connect("sam").records.grant(FLIGHTS, grantee="person:max")
    clock.advance(timedelta(hours=1))
    assert connect("sam").records.grant(FLIGHTS, grantee="person:max") == first


def test_nobody_grants_to_themselves_nor_to_a_team_of_theirs(connect: Connect):
    for who, grantee in (("sam", "person:sam"), ("ops", "person:ops"), ("ops", "team:ops")):
        with pytest.raises(Denied, match="cannot grant access to themselves"):
            connect(who).records.grant(FLIGHTS, grantee=grantee)
    assert connect("sam").records.grant(FLIGHTS, grantee="team:ops").granted_by == "person:sam"


def test_only_who_owns_or_stewards_a_dataset_grants_and_revokes(connect: Connect):
    with pytest.raises(Denied, match=r"person:ana may not steward aviation.flights"):
        connect("ana").records.grant(FLIGHTS, grantee="person:max")
    with pytest.raises(Denied, match=r"person:sam may not steward aviation.weather"):
        connect("sam").records.grant(WEATHER, grantee="person:max")
    given = connect("sam").records.grant(FLIGHTS, grantee="person:max")
    with pytest.raises(Denied, match="person:max may not steward"):
        connect("max").records.revoke(given.id)
    with pytest.raises(NotFound, match="grant 'g1' not found"):
        connect("ana").records.revoke(given.id)


def test_a_grant_on_a_hidden_dataset_is_not_found(connect: Connect):
    with pytest.raises(NotFound):
        connect("sam").records.grant(SALARIES, grantee="person:max")


@pytest.mark.parametrize(
    ("asked", "error", "message", "hint"),
    [
        ({"grantee": "max"}, InvalidInput, "'max' is not an actor", "person:name"),
        ({"grantee": "person:mx"}, NotFound, "person:mx is not declared", "mean person:max?"),
        ({"columns": ["tailnumber"]}, NotFound, "'tailnumber' not found", "mean tailnum?"),
        ({"purposes": ["dealy"]}, NotFound, "purpose 'dealy' not found", "mean delay?"),
        ({"purposes": []}, InvalidInput, "opens nothing", "name one"),
        ({"until": NOW}, InvalidInput, "is over already", "future"),
        ({"until": NOW.replace(tzinfo=None)}, InvalidInput, "no time zone", "UTC"),
        ({"action": Action.GOVERN}, InvalidInput, "govern is not for granting", "rule"),
        ({"action": Action.STEWARD}, InvalidInput, "steward is not for granting", "rule"),
    ],
)
def test_what_cannot_be_granted_is_said(connect: Connect, asked, error, message, hint):
    connect("ops").publish(FLIGHTS, manifest())
    before = connect("gov").records.verify_audit()
    with pytest.raises(error, match=message) as raised:
        connect("sam").records.grant(FLIGHTS, **{"grantee": "person:max", **asked})
    assert hint in raised.value.hint
    assert connect("gov").records.verify_audit() == before


def test_grants_are_seen_by_who_has_them_and_by_who_decides(connect: Connect):
    given = connect("sam").records.grant(FLIGHTS, grantee="team:models")
    assert list(connect("ana").records.grants().items) == [given]
    assert list(connect("sam").records.grants().items) == [given]
    assert list(connect("max").records.grants().items) == []


def test_whoever_may_read_may_discover(connect: Connect):
    stewarded = replace(declared(SALARIES), stewards=("person:sam",))
    connect("gov").desk.apply(governing(stewarded))
    given = connect("sam").records.grant(SALARIES, grantee="person:max")
    assert connect("max").dataset(SALARIES).ref == SALARIES
    connect("sam").records.revoke(given.id)
    with pytest.raises(NotFound):
        connect("max").dataset(SALARIES)
