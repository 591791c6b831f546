"""What all Records must do, whatever they are made of."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.audit import EventKind
from provender.core.datasets import Format, whole
from provender.core.effects import Effect
from provender.core.errors import Denied, InvalidInput, KeyReused, NotFound
from provender.core.lifecycle import Severity, Step
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Rule
from provender.core.protocols import Library
from provender.core.tally import Matter, portions
from tests import tallies
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    VISIBLE,
    Clock,
    manifest,
    permitted,
    training_set,
)
from tests.contract.conftest import Connect

TAILNUM = ColumnRef(str(FLIGHTS), "tailnum")


def read(catalog: Library, *refs: DatasetRef) -> str:
    """Return the decision that lets the catalog's actor read every column of each of ``refs``."""
    return permitted(catalog, *refs)


def test_who_asks_is_known_with_their_teams(connect: Connect):
    assert connect("ana").actor == Actor("person:ana", frozenset({"team:models"}))
    assert connect("nobody").actor == Actor("person:nobody")


def test_what_is_in_force_is_told_as_far_as_it_may_be_known(connect: Connect):
    governance = connect("ana").governance()
    named = [dataset.ref for dataset in governance.datasets]
    assert FLIGHTS in named
    assert SALARIES not in named
    assert governance.purposes["report"] == "Count."


def test_a_lease_changes_with_the_policy_and_its_state_with_it(connect: Connect):
    connect("dev").record(VISIBLE)
    records = connect("ana").records
    lease = records.policy_lease("delays")
    assert lease.state == records.policy_state("delays")
    assert lease.holders.keys() == {"service:online"}
    assert "weather:temp" in lease.verdict("service:online").closed
    connect("sam").records.grant(FLIGHTS, grantee="person:max", action=Action.READ)
    assert records.policy_state("delays") != lease.state
    assert records.policy_lease("delays").digest == lease.digest
    assert records.policy_state("nothing") != records.policy_state("delays")
    with pytest.raises(NotFound, match="project 'delay' not found"):
        records.policy_lease("delay")


def test_lookups_are_told_once_by_whose_they_are(connect: Connect):
    ana, gov = connect("ana").records, connect("gov").records
    connect("sam").records.grant(FLIGHTS, grantee="person:ana", columns=("tailnum",))
    permit = connect("ana").permit(Action.READ, [TAILNUM], purpose="report")
    matter = Matter(
        lease=permit.decision,
        actor="",
        purpose="report",
        project="delays",
        service="delay_v1",
        views={"weather": 1},
        reasons={str(FLIGHTS): {"tailnum": "grant g1"}},
        tags={str(FLIGHTS): {"tailnum": ("personal",)}},
    )
    tally = tallies.tally(matter, NOW, lookups=3, entities=4, last="a.3")
    batch = tallies.batch(tally, digit="1")
    for _ in range(2):
        ana.tell_lookups(batch)
    event, given = gov.audit_events(kind=EventKind.ACCESS_PERMIT, actor="person:ana")
    assert given.detail["decision"] == permit.decision
    assert (event.subject, event.detail["lookups"]) == (str(FLIGHTS), 3)
    assert event.detail["tags"] == {"tailnum": ["personal"]}
    assert (event.detail["batch"], event.detail["told_by"]) == (batch.id, "person:ana")
    assert len(gov.audit_events(kind=EventKind.LOOKUPS_RECORD)) == 1
    hidden = replace(tally.matter, reasons={str(SALARIES): {"x": "grant g1"}})
    absent = replace(tally.matter, reasons={"aviation.nothing": {"x": "grant g1"}})
    of_max = replace(tally.matter, actor="person:max")
    made_up = replace(tally.matter, lease="dec_forged000000001")
    another = replace(tally.matter, purpose="delay")
    wider = replace(tally.matter, reasons={str(FLIGHTS): {"tailnum": "x", "arr_delay": "x"}})
    for matter in (hidden, absent, of_max, made_up, another, wider):
        with pytest.raises(Denied, match="person:ana cannot tell that"):
            ana.tell_lookups(replace(batch, tallies=(replace(tally, matter=matter),)))
    for wrong in (
        replace(tally, lookups=0),
        replace(tally, entities=-1),
        replace(tally, because="x" * 501),
        replace(tally, matter=replace(tally.matter, actor="ana")),
        replace(tally, matter=replace(tally.matter, reasons={})),
    ):
        with pytest.raises(InvalidInput, match=r"tally 0 of batch .* (counts|is|has)"):
            gov.tell_lookups(replace(batch, tallies=(wrong,)))
    for bad in (replace(batch, id="x"), replace(batch, tallies=())):
        with pytest.raises(InvalidInput, match="is none that a journal makes"):
            gov.tell_lookups(bad)
    assert gov.verify_audit()


