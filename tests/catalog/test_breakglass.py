"""Access that is taken and reviewed after; grants that end soon or that nobody uses."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.catalog import fsck
from provender.catalog.db import open_database, transaction
from provender.core.audit import EventKind
from provender.core.errors import Conflict, Denied, InvalidInput, KeyReused, NotFound
from provender.core.policy import Action, ColumnRef, Rule
from tests.catalog.world import FLIGHTS, GOVERNANCE, NOW, SALARIES, Clock, Connect, manifest

TAILNUM = [ColumnRef(str(FLIGHTS), "tailnum")]
DELAY = [ColumnRef(str(FLIGHTS), "arr_delay")]
FIRE = Rule(
    id="fire",
    actors=("person:ana",),
    actions=(Action.BREAK_GLASS,),
    datasets=("aviation.*",),
    tags=("personal",),
)


@pytest.fixture
def published(connect: Connect) -> Connect:
    connect("gov").desk.apply(replace(GOVERNANCE, rules=(*GOVERNANCE.rules, FIRE)))
    connect("ops").publish(FLIGHTS, manifest())
    return connect


def take(connect: Connect, who: str = "ana", **asked):
    said = {"columns": ["tailnum"], "purpose": "delay", "hours": 2, "reason": "a plane is missing"}
    return connect(who).access.break_glass(FLIGHTS, **{**said, **asked})


def test_the_glass_is_broken_for_some_hours_and_told(published: Connect, clock: Clock):
    with pytest.raises(Denied):
        published("ana").permit(Action.READ, TAILNUM, purpose="delay")
    taken = take(published)
    assert (taken.id, taken.grant, taken.until) == ("b1", "g1", NOW + timedelta(hours=2))
    permit = published("ana").permit(Action.READ, TAILNUM, purpose="delay")
    assert permit.expires == taken.until
    (event,) = published("gov").records.audit_events(kind=EventKind.ACCESS_BREAK_GLASS)
    assert (event.actor, event.detail["reason"]) == ("person:ana", "a plane is missing")
    clock.advance(timedelta(hours=2))
    with pytest.raises(Denied):
        published("ana").permit(Action.READ, TAILNUM, purpose="delay")


def test_it_is_for_whom_a_rule_allows_it_and_of_what_the_rule_reaches(published: Connect):
    with pytest.raises(Denied, match="may not break-glass") as error:
        take(published, "max")
    assert "ask who governs for a rule" in error.value.hint
    with pytest.raises(NotFound):
        published("ana").access.break_glass(SALARIES, reason="r")
    published("gov").desk.declare(replace(FIRE, tags=()))
    with pytest.raises(Denied):
        take(published)
    assert take(published, columns=[]).columns == ()
    for wrong, error in (
        ({"hours": 9}, InvalidInput),
        ({"reason": ""}, InvalidInput),
        ({"purpose": "dealy"}, NotFound),
        ({"action": Action.PUBLISH}, InvalidInput),
    ):
        with pytest.raises(error):
            take(published, **{"columns": [], **wrong})


def test_it_stays_in_the_inbox_until_somebody_else_reviews_it(published: Connect, clock: Clock):
    taken = take(published)
    assert not [t for t in published("ana").desk.inbox().items if t.kind == "break-glass"]
    task = published("sam").desk.inbox().items[0]
    assert task.kind == "break-glass"
    assert "person:ana broke the glass of aviation.flights (tailnum)" in task.says
    with pytest.raises(Conflict, match="waits until it is answered"):
        published("sam").desk.settle(task.id, expected=task.revision)
    with pytest.raises(Denied, match="which is theirs"):
        published("ana").access.review(taken.id, justified=True, note="it was me")
    with pytest.raises(NotFound):
        published("max").access.review(taken.id, justified=True, note="n")
    with pytest.raises(NotFound):
        published("sam").access.review("b7", justified=True, note="n")
    clock.advance(timedelta(days=3))
    with pytest.raises(Denied, match="breaks no further glass: b1"):
        take(published)
    assert "and is overdue" in published("sam").desk.inbox(kind="break-glass").items[0].says
    done = published("sam").access.review(taken.id, justified=True, note="the plane was missing")
    assert (done.reviewed_by, done.justified) == ("person:sam", True)
    assert not published("sam").desk.inbox(kind="break-glass").items
    assert take(published).id == "b2"
    assert [one.id for one in published("sam").access.broken().items] == ["b2", "b1"]
    assert [one.id for one in published("ana").access.broken().items] == ["b2", "b1"]
    assert published("max").access.broken().items == ()


def test_what_was_not_justified_ends(published: Connect):
    taken = take(published)
    published("gov").access.review(taken.id, justified=False, note="no plane was missing")
    with pytest.raises(Denied):
        published("ana").permit(Action.READ, TAILNUM, purpose="delay")
    assert published("sam").records.granted(taken.grant).revoked_at == NOW


def test_it_is_taken_once_however_often_it_is_sent(published: Connect, governed_url: str):
    assert take(published, key="k") == take(published, key="k")
    with pytest.raises(KeyReused):
        take(published, key="k", hours=1)
    published("ops").desk.rename(FLIGHTS, "aviation.departures", expected=None)
    assert published("sam").access.broken().items[0].dataset == "aviation.departures"
    engine = open_database(governed_url)
    with transaction(engine) as db:
        assert list(fsck.faults(db)) == []
    engine.dispose()


def test_grants_that_nobody_uses_are_named(published: Connect, clock: Clock):
    sam = published("sam")
    used, idle, late = (
        sam.records.grant(FLIGHTS, grantee="person:max", columns=["tailnum"], purposes=["delay"]),
        sam.records.grant(FLIGHTS, grantee="person:dev", columns=["tailnum"]),
        sam.records.grant(FLIGHTS, grantee="person:gov", columns=["tailnum"]),
    )
    sam.records.grant(FLIGHTS, grantee="person:max", action=Action.DEFINE)
    gone = sam.records.grant(FLIGHTS, grantee="team:models", columns=["tailnum"])
    sam.records.revoke(gone.id)
    published("gov").permit(Action.READ, TAILNUM, purpose="report")
    clock.advance(timedelta(days=30))
    since = clock()
    clock.advance(timedelta(days=30))
    published("max").permit(Action.READ, TAILNUM, purpose="delay")
    published("dev").permit(Action.READ, DELAY, purpose="report")
    new = sam.records.grant(FLIGHTS, grantee="team:models", columns=["tailnum"])
    published("ops").desk.rename(FLIGHTS, "aviation.departures", expected=None)
    found = [grant.id for grant in sam.access.unused(since=since).items]
    assert found == [idle.id, late.id]
    assert used.id not in found
    assert new.id not in found
    assert [g.id for g in published("dev").access.unused(since=since).items] == [idle.id]


def test_grants_that_end_soon_are_named_the_next_first(published: Connect, clock: Clock):
    sam = published("sam")
    for days, who in ((9, "max"), (2, "dev"), (30, "gov")):
        end = NOW + timedelta(days=days)
        sam.records.grant(FLIGHTS, grantee=f"person:{who}", columns=["tailnum"], until=end)
    sam.records.grant(FLIGHTS, grantee="team:models", columns=["tailnum"])
    week = timedelta(days=10)
    soon = sam.access.expiring(until=clock() + week).items
    assert [grant.grantee for grant in soon] == ["person:dev", "person:max"]
    clock.advance(timedelta(days=2))
    soon = sam.access.expiring(until=clock() + week).items
    assert [grant.grantee for grant in soon] == ["person:max"]
