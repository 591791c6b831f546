"""What every Finder must do, whatever it is made of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.datasets import Evidence, Format, Listed, Run, whole
from provender.core.errors import InvalidInput, NotFound
from provender.core.finding import Question
from provender.core.lineage import Edge, Node
from provender.core.names import DatasetRef
from provender.core.profiles import ColumnProfile, Profile
from provender.core.travel import ColumnTag, Whence
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    VISIBLE,
    WEATHER,
    declared,
    governing,
    manifest,
    training_set,
)
from tests.contract.conftest import Connect
from tests.contract.test_records import read

EVIDENCE = Evidence(
    run=Run(id="r1", job="nightly", started_at=NOW),
    profile=Profile(
        row_count=1, columns=(ColumnProfile(column="arr_delay", count=1, nulls=0, mean=0.5),)
    ),
)


def test_what_fits_is_found_with_its_reason(connect: Connect):
    connect("dev").record(VISIBLE)
    found = connect("ana").finder.search(Question(text="flights"))
    assert found.hits[0].name == str(FLIGHTS)
    assert found.hits[0].why
    views = connect("ana").finder.search(
        Question(text="weather", filters={"type": ("feature-view",)})
    )
    assert [(hit.kind, hit.project) for hit in views.hits] == [("feature-view", "delays")]
    assert connect("ana").finder.search(Question(text="salaries")).hits == ()


def test_hits_come_in_pages(connect: Connect):
    finder = connect("ana").finder
    question = Question(text="aviation")
    everything = finder.search(question, limit=50).hits
    first = finder.search(question, limit=1)
    assert first.hits == everything[:1]
    assert first.next
    assert finder.search(question, limit=50, after=first.next).hits == everything[1:]


def test_a_text_that_is_not_whole_yet_is_completed(connect: Connect):
    suggested = connect("ana").finder.suggest("fligh", limit=2)
    assert str(FLIGHTS) in [hit.name for hit in suggested]


def test_what_is_found_is_counted(connect: Connect):
    connect("dev").record(VISIBLE)
    counted = connect("ana").finder.facets(Question(text="weather"))
    types = {found.value: found.documents for found in counted["type"]}
    assert types["dataset"] >= 2
    assert types["feature-view"] == 1
    found = connect("ana").finder.search(Question(text="weather", facets=True))
    assert found.facets == counted


def test_of_what_is_found_some_facets_are_counted_alone(connect: Connect):
    connect("dev").record(VISIBLE)
    finder = connect("ana").finder
    for question in (
        Question(),
        Question(text="weather"),
        Question(filters={"type": ("dataset",)}),
    ):
        whole = finder.facets(question)
        for among in (("domain",), ("type", "owner"), ("tag", "freshness", "state"), ()):
            wanted = {name: values for name, values in whole.items() if name in among}
            assert finder.facets(question, among=among) == wanted


def test_an_entry_is_a_dataset_with_its_urn_and_revision(connect: Connect):
    entry = connect("ana").finder.entry(FLIGHTS)
    assert entry.dataset == connect("ana").dataset(FLIGHTS)
    assert entry.urn.startswith("urn:provender:dataset:")
    assert (entry.revision, entry.former_names, entry.latest) == (1, (), None)
    with pytest.raises(NotFound, match=r"dataset 'people.salaries' not found"):
        connect("ana").finder.entry(SALARIES)


def test_datasets_are_listed_by_name_filtered_and_in_pages(connect: Connect):
    finder = connect("ana").finder
    listed = whole(lambda after: finder.entries({}, limit=1, after=after))
    assert [one.name for one in listed] == [str(FLIGHTS), str(WEATHER), str(HOURLY)]
    assert [one.name for one in finder.entries({"tag": ("source.bts",)}).items] == [str(FLIGHTS)]
    assert finder.entries({"owner": ("team:hr",)}) == Listed(())
    with pytest.raises((NotFound, InvalidInput)):
        finder.entries({"colour": ("red",)})


def test_versions_are_listed_newest_first_with_where_they_stand(connect: Connect):
    ops = connect("ops")
    made = [ops.publish(FLIGHTS, manifest(rows)) for rows in (1, 2, 3)]
    finder = connect("ana").finder
    listed = whole(lambda after: finder.releases(FLIGHTS, limit=2, after=after))
    assert [one.version for one in listed] == made[::-1]
    assert finder.releases(FLIGHTS, after="3").items == tuple(listed[1:])
    assert {one.standing.state for one in listed} == {"published"}
    assert ops.release(FLIGHTS) == listed[0]


def test_what_was_measured_of_a_version_comes_back(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1), evidence=EVIDENCE)
    ops.publish(FLIGHTS, manifest(2))
    finder = connect("ops").finder
    assert finder.evidence(FLIGHTS.at(1)) == EVIDENCE
    assert finder.evidence(FLIGHTS) == Evidence()
    with pytest.raises(NotFound):
        finder.evidence(FLIGHTS.at(3))


def test_lineage_of_then_is_not_known_and_not_made_up(connect: Connect):
    finder = connect("ana").finder
    with pytest.raises(InvalidInput, match="not as it was at 2026-03-01") as error:
        finder.lineage(Node.parse("dataset:aviation.flights"), as_of=NOW)
    assert "history has the definitions of then" in error.value.hint


def test_lineage_goes_both_ways(connect: Connect):
    ops = connect("ops")
    ops.publish(WEATHER, manifest(1, format=Format.DELTA, of=WEATHER))
    ops.publish(HOURLY, manifest(1, inputs=(WEATHER.at(1),), of=HOURLY))
    connect("dev").record(VISIBLE)
    found = connect("ana").finder.lineage(Node.parse("dataset:aviation.weather_hourly@1"))
    assert Edge(Node.parse("dataset:aviation.weather@1"), Node.parse("dataset:aviation.weather_hourly@1")) in found.edges  # fmt: skip
    assert Node.parse("feature-view:delays/weather") in {edge.downstream for edge in found.edges}
    assert not found.truncated


def test_tags_on_columns_are_told_with_where_they_came_from(connect: Connect):
    made = replace(declared(HOURLY), column_from={"tail": (f"{FLIGHTS}.tailnum",)})
    connect("gov").desk.apply(governing(made))
    connect("ops").publish(FLIGHTS, manifest(1))
    finder = connect("ana").finder
    came = finder.tags(Node.parse("dataset:aviation.weather_hourly"))
    source = Whence(Node.parse("dataset:aviation.flights"), "tailnum")
    assert came == (
        ColumnTag(column="tail", tag="personal", carried=True, whence=source),
        ColumnTag(column="tail", tag="source.bts", carried=True, whence=source),
    )
    put = finder.tags(Node.parse("dataset:aviation.flights@1"))
    assert ColumnTag(column="tailnum", tag="personal", carried=False) in put
    with pytest.raises(NotFound):
        finder.tags(Node.parse("dataset:people.salaries"))


def test_who_reads_a_dataset_is_listed(connect: Connect):
    ops = connect("ops")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    ops.record(training_set(HOURLY.at(1), by="person:ops", decision=read(ops, HOURLY)))
    found = connect("ana").finder.consumers(HOURLY)
    assert ("training-set", 1) in {(one.kind, one.version) for one in found.items}
    assert connect("ana").finder.consumers(HOURLY.at(2)).items == ()


def test_changes_are_followed_from_the_last_one_known(connect: Connect):
    finder = connect("sam").finder
    last = finder.changes(limit=10_000).items[-1].sequence
    connect("ops").publish(FLIGHTS, manifest(1))
    following = finder.changes(after=last)
    assert [(one.kind, one.subject) for one in following.items] == [
        ("dataset:publish", "aviation.flights@1")
    ]
    assert following.items[0].sequence > last


def test_a_question_that_cannot_be_answered_is_refused(connect: Connect):
    finder = connect("ana").finder
    for limit in (0, -1):
        with pytest.raises(InvalidInput):
            finder.entries({}, limit=limit)
    with pytest.raises(InvalidInput, match="where"):
        finder.releases(FLIGHTS, after="nonsense")
    with pytest.raises(InvalidInput):
        finder.entry(FLIGHTS, as_of=(NOW + timedelta(days=1)).replace(tzinfo=None))
    with pytest.raises((InvalidInput, NotFound)):
        finder.entry(DatasetRef("aviation", "Flights'; DROP TABLE"))