def test_lookups_of_more_than_is_written_down_at_once_are_told_in_portions(connect: Connect):
    gov, names = connect("gov").records, [f"shop.d{n}" for n in range(150)]
    wide = {f"c{n}": "grant g1" for n in range(1_500)}
    matter = Matter(
        actor="",
        purpose="report",
        project="delays",
        views={f"v{n}" + "x" * 100: 1 for n in range(100)},
        reasons={**{name: {"c": "grant g1"} for name in names}, "shop.wide": wide},
    )
    tally = tallies.tally(matter, NOW, lookups=3, entities=4, last="a.3")
    batch = tallies.batch(tally, digit="1")
    with pytest.raises(InvalidInput, match=r"batch .* tells more than is written down at once"):
        gov.tell_lookups(batch)
    assert not gov.audit_events(kind=EventKind.LOOKUPS_RECORD)
    for number, some in enumerate(portions(batch.tallies)):
        gov.tell_lookups(replace(batch, id=f"{batch.id[:-1]}{number}", tallies=some))
    told = gov.audit_events(kind=EventKind.ACCESS_PERMIT, actor="person:gov", limit=200)
    assert sorted(event.subject for event in told) == sorted([*names, "shop.wide"])
    assert {event.detail["lookups"] for event in told} == {3}


def test_definitions_are_served_as_they_were_recorded(connect: Connect):
    connect("dev").record(VISIBLE)
    records = connect("ana").records
    assert records.projects() == ["delays"]
    manifest_ = records.serving_manifest("delays")
    assert [view.name for view in manifest_.views] == ["weather"]
    assert records.serving_digest("delays") == manifest_.digest
    with pytest.raises(NotFound, match="project 'delay' not found"):
        records.serving_manifest("delay")


def test_a_view_that_never_expires_and_one_that_does_come_back_alike(connect: Connect):
    aged = replace(VISIBLE.views[0], ttl=timedelta(days=1, seconds=1.5), max_staleness=timedelta())
    connect("dev").record(replace(VISIBLE, views=(aged,)))
    assert connect("ana").repo("delays").views == (aged,)


def test_training_sets_are_found_by_the_start_of_their_id_and_listed(connect: Connect):
    ops = connect("ops")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    made = []
    for content in ("sha256:a", "sha256:b"):
        decision = read(ops, HOURLY)
        made.append(training_set(HOURLY.at(1), by="person:ops", content=content, decision=decision))
        ops.record(made[-1])
    records = connect("ana").records
    assert records.training_set(made[0].id[:12]) == made[0]
    listed = whole(lambda after: records.training_sets(limit=1, after=after))
    assert {one.id for one in listed} == {one.id for one in made}
    with pytest.raises(NotFound):
        records.training_set("ts_0000000000000000")


def test_the_decision_of_a_training_set_is_looked_at_before_its_versions(connect: Connect):
    ops = connect("ops")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    absent = training_set(HOURLY.at(99), by="person:ops")
    with pytest.raises(InvalidInput, match="rests on the decision 'dec_1', which did not let"):
        ops.record(absent)
    with pytest.raises(NotFound, match="@99 not found"):
        ops.record(replace(absent, decision=read(ops, HOURLY)))


def test_every_version_is_for_who_governs(connect: Connect):
    for rows in (1, 2):
        connect("ops").publish(FLIGHTS, manifest(rows))
    records = connect("gov").records
    listed = whole(lambda after: records.every_version(limit=1, after=after))
    assert [str(one.version.ref) for one in listed] == ["aviation.flights@1", "aviation.flights@2"]
    with pytest.raises(Denied):
        connect("ana").records.every_version()


def test_every_version_of_a_dataset_is_for_its_stewards_in_each_format_wherever_it_stands(
    connect: Connect,
):
    ops = connect("ops")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
    ops.represent(FLIGHTS.at(1), manifest(1, format=Format.CSV))
    ops.desk.step(FLIGHTS.at(1), Step.RECALL, reason="wrong", severity=Severity.REFUSE)
    listed = whole(lambda after: ops.records.every_version(of=FLIGHTS, limit=1, after=after))
    assert [(one.version.number, str(one.version.manifest.format)) for one in listed] == [
        (1, "parquet"),
        (1, "csv"),
        (2, "parquet"),
    ]
    with pytest.raises(Denied):
        connect("ana").records.every_version(of=FLIGHTS)
    with pytest.raises(NotFound):
        connect("ana").records.every_version(of=SALARIES)


