"""T15: requests answered by several at once, and what is kept of them, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from provender.catalog import fsck, tokens
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.core.datasets import whole
from provender.core.errors import Conflict, Denied
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.requests import AccessRequest, RequestStep
from tests.catalog.test_requests import WANTED, approve, four_eyes, published
from tests.catalog.world import FLIGHTS, GOVERNANCE, Clock, Connect, declared, governing
from tests.stress import times

__all__ = ["published"]

ROBOT, OTHER = "service:robot", "service:other"
GLASS = Rule(
    id="glass", actors=(ROBOT, "person:gov"), actions=(Action.BREAK_GLASS,), tags=("personal",)
)


@pytest.fixture
def robot(published: Connect) -> LocalCatalog:
    """A service that looks after the flights as `sam` and `gov` do, who has made a token of it."""
    flights = replace(declared(FLIGHTS), stewards=("person:sam", "person:gov", ROBOT, OTHER))
    people, rules = (
        (*GOVERNANCE.people, Person(id=ROBOT), Person(id=OTHER)),
        (*GOVERNANCE.rules, GLASS),
    )
    gov = published("gov")
    gov.desk.apply(governing(flights, people=people, rules=rules))
    gov.keyring.revoke(gov.keyring.create("robot", actor=ROBOT).token.id)
    return gov.as_actor(ROBOT)


def waiting(catalog: LocalCatalog) -> list[str]:
    """What the inbox of somebody has of access."""
    return [
        one.kind for one in catalog.desk.inbox().items if one.kind in ("request", "break-glass")
    ]


def test_who_made_a_token_of_a_service_is_no_other_person_than_it(
    published: Connect, robot: LocalCatalog
):
    gov, sam = published("gov"), published("sam")

    def approved(catalog: LocalCatalog, asked: AccessRequest) -> AccessRequest:
        return catalog.access.answer(asked.id, RequestStep.APPROVE)

    for asked, other in (
        (gov.access.ask(WANTED), robot),
        (robot.access.ask(WANTED), gov),
        (sam.access.ask(replace(WANTED, grantee=ROBOT)), gov),
    ):
        with pytest.raises(Denied, match="the same person has made tokens of both"):
            approved(other, asked)
        assert waiting(other) == []
    four_eyes(published)
    asked = published("ana").access.ask(WANTED)
    assert [waiting(one) for one in (gov, robot)] == [["request"], ["request"]]
    approved(gov, asked)
    for service in (robot, gov.as_actor(OTHER)):
        with pytest.raises(Denied, match="which takes two people: it is a service"):
            approved(service, asked)
    assert approved(sam, asked).state == "approved"


def test_who_made_a_token_of_a_service_reviews_nothing_that_it_took(
    published: Connect, robot: LocalCatalog
):
    gov = published("gov")
    for taker, other in ((gov, robot), (robot, gov)):
        taken = taker.access.break_glass(
            FLIGHTS, columns=["tailnum"], purpose="delay", reason="a plane is missing"
        )
        because = "the same person has made tokens" if other is gov else "it is a service"
        with pytest.raises(Denied, match=because):
            other.access.review(taken.id, justified=True, note="it was me")
        assert waiting(other) == []
        assert published("sam").access.review(taken.id, justified=True, note="so it is").justified


def test_what_is_kept_of_requests_is_what_it_should_be(governed_url: str, published: Connect):
    asked = published("ana").access.ask(WANTED)
    published("ana").access.ask(replace(WANTED, purpose="report"))
    approve(published, "sam", asked)
    engine = open_database(governed_url)
    with transaction(engine) as db:
        assert list(fsck.faults(db)) == []
    with transaction(engine, write=True) as db:
        db.connection().exec_driver_sql("UPDATE requests SET state = 'open' WHERE number = 1")
        db.connection().exec_driver_sql("DELETE FROM requested_datasets WHERE request = 2")
    with transaction(engine) as db:
        told = {(fault.check, fault.subject) for fault in fsck.faults(db)}
    engine.dispose()
    assert told == {("requests", "request r1"), ("requests", "request r2")}


@pytest.mark.parametrize("together", [False, True], ids=["alone", "four-eyes"])
def test_of_approvers_at_once_one_gives_one_grant(
    governed_url: str, published: Connect, clock: Clock, together: bool
):
    """T15: whoever is too late is told so; a request is never two grants."""
    if together:
        four_eyes(published)
    approvers = ["sam", "ops", "sam", "ops"]
    for number in range(times(4)):
        published("ana").access.ask(replace(WANTED, reason=f"reason {number}"))
    with ThreadPoolExecutor(len(approvers)) as pool:
        connected = [
            LocalCatalog(governed_url, actor=f"person:{w}", clock=clock) for w in approvers
        ]
        for number in range(1, times(4) + 1):

            def once(catalog: LocalCatalog, identity: str = f"r{number}") -> str:
                try:
                    return catalog.access.answer(identity, RequestStep.APPROVE).state
                except Conflict as error:
                    return error.code

            answers = sorted(pool.map(once, connected))
            late = ["conflict", "conflict", "open"] if together else ["conflict"] * 3
            assert answers == sorted(["approved", *late])
    for catalog in connected:
        catalog.close()
    given = whole(lambda after: published("sam").records.grants(limit=200, after=after))
    requests = whole(lambda after: published("sam").access.requests(limit=200, after=after))
    assert len(given) == len(requests) == times(4)
    assert {g for one in requests for g in one.grants} == {grant.id for grant in given}


def test_who_is_behind_a_service_is_behind_those_that_it_makes_tokens_of(
    published: Connect, robot: LocalCatalog, governed_url: str
):
    gov = published("gov")
    with pytest.raises(Denied, match="cannot grant access to themselves, nor to a team or service"):
        gov.records.grant(FLIGHTS, grantee=ROBOT)
    published("sam").records.grant(FLIGHTS, grantee=ROBOT)
    (given,) = published("sam").records.grants().items
    with pytest.raises(Denied, match="cannot renew a grant to themselves"):
        gov.access.renew(given.id, until=None)
    may = Rule(id="may", actors=(ROBOT,), actions=(Action.GOVERN,))
    gov.desk.declare(may)
    team = next(one for one in GOVERNANCE.people if one.id == "person:ops").teams[0]
    gov.desk.declare(
        replace(next(p for p in GOVERNANCE.people if p.id == "person:gov"), teams=(team,))
    )
    robot.keyring.create("further", actor=OTHER)
    engine = open_database(governed_url)
    with transaction(engine) as db:
        named = [ROBOT, OTHER, "person:gov", "person:sam", team, "team:none"]
        found = {who: tokens.alike(db, who, named) for who in ("person:gov", OTHER, "person:sam")}
    engine.dispose()
    assert found == {
        "person:gov": {ROBOT, OTHER, team},
        OTHER: {ROBOT, "person:gov", team},
        "person:sam": frozenset(),
    }
