"""Search as of an instant: what was found then, by whom it may be seen today."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from provender.core.editing import Edit
from provender.core.errors import InvalidInput
from provender.core.finding import Found, Question
from provender.core.lifecycle import Step
from provender.core.names import DatasetRef
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    REPO,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    dataset,
    declared,
    governing,
    manifest,
)

HOUR = timedelta(hours=1)


def names(found: Found) -> list[str]:
    return [hit.name for hit in found.hits]


def passing(clock: Clock) -> datetime:
    """Let time pass; return an instant of it at which nothing happened."""
    clock.advance(HOUR)
    then = clock.now
    clock.advance(HOUR)
    return then


def test_a_view_that_rested_on_hidden_data_is_not_found_as_of_then(connect: Connect, clock: Clock):
    secret = replace(REPO.views[1], description="Zanzibar bonus.", owner="team:ops")
    connect("dev").record(replace(REPO, views=(secret,), on_demand=(), services=()))
    then = passing(clock)
    moved = replace(secret, dataset=HOURLY, description="The sky.")
    connect("dev").record(replace(REPO, views=(moved,), on_demand=(), services=()))
    asked = Question(text="zanzibar", as_of=then)
    assert names(connect("ana").finder.search(asked)) == []
    clock.advance(HOUR)
    reads = governing(replace(declared(SALARIES), stewards=("person:ana",)))
    connect("gov").desk.apply(reads)
    assert names(connect("ana").finder.search(asked)) == ["pay"]


def test_a_view_that_was_open_stays_closed_while_it_rests_on_hidden_data(
    connect: Connect, clock: Clock
):
    open_ = replace(REPO.views[1], dataset=HOURLY, description="Zanzibar breeze.")
    connect("dev").record(replace(REPO, views=(open_,), on_demand=(), services=()))
    then = passing(clock)
    closed = replace(open_, dataset=SALARIES, description="Bonus.")
    connect("dev").record(replace(REPO, views=(closed,), on_demand=(), services=()))
    assert names(connect("ana").finder.search(Question(text="zanzibar", as_of=then))) == []


def test_the_state_as_of_an_instant_is_that_of_then(connect: Connect, clock: Clock):
    ops = connect("ops")
    unpublished = passing(clock)
    ops.publish(FLIGHTS, manifest())
    published = passing(clock)
    ops.desk.step(FLIGHTS.at(1), Step.DEPRECATE, reason="old")
    clock.advance(HOUR)

    def found(state: str, as_of: datetime | None) -> list[str]:
        return names(ops.finder.search(Question(filters={"state": (state,)}, as_of=as_of)))

    assert found("published", published) == ["aviation.flights"]
    assert found("deprecated", published) == []
    assert found("deprecated", None) == found("deprecated", clock.now) == ["aviation.flights"]
    assert found("published", unpublished) == []
    counted = ops.finder.facets(Question(text="flights", as_of=published))
    assert [value.value for value in counted["state"]] == ["published"]


def test_publishing_again_keeps_no_document_of_the_past(connect: Connect, clock: Clock):
    fresh = replace(declared(FLIGHTS), fresh_within=HOUR)
    connect("gov").desk.apply(governing(fresh))
    connect("ops").publish(FLIGHTS, manifest(10))
    then = passing(clock)
    connect("ops").publish(FLIGHTS, manifest(11))
    clock.advance(HOUR)
    (hit,) = connect("ana").finder.search(Question(text="flights", as_of=then, explain=True)).hits
    (now,) = connect("ana").finder.search(Question(text="flights", explain=True)).hits
    assert "stale" in [points.because for points in now.explain]
    assert not {"fresh", "stale"} & {points.because for points in hit.explain}


def test_how_fresh_things_were_is_not_kept_and_nobody_is_told_what_it_is_now(
    connect: Connect, clock: Clock
):
    fresh = replace(declared(FLIGHTS), fresh_within=HOUR)
    connect("gov").desk.apply(governing(fresh))
    connect("ops").publish(FLIGHTS, manifest(10))
    then = passing(clock)
    finder = connect("ana").finder
    assert "freshness" in finder.facets(Question(text="flights"))
    assert "freshness" not in finder.facets(Question(text="flights", as_of=then))
    with pytest.raises(InvalidInput, match="how fresh"):
        finder.search(Question(filters={"freshness": ("fresh",)}, as_of=then))


def test_only_what_was_called_so_is_told_to_have_the_name(connect: Connect, clock: Clock):
    """Numbers of documents of now and of then are not the same thing."""
    gov, ops = connect("gov"), connect("ops")
    planes = DatasetRef("aviation", "planes")
    every = (*GOVERNANCE.datasets, dataset(planes, "All the aircraft."))
    gov.desk.apply(replace(GOVERNANCE, datasets=every))
    clock.advance(HOUR)

    def revision(ref: DatasetRef) -> int:
        return ops.finder.entry(ref).revision

    ops.desk.edit(planes, Edit(description="Every aircraft."), expected=revision(planes))
    clock.advance(HOUR)
    ops.desk.rename(planes, "aviation.aircraft", expected=revision(planes))
    then = passing(clock)
    for number, ref in enumerate((FLIGHTS, WEATHER, HOURLY) * 3):
        edit = Edit(description=f"Said anew, {number}; no planes.")
        ops.desk.edit(ref, edit, expected=revision(ref))
        clock.advance(HOUR)
    found = ops.finder.search(Question(text="aviation.planes", as_of=then))
    named = [hit.name for hit in found.hits if "exactly that name" in hit.why]
    assert named == ["aviation.aircraft"]


def test_tags_as_of_an_instant_are_counted_of_the_documents_of_then(connect: Connect, clock: Clock):
    gov = connect("gov")
    then = passing(clock)
    gov.desk.apply(governing(replace(declared(FLIGHTS), tags=(), column_tags={})))
    clock.advance(HOUR)
    facets = connect("ana").finder.facets(Question(text="flights", as_of=then))
    assert {tag.value: tag.documents for tag in facets["tag"]} == {"personal": 1, "source.bts": 1}


def test_what_was_withdrawn_since_is_found_as_of_then_by_who_governs(
    connect: Connect, clock: Clock
):
    gov = connect("gov")
    then = passing(clock)
    left = tuple(one for one in GOVERNANCE.datasets if one.ref != WEATHER)
    gov.desk.apply(replace(GOVERNANCE, datasets=left))
    clock.advance(HOUR)
    asked = Question(text="observations", as_of=then)
    assert names(gov.finder.search(asked)) == ["aviation.weather"]
    assert names(connect("ana").finder.search(asked)) == []
    assert names(gov.finder.search(Question(text="observations", as_of=clock.now))) == []
    listed = gov.finder.entries({}, as_of=then).items
    assert "aviation.weather" in [one.name for one in listed]
