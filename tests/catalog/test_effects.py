"""Rules that mask, deny and are watched, in a catalog: who they are about, and what is told of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.effects import Effect, Mask
from provender.core.errors import Denied, NotFound
from provender.core.filters import Filter
from provender.core.identity import How, Identity
from provender.core.limits import Limits
from provender.core.names import DatasetRef
from provender.core.people import Actor, Person
from provender.core.policy import Action, ColumnRef, Mode, Rule
from tests.catalog.world import FLIGHTS, GOVERNANCE, VISIBLE, Clock, Connect, governing, manifest

DELAY, TAILNUM = (ColumnRef(FLIGHTS.dataset, name) for name in ("arr_delay", "tailnum"))
MASK = Rule(
    id="mask", actors=("team:models",), actions=(Action.READ,), datasets=("aviation.*",),
    tags=("personal",), effect=Effect.MASK, mask="hash",
)  # fmt: skip
ROWS = Rule(
    id="rows", actors=("team:models",), actions=(Action.READ,), datasets=("aviation.flights",),
    filter="carrier = actor.carrier",
)  # fmt: skip
DENY = Rule(id="deny", actors=("anyone",), actions=(Action.DISCOVER,), datasets=("aviation.flights",), effect=Effect.DENY)  # fmt: skip


def govern(connect: Connect, *rules: Rule, carrier: str = "") -> None:
    people = tuple(
        replace(person, attributes={"carrier": carrier})
        if carrier and person.id == "person:ana"
        else person
        for person in GOVERNANCE.people
    )
    connect("gov").desk.apply(
        governing(rules=(*GOVERNANCE.rules, *rules), people=people), overwrite=True
    )


def test_a_permit_says_what_becomes_of_columns_and_rows(connect: Connect):
    govern(connect, MASK, ROWS, carrier="UA")
    ana = connect("ana")
    assert ana.actor.attributes == {("carrier", "UA")}
    permit = ana.permit(Action.READ, [DELAY, TAILNUM], purpose="report")
    assert permit.masks == ((TAILNUM, Mask.parse("hash")),)
    assert permit.filters == ((FLIGHTS.dataset, Filter("carrier = 'UA'")),)
    event = connect("gov").records.audit_events(limit=1)[0]
    assert event.detail["reasons"] == {
        "arr_delay": "rule report",
        "tailnum": "rule mask: masked, hash",
    }
    with pytest.raises(Denied, match=r"is masked: hash; of aviation\.flights only rows"):
        permit.require_whole()


def test_who_lacks_the_attribute_of_a_filter_is_refused(connect: Connect):
    govern(connect, ROWS)
    with pytest.raises(
        Denied, match=r"rule rows shows rows by actor\.carrier, which person:ana has not"
    ):
        connect("ana").permit(Action.READ, [DELAY], purpose="report")
    assert connect("max").permit(Action.READ, [DELAY], purpose="report").filters == ()


def test_a_dataset_under_its_former_name_is_masked_as_well(connect: Connect):
    govern(connect, replace(MASK, datasets=("*",)))
    trips = DatasetRef("aviation", "trips")
    connect("sam").desk.rename(FLIGHTS, trips.dataset, expected=1)
    permit = connect("ana").permit(Action.READ, [TAILNUM], purpose="report")
    assert {column.dataset for column, _ in permit.masks} == {FLIGHTS.dataset, trips.dataset}


def test_what_is_denied_to_everybody_is_hidden_from_its_stewards_too(connect: Connect):
    for name in ("sam", "ops", "ana"):
        assert connect(name).dataset(FLIGHTS)
    govern(connect, DENY)
    for name in ("sam", "ops", "ana"):
        with pytest.raises(NotFound, match=r"dataset 'aviation\.flights' not found"):
            connect(name).dataset(FLIGHTS)
        with pytest.raises(NotFound):
            connect(name).publish(FLIGHTS, manifest())
        found = [entry.name for entry in connect(name).finder.entries({}, limit=50).items]
        assert FLIGHTS.dataset not in found


def test_what_denies_publishing_denies_it_to_the_owner(connect: Connect):
    govern(connect, replace(DENY, actions=(Action.PUBLISH,)))
    with pytest.raises(Denied, match=r"may not publish aviation\.flights \(denied by rule deny\)"):
        connect("ops").publish(FLIGHTS, manifest())
    govern(connect)
    assert connect("ops").publish(FLIGHTS, manifest()).number == 1


def test_a_rule_that_is_watched_is_told_of_in_the_audit_trail(connect: Connect):
    watched = replace(DENY, actions=(Action.READ,), mode=Mode.SHADOW)
    govern(connect, watched)
    ana = connect("ana")
    ana.permit(Action.READ, [DELAY], purpose="report")
    event = connect("gov").records.audit_events(limit=1)[0]
    assert event.detail["shadow"] == {"arr_delay": "denied by rule deny"}
    (would,) = ana.records.decide(Action.READ, [DELAY], purpose="report").shadow
    assert (would.allowed, would.rule) == (False, "deny")
    assert ana.dataset(FLIGHTS)


def test_who_owns_a_project_is_in_it_at_once(connect: Connect):
    in_project = replace(GOVERNANCE.rules[-1], id="risk", projects=("delays",), tags=("personal",))
    connect("dev").record(replace(VISIBLE, owner="person:dev"))
    govern(connect, in_project)
    with pytest.raises(Denied):
        connect("ana").permit(Action.READ, [TAILNUM], purpose="report")
    connect("dev").record(replace(VISIBLE, owner="team:models"))
    assert connect("ana").actor == Actor(
        "person:ana", frozenset({"team:models"}), frozenset({"delays"})
    )
    assert connect("ana").permit(Action.READ, [TAILNUM], purpose="report").columns == {TAILNUM}
    with pytest.raises(Denied):
        connect("max").permit(Action.READ, [TAILNUM], purpose="report")


def test_a_grant_ends_by_the_instant_of_the_last_change_and_does_not_come_back(
    connect: Connect, clock: Clock
):
    until = clock.now + timedelta(minutes=30)
    sam, max_ = connect("sam"), connect("max")
    sam.records.grant(
        FLIGHTS, grantee="person:max", action=Action.READ, columns=["tailnum"], until=until
    )
    clock.advance(timedelta(minutes=30) - timedelta(microseconds=1))
    assert max_.permit(Action.READ, [TAILNUM], purpose="report").expires == until
    clock.advance(timedelta(hours=1))
    with pytest.raises(Denied):
        max_.permit(Action.READ, [TAILNUM], purpose="report")
    clock.advance(timedelta(hours=-2))
    with pytest.raises(Denied):
        max_.permit(Action.READ, [TAILNUM], purpose="report")
    assert not max_.records.decide(Action.READ, [TAILNUM], purpose="report").allowed


def test_a_persons_attributes_are_kept_as_they_were_said(connect: Connect):
    govern(connect, carrier="Ü A")
    people = {person.id: person for person in connect("gov").governance().people}
    assert people["person:ana"] == Person(
        id="person:ana", name="Ana", teams=("team:models",), attributes={"carrier": "Ü A"}
    )


def test_a_token_that_is_not_for_publishing_publishes_nothing(connect: Connect):
    reading = Identity(actor="person:ops", how=How.TOKEN, limits=Limits(actions=("read",)))
    with pytest.raises(Denied, match="outside the token's scope: it is for actions read"):
        connect("ops").as_actor(reading).publish(FLIGHTS, manifest())
    assert connect("ops").publish(FLIGHTS, manifest()).number == 1