def test_notes_of_versions_are_told_from_an_instant_on(connect: Connect, clock: Clock):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1), note="first")
    clock.advance(timedelta(hours=1))
    ops.publish(FLIGHTS, manifest(2), note="second")
    records = connect("ana").records
    assert records.notes(FLIGHTS, since=NOW) == [(NOW, "first"), (clock(), "second")]
    assert records.notes(FLIGHTS, since=NOW + timedelta(seconds=1)) == [(clock(), "second")]
    assert records.notes(FLIGHTS, above=1, since=NOW) == [(clock(), "second")]


def test_what_happened_elsewhere_is_noted_and_nothing_else(connect: Connect):
    ops = connect("ops")
    detail = {"rows": 3, "views": ["weather"], "seconds": 0.5}
    ops.records.note(EventKind.FEATURES_PUSH, str(HOURLY), detail)
    (event,) = ops.records.audit_events(kind=EventKind.FEATURES_PUSH)
    assert (event.actor, event.subject, event.detail) == ("person:ops", str(HOURLY), detail)
    with pytest.raises(InvalidInput, match="is not for noting"):
        ops.records.note(EventKind.ACCESS_GRANT, str(HOURLY), {})
    with pytest.raises(Denied, match="person:max may not publish"):
        connect("max").records.note(EventKind.FEATURES_PUSH, str(HOURLY), {})


def test_what_is_sent_again_with_its_key_is_done_once(connect: Connect):
    ops, sam = connect("ops"), connect("sam")
    for _ in range(2):
        ops.records.note(EventKind.FEATURES_PUSH, str(HOURLY), {"rows": 3}, key="k1")
    assert len(ops.records.audit_events(kind=EventKind.FEATURES_PUSH)) == 1
    with pytest.raises(KeyReused):
        ops.records.note(EventKind.FEATURES_PUSH, str(HOURLY), {"rows": 4}, key="k1")
    first = sam.records.grant(FLIGHTS, grantee="person:max", key="k1")
    sam.records.revoke(first.id)
    assert sam.records.grant(FLIGHTS, grantee="person:max", key="k1").id == first.id
    assert connect("max").records.grants().items[0].revoked_at is not None
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    made = training_set(HOURLY.at(1), by="person:ops", decision=read(ops, HOURLY))
    for _ in range(2):
        ops.record(made, key="k2")
    assert len(ops.records.audit_events(kind=EventKind.TRAINING_SET_RECORD)) == 1


def test_a_decision_tells_why_and_changes_nothing(connect: Connect):
    records = connect("sam").records
    before = records.verify_audit()
    found = records.decide(Action.READ, [TAILNUM], purpose="report", actor="person:ana")
    assert not found.allowed
    assert "tagged personal" in found.reasons[0].because
    assert records.verify_audit() == before


def test_a_grant_opens_until_it_is_revoked(connect: Connect, clock: Clock):
    sam = connect("sam").records
    given = sam.grant(
        FLIGHTS,
        grantee="person:ana",
        columns=("tailnum",),
        purposes=("report",),
        until=NOW + timedelta(hours=1),
        reason="a fleet report",
    )
    assert sam.grant(FLIGHTS, grantee="person:ana", columns=("tailnum",), purposes=("report",), until=NOW + timedelta(hours=1), reason="a fleet report") == given  # fmt: skip
    assert connect("ana").permit(Action.READ, [TAILNUM], purpose="report").expires == given.until
    assert connect("ana").records.grants().items == (given,)
    assert connect("ana").records.granted(given.id) == given
    for unseen in (given.id, "g0", "g01", "g7", "7", "g²", "g" + "9" * 30):
        with pytest.raises(NotFound, match="grant"):
            connect("max").records.granted(unseen)
    assert whole(lambda after: sam.grants(FLIGHTS, limit=1, after=after)) == [given]
    with pytest.raises(Denied):
        connect("ana").records.revoke(given.id)
    assert sam.revoke(given.id).revoked_at == clock()
    with pytest.raises(Denied):
        connect("ana").permit(Action.READ, [TAILNUM], purpose="report")


