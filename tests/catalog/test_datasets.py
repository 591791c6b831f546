from dataclasses import replace

import pytest

from provender.core.audit import EventKind
from provender.core.errors import InvalidInput, NotFound
from provender.core.governance import Governance
from provender.core.names import DatasetRef
from provender.core.schema import Column, Schema
from tests.catalog.world import FLIGHTS, GOVERNANCE, HOURLY, NOW, SCHEMA, Connect, manifest


def test_the_list_has_what_is_latest_of_each_dataset(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
    flights, weather, hourly = connect("ana").datasets()
    assert (flights.name, flights.latest, flights.row_count) == ("aviation.flights", 2, 2)
    assert flights.size_bytes == 200
    assert flights.published_at == NOW
    assert flights.event_range == manifest(2).event_range
    assert flights.tags == ("source.bts",)
    assert (weather.latest, weather.row_count, weather.event_range) == (None, None, None)
    assert hourly.owner == "team:ops"


def test_the_list_can_be_of_one_domain(connect: Connect):
    assert connect("ana").datasets(domain="people") == []
    assert len(connect("ana").datasets(domain="aviation")) == 3


def test_versions_are_listed_oldest_first(connect: Connect):
    ops = connect("ops")
    made = [ops.publish(FLIGHTS, manifest(rows)) for rows in (1, 2, 3)]
    assert connect("ana").versions(FLIGHTS) == made


def test_an_input_must_be_a_version_that_is_there(connect: Connect):
    ops = connect("ops")
    with pytest.raises(NotFound, match="has no published version"):
        ops.publish(HOURLY, manifest(inputs=(FLIGHTS.at(1),)))
    with pytest.raises(NotFound, match=r"dataset 'aviation.fligths' not found"):
        ops.publish(HOURLY, manifest(inputs=(DatasetRef("aviation", "fligths", 1),)))
    ops.publish(FLIGHTS, manifest())
    made = ops.publish(HOURLY, manifest(inputs=(FLIGHTS.at(1),)))
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
    before = gov.verify_audit()
    ops.publish(FLIGHTS, manifest())
    assert gov.verify_audit() == before
    (event,) = gov.audit_events(kind=EventKind.DATASET_PUBLISH)
    assert (event.subject, event.actor) == ("aviation.flights@1", "person:ops")
    assert event.detail["manifest"] == manifest().digest


def test_declaring_again_keeps_the_versions(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    flights = next(d for d in GOVERNANCE.datasets if d.ref == FLIGHTS)
    changed = replace(flights, description="Other words.")
    connect("gov").apply_governance(Governance(datasets=(changed,)))
    assert connect("ana").dataset(FLIGHTS).description == "Other words."
    assert connect("ana").resolve(FLIGHTS).number == 1
