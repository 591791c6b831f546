from dataclasses import replace
from datetime import timedelta

import pytest

from provender.catalog import changes
from provender.core.audit import EventKind
from provender.core.datasets import Layout
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.names import DatasetRef
from provender.core.schema import Column, Schema
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    SCHEMA,
    Clock,
    Connect,
    declared,
    governing,
    listed,
    manifest,
    versions_of,
)


def test_the_list_has_what_is_latest_of_each_dataset(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
    flights, weather, hourly = listed(connect("ana"))
    assert (flights.name, flights.latest, flights.row_count) == ("aviation.flights", 2, 2)
    assert flights.size_bytes == 200
    assert flights.published_at == NOW
    assert flights.event_range == manifest(2).event_range
    assert flights.tags == ("source.bts",)
    assert (weather.latest, weather.row_count, weather.event_range) == (None, None, None)
    assert hourly.owner == "team:ops"


def test_the_list_can_be_of_one_domain(connect: Connect):
    assert listed(connect("ana"), domain="people") == []
    assert len(listed(connect("ana"), domain="aviation")) == 3


def test_versions_are_listed_oldest_first(connect: Connect):
    ops = connect("ops")
    made = [ops.publish(FLIGHTS, manifest(rows)) for rows in (1, 2, 3)]
    assert versions_of(connect("ana"), FLIGHTS) == made


def test_notes_are_told_of_the_versions_since_an_instant_and_after_a_number(
    connect: Connect, clock: Clock
):
    ops = connect("ops")
    for hours, note in enumerate(("a", "", 'ü"c"')):
        clock.now = NOW + timedelta(hours=hours)
        ops.publish(FLIGHTS, manifest(hours + 1), note=note)
    ana, times = connect("ana"), [NOW + timedelta(hours=hours) for hours in range(3)]
    everything = list(zip(times, ("a", "", 'ü"c"'), strict=True))
    assert ana.records.notes(FLIGHTS, since=NOW) == everything
    assert ana.records.notes(FLIGHTS, since=times[1]) == everything[1:]
    assert ana.records.notes(FLIGHTS, above=2, since=NOW) == everything[2:]
    assert ana.records.notes(FLIGHTS, above=3, since=NOW) == []
    with pytest.raises(NotFound):
        ana.records.notes(SALARIES, since=NOW)


def test_an_input_must_be_a_version_that_is_there(connect: Connect):
    ops = connect("ops")
    with pytest.raises(NotFound, match="has no published version"):
        ops.publish(HOURLY, manifest(inputs=(FLIGHTS.at(1),), of=HOURLY))
    with pytest.raises(NotFound, match=r"dataset 'aviation.fligths' not found"):
        ops.publish(HOURLY, manifest(inputs=(DatasetRef("aviation", "fligths", 1),), of=HOURLY))
    ops.publish(FLIGHTS, manifest())
    made = ops.publish(HOURLY, manifest(inputs=(FLIGHTS.at(1),), of=HOURLY))
    assert made.manifest.inputs == (FLIGHTS.at(1),)


def test_the_catalog_numbers_the_versions(connect: Connect):
    with pytest.raises(InvalidInput, match="the catalog numbers them"):
        connect("ops").publish(FLIGHTS.at(3), manifest())


def test_a_tagged_column_may_leave_the_schema_but_keeps_its_tag_for_old_versions(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    without = Schema(tuple(c for c in SCHEMA.columns if c.name != "tailnum"))
    made = ops.publish(FLIGHTS, manifest(2, schema=without), breaking_reason="privacy")
    assert made.number == 2


def test_an_event_timestamp_that_is_no_column_is_refused(connect: Connect):
    schema = Schema((Column(name="tailnum", type="string"), Column(name="when", type="timestamp")))
    with pytest.raises(NotFound, match="column 'event_timestamp' not found"):
        connect("ops").publish(FLIGHTS, manifest(schema=schema))


def test_publishing_again_writes_nothing_down(connect: Connect):
    ops, gov = connect("ops"), connect("gov")
    ops.publish(FLIGHTS, manifest())
    before = gov.records.verify_audit()
    ops.publish(FLIGHTS, manifest())
    assert gov.records.verify_audit() == before
    (event,) = gov.records.audit_events(kind=EventKind.DATASET_PUBLISH)
    assert (event.subject, event.actor) == ("aviation.flights@1", "person:ops")
    assert event.detail["manifest"] == manifest().digest


def test_declaring_again_keeps_the_versions(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    changed = replace(declared(FLIGHTS), description="Other words.")
    connect("gov").desk.apply(governing(changed))
    assert connect("ana").dataset(FLIGHTS).description == "Other words."
    assert connect("ana").resolve(FLIGHTS).number == 1


def test_inputs_that_are_hidden_are_left_out_and_the_digest_stays_that_of_the_whole(
    connect: Connect,
):
    open_to_ops = replace(declared(SALARIES), stewards=("person:ops",))
    connect("gov").desk.apply(governing(open_to_ops))
    ops, ana = connect("ops"), connect("ana")
    ops.publish(SALARIES, manifest(event_timestamp=None, of=SALARIES))
    ops.publish(FLIGHTS, manifest())
    whole = manifest(inputs=(FLIGHTS.at(1), SALARIES.at(1)), of=HOURLY)
    made = ops.publish(HOURLY, whole)
    assert made.manifest == whole
    for seen in (ana.resolve(HOURLY), *versions_of(ana, HOURLY)):
        assert seen.manifest.inputs == (FLIGHTS.at(1),)
        assert seen.manifest.digest == whole.digest
        assert seen.manifest.content == whole.content
    assert ops.resolve(HOURLY) == versions_of(ops, HOURLY)[0] == made


def publish_from_hidden(connect: Connect) -> None:
    """Publish a version that sam stewards, made from data that is hidden from them."""
    governed = governing(
        replace(declared(SALARIES), stewards=("person:ops",)),
        replace(declared(HOURLY), stewards=("person:sam",)),
    )
    connect("gov").desk.apply(governed)
    connect("ops").publish(SALARIES, manifest(event_timestamp=None, of=SALARIES))
    connect("ops").publish(HOURLY, manifest(inputs=(SALARIES.at(1),), of=HOURLY))


def test_the_trail_names_no_input_that_is_hidden_from_who_reads_it(connect: Connect):
    publish_from_hidden(connect)
    (event,) = connect("sam").records.audit_events(subject=str(HOURLY.at(1)))
    assert event.detail["manifest"] == connect("sam").resolve(HOURLY).manifest.digest
    assert "salaries" not in str(event.detail)
    told = {"inputs": [str(SALARIES.at(1)), str(FLIGHTS.at(1))], "rows": 10}  # as it was once
    with connect("ops")._door.writing() as (db, change):
        changes.tell(db, change, EventKind.DATASET_PUBLISH, str(HOURLY.at(1)), told)
    for name, shown in (("sam", told["inputs"][1:]), ("gov", told["inputs"])):
        (event,) = connect(name).records.audit_events(subject=str(HOURLY.at(1)), limit=1)
        assert event.detail == {"inputs": shown, "rows": 10}


def test_a_publisher_is_not_told_the_hidden_inputs_of_the_version_that_has_the_content(
    connect: Connect,
):
    publish_from_hidden(connect)
    assert connect("sam").publish(HOURLY, manifest(of=HOURLY)).manifest.inputs == ()


def test_what_a_publisher_calls_the_digest_of_the_whole_is_not_believed(connect: Connect):
    made = connect("ops").publish(FLIGHTS, manifest(whole="sha256:forged"))
    assert made.manifest.digest == manifest().digest


def test_the_latest_content_again_with_its_number_as_parent_is_that_version(connect: Connect):
    made = connect("ops").publish(FLIGHTS, manifest())
    assert connect("ops").publish(FLIGHTS, manifest(), parent=1) == made


def test_the_same_rows_in_a_layout_are_a_version_of_their_own(connect: Connect):
    layout = Layout(
        keys=("origin",), event_timestamp="event_timestamp", buckets=1, rows_per_group=9
    )
    ops = connect("ops")
    first = ops.publish(FLIGHTS, manifest())
    second = ops.publish(FLIGHTS, manifest(layout=layout, inputs=(first.ref,)), parent=1)
    assert (second.number, second.manifest.layout) == (2, layout)
    assert ops.publish(FLIGHTS, manifest()) == second
    assert ops.publish(FLIGHTS, manifest(layout=layout)) == second
    event = connect("gov").records.audit_events(limit=1)[0]
    assert event.subject == str(second.ref)
    assert event.detail["layout"] == "origin, event_timestamp"


def test_every_version_is_shown_to_who_governs_and_to_nobody_else(connect: Connect):
    made = connect("ops").publish(FLIGHTS, manifest())
    assert [one.version for one in connect("gov").records.every_version().items] == [made]
    with pytest.raises(Denied):
        [one.version for one in connect("ana").records.every_version().items]