def test_a_grant_gives_a_part_through_a_project(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    sam = connect("sam").records
    given = sam.grant(
        FLIGHTS,
        grantee="person:ana",
        columns=("tailnum",),
        purposes=("report",),
        effect=Effect.MASK,
        mask="truncate(2)",
    )
    assert (given.effect, given.mask) == (Effect.MASK, "truncate(2)")
    permit = connect("ana").permit(Action.READ, [TAILNUM], purpose="report")
    assert [(str(column), str(mask)) for column, mask in permit.masks] == [
        (str(TAILNUM), "truncate(2)")
    ]
    [told] = sam.audit_events(kind=EventKind.ACCESS_GRANT, limit=1)
    assert (told.detail["effect"], told.detail["mask"]) == ("mask", "truncate(2)")
    for wrong, words in (
        ({"effect": Effect.DENY}, "a grant gives"),
        ({"effect": Effect.MASK, "mask": "bucket(5)"}, "does not fit tailnum, which is string"),
        ({"effect": Effect.MASK, "mask": "shred"}, "is not a mask"),
    ):
        with pytest.raises(InvalidInput, match=words):
            sam.grant(FLIGHTS, grantee="person:max", columns=("tailnum",), **wrong)
    with pytest.raises(NotFound, match="project 'nowhere'"):
        sam.grant(FLIGHTS, grantee="person:max", through="nowhere")
    connect("dev").record(VISIBLE)
    through = sam.grant(
        FLIGHTS, grantee="person:max", columns=("tailnum",), through=VISIBLE.project
    )
    assert through.through == VISIBLE.project
    assert not sam.decide(Action.READ, [TAILNUM], purpose="report", actor="person:max").allowed, (
        "max is not in it"
    )


def test_the_audit_trail_is_filtered_and_in_parts(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2, 3):
        ops.publish(FLIGHTS, manifest(rows))
    sam = connect("sam").records
    published = sam.audit_events(kind=EventKind.DATASET_PUBLISH, actor="person:ops")
    assert [event.subject for event in published] == [f"aviation.flights@{n}" for n in (3, 2, 1)]
    assert sam.audit_events(kind=EventKind.DATASET_PUBLISH, limit=1) == published[:1]
    before = sam.audit_events(kind=EventKind.DATASET_PUBLISH, before=published[0].sequence)
    assert before == published[1:]
    assert sam.audit_events(since=NOW + timedelta(days=1)) == []


def test_what_may_not_be_recorded_is_refused_in_the_same_words(connect: Connect):
    with pytest.raises(
        Denied, match=r"person:max may not define aviation\.weather_hourly"
    ) as error:
        connect("max").record(VISIBLE)
    assert "can grant it" in error.value.hint


def test_the_audit_trail_is_proven_listed_as_checkpoints_and_exported(connect: Connect):
    gov = connect("gov").records
    proof = gov.audit_proof()
    assert (proof.events, proof.checkpoints, proof.last) == (gov.verify_audit(), 0, None)
    assert gov.checkpoints().items == ()
    lines = [json.loads(line) for line in gov.audit_bundle(since=NOW - timedelta(days=1))]
    assert lines[0]["first"] == 1
    assert [line["event"]["sequence"] for line in lines[1:]] == [*range(1, proof.events + 2)]
    assert lines[-1]["event"]["kind"] == "audit:export"
    with pytest.raises(InvalidInput, match="no audit event is in that range"):
        gov.audit_bundle(until=NOW - timedelta(days=1))
    with pytest.raises(Denied, match="person:ana may not read the whole audit trail"):
        connect("ana").records.audit_bundle()
    with pytest.raises(InvalidInput, match="list"):
        gov.checkpoints(after="x")


def test_a_rule_that_names_the_trail_lets_read_all_of_it(connect: Connect, governed_url: str):
    ana = connect("ana").records
    assert ana.audit_events() == []
    named = Rule(
        id="audit", actors=("person:ana",), actions=(Action.READ,), datasets=("catalog.audit",)
    )
    wide = replace(named, id="wide", actors=("person:max",), datasets=("*",))
    denied = replace(named, id="denied", actors=("person:ops",), effect=Effect.DENY)
    for rule in (named, wide, denied):
        connect("gov").desk.declare(rule)
    assert len(ana.audit_events(limit=100)) == ana.verify_audit()
    assert connect("max").records.audit_events() == []
    with pytest.raises(Denied):
        connect("ops").records.audit_bundle()
    assert len(list(ana.audit_bundle())) > ana.verify_audit()
