"""What every Catalog must do, whatever it is made of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.datasets import EventRange, Evidence, FileEntry, Format
from provender.core.errors import (
    Conflict,
    Denied,
    Incompatible,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from provender.core.profiles import ColumnProfile, Profile
from provender.core.protocols import Catalog
from provender.core.schema import Column, Schema, Verdict
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    NOW,
    REPO,
    SCHEMA,
    VISIBLE,
    Clock,
    manifest,
    permitted,
    training_set,
)
from tests.contract.conftest import Connect

TAILNUM = ColumnRef("aviation.flights", "tailnum")
DELAY = ColumnRef("aviation.flights", "arr_delay")


def part(path: str, size_bytes: int) -> FileEntry:
    return FileEntry(path=path, size_bytes=size_bytes, sha256="sha256:1")


@pytest.fixture
def catalog(connect: Connect) -> Catalog:
    """The catalog of somebody who may publish flights."""
    return connect("ops")


def test_a_dataset_comes_back_as_it_was_declared(catalog: Catalog):
    assert catalog.dataset(FLIGHTS) == next(d for d in GOVERNANCE.datasets if d.ref == FLIGHTS)


def test_a_version_comes_back_as_it_was_published(catalog: Catalog):
    published = catalog.publish(FLIGHTS, manifest(), note="first")
    assert published.ref == FLIGHTS.at(1)
    assert published.published_at == NOW
    assert published.published_by == "person:ops"
    assert catalog.resolve(FLIGHTS.at(1)) == published
    assert catalog.resolve(FLIGHTS) == published


def test_the_content_that_readers_get_is_no_version_again_and_what_comes_back_is_one(
    catalog: Catalog,
):
    first = catalog.publish(FLIGHTS, manifest(1))
    elsewhere = manifest(1, location="aviation/flights/elsewhere")
    assert catalog.publish(FLIGHTS, elsewhere) == first
    catalog.publish(FLIGHTS, manifest(2))
    assert catalog.publish(FLIGHTS, elsewhere, parent=0) == first
    assert catalog.publish(FLIGHTS, elsewhere).number == 3
    assert catalog.resolve(FLIGHTS).number == 3


@pytest.mark.parametrize(
    "location",
    [
        "aviation/weather_hourly/1",
        "aviation/flights",
        "aviation/flights/",
        "aviation/flights/1/part",
        "aviation/flights/..",
        "aviation/flights/.hidden",
        "aviation/flights/../weather_hourly/1",
        "/aviation/flights/1",
        "../aviation/flights",
        "aviation",
        "",
    ],
)
def test_a_version_lies_in_the_folder_of_its_dataset_in_whatever_format(
    catalog: Catalog, location: str
):
    with pytest.raises(InvalidInput, match=r"is no place of aviation\.flights"):
        catalog.publish(FLIGHTS, manifest(1, location=location))
    catalog.publish(FLIGHTS, manifest(1))
    other = manifest(1, format=Format.CSV, location=location)
    with pytest.raises(InvalidInput, match=r"is no place of aviation\.flights"):
        catalog.represent(FLIGHTS.at(1), other)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "./x", "a//x", ""])
def test_the_files_of_a_version_lie_in_its_folder(catalog: Catalog, path: str):
    files = (FileEntry(path=path, size_bytes=1, sha256="sha256:1"),)
    with pytest.raises(InvalidInput, match="is no file of a version"):
        catalog.publish(FLIGHTS, manifest(1, files=files))
    catalog.publish(FLIGHTS, manifest(1))
    with pytest.raises(InvalidInput, match="is no file of a version"):
        catalog.represent(FLIGHTS.at(1), manifest(1, format=Format.CSV, files=files))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"row_count": -3}, "cannot have -3 rows"),
        ({"row_count": 2**63}, "9223372036854775808 rows|less than or equal to"),
        ({"files": (part("a", 2**62), part("b", 2**62))}, "cannot have 9223372036854775808 bytes"),
        ({"files": (part("a", -1), part("b", 1))}, "cannot have -1 bytes of a"),
        (
            {"event_range": EventRange(earliest=NOW, latest=NOW - timedelta(days=1))},
            "the first event, 2026-03-01.* is after the last",
        ),
    ],
)
def test_facts_that_no_rows_have_are_refused(
    catalog: Catalog, facts: dict[str, object], message: str
):
    with pytest.raises(InvalidInput, match=message):
        catalog.publish(FLIGHTS, manifest(1, **facts))


def test_a_profile_is_of_the_columns_that_are_published_once_each(catalog: Catalog):
    for names in (("tailnum", "tailnum"), ("nosuch",)):
        columns = tuple(ColumnProfile(column=name, count=1, nulls=0) for name in names)
        measured = Evidence(profile=Profile(row_count=1, columns=columns))
        with pytest.raises(InvalidInput, match=f"parts about '{names[0]}'"):
            catalog.publish(FLIGHTS, manifest(1), evidence=measured)


def test_a_profile_is_of_as_many_rows_as_are_published(catalog: Catalog):
    measured = Evidence(profile=Profile(row_count=99_999, columns=()))
    with pytest.raises(InvalidInput, match="profile is of 99999 rows, the version has 11"):
        catalog.publish(FLIGHTS, manifest(11), evidence=measured)


def test_the_rows_of_one_dataset_cannot_be_published_as_those_of_another(catalog: Catalog):
    flights = catalog.publish(FLIGHTS, manifest(1)).manifest
    with pytest.raises(
        InvalidInput, match=r"'aviation/flights/1' is no place of aviation\.weather"
    ):
        catalog.publish(HOURLY, flights)


def test_a_publisher_who_missed_a_version_is_told(catalog: Catalog):
    catalog.publish(FLIGHTS, manifest(1))
    catalog.publish(FLIGHTS, manifest(2), parent=1)
    with pytest.raises(Conflict, match="is at version 2, not 1"):
        catalog.publish(FLIGHTS, manifest(3), parent=1)
    assert catalog.resolve(FLIGHTS).number == 2


def test_a_breaking_schema_needs_a_reason(catalog: Catalog):
    catalog.publish(FLIGHTS, manifest(1))
    narrower = manifest(2, schema=Schema(SCHEMA.columns[:2]))
    with pytest.raises(Incompatible, match="column arr_delay is gone"):
        catalog.publish(FLIGHTS, narrower)
    made = catalog.publish(FLIGHTS, narrower, breaking_reason="nobody reads it")
    assert (made.compatibility.verdict, made.note) == (Verdict.BREAKING, "nobody reads it")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": Format.CSV}, "declared as parquet, the version is csv"),
        ({"event_timestamp": None}, "the event timestamp event_timestamp, the version None"),
        ({"inputs": (FLIGHTS,)}, "names no version"),
        (
            {"schema": Schema((Column(name="event_timestamp", type="timestamp"),))},
            "has tags on column 'tailnum', which it does not have",
        ),
    ],
)
def test_a_manifest_that_is_not_as_declared_is_refused(catalog: Catalog, changes, message):
    with pytest.raises(InvalidInput, match=message):
        catalog.publish(FLIGHTS, manifest(**changes))
    with pytest.raises(NotFound, match="has no published version"):
        catalog.resolve(FLIGHTS)


def test_a_version_that_is_not_there_is_not_found_and_the_error_says_which_are(catalog: Catalog):
    for rows in (1, 2):
        catalog.publish(FLIGHTS, manifest(rows))
    with pytest.raises(NotFound, match=r"aviation.flights@9 not found; versions are 1–2") as error:
        catalog.resolve(FLIGHTS.at(9))
    assert "did you mean aviation.flights@2" in error.value.hint
    with pytest.raises(NotFound, match=r"dataset 'aviation.flihgts' not found") as error:
        catalog.resolve(DatasetRef("aviation", "flihgts"))
    assert error.value.hint == "did you mean aviation.flights?"


def test_as_of_is_the_latest_version_of_that_time(catalog: Catalog, clock: Clock):
    catalog.publish(FLIGHTS, manifest(1))
    clock.advance(timedelta(days=1))
    catalog.publish(FLIGHTS, manifest(2))
    assert catalog.resolve(FLIGHTS, as_of=NOW).number == 1
    assert catalog.resolve(FLIGHTS, as_of=NOW + timedelta(days=1)).number == 2
    with pytest.raises(NotFound, match="had no version at"):
        catalog.resolve(FLIGHTS, as_of=NOW - timedelta(microseconds=1))
    with pytest.raises(InvalidInput, match="no time zone"):
        catalog.resolve(FLIGHTS, as_of=NOW.replace(tzinfo=None))


def test_a_version_that_came_later_was_not_there_then(catalog: Catalog, clock: Clock):
    first = catalog.publish(FLIGHTS, manifest(1))
    clock.advance(timedelta(hours=1))
    second = catalog.publish(FLIGHTS, manifest(2))
    with pytest.raises(NotFound, match=f"{FLIGHTS}@2 was not there at") as error:
        catalog.resolve(second.ref, as_of=first.published_at)
    assert error.value.hint == f"it was published {second.published_at.isoformat()}"
    with pytest.raises(NotFound):
        catalog.release(second.ref, as_of=first.published_at)
    for as_of in (second.published_at, clock.now):
        assert catalog.resolve(second.ref, as_of=as_of) == second
    assert catalog.resolve(first.ref, as_of=first.published_at) == first


def test_what_will_be_the_latest_is_not_known(connect: Connect, clock: Clock):
    connect("ops").publish(FLIGHTS, manifest(1))
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    later, ana = clock.now + timedelta(microseconds=1), connect("ana")
    for ask in (
        lambda: ana.resolve(FLIGHTS, as_of=later),
        lambda: ana.release(FLIGHTS.at(1), as_of=later),
        lambda: ana.desk.contract(FLIGHTS, as_of=later),
    ):
        with pytest.raises(InvalidInput, match="nobody knows what the catalog says at"):
            ask()


def test_a_permit_covers_what_was_asked_and_nothing_else(catalog: Catalog, clock: Clock):
    permit = catalog.permit(Action.READ, [DELAY], purpose="report")
    permit.cover([DELAY], now=clock())
    with pytest.raises(Denied, match=r"is not for aviation.flights.tailnum"):
        permit.cover([TAILNUM], now=clock())


def test_a_protected_column_is_closed_and_the_hint_says_who_opens_it(catalog: Catalog):
    with pytest.raises(Denied, match="tagged personal") as error:
        catalog.permit(Action.READ, [DELAY, TAILNUM], purpose="report")
    assert "person:sam or team:ops can grant it" in error.value.hint
    assert "--columns tailnum --purpose report" in error.value.hint
    (fact,) = error.value.facts
    assert (fact.dataset, fact.columns, fact.tags) == (FLIGHTS.dataset, ("tailnum",), ("personal",))
    assert fact.who_can_grant == ("person:sam", "team:ops")
    assert fact.command in error.value.hint


def test_an_undeclared_purpose_is_not_found(catalog: Catalog):
    with pytest.raises(NotFound, match="purpose 'reprot' is not declared") as error:
        catalog.permit(Action.READ, [DELAY], purpose="reprot")
    assert "did you mean report?" in error.value.hint


def test_definitions_come_back_as_they_were_recorded(connect: Connect):
    catalog: Catalog = connect("dev")
    catalog.record(REPO)
    assert catalog.repo("delays") == REPO
    with pytest.raises(NotFound, match="project 'delay' not found"):
        catalog.repo("delay")


def test_definitions_that_somebody_changed_meanwhile_stay(connect: Connect):
    dev = connect("dev")
    dev.record(VISIBLE, expected=0)
    there = dev.desk.history("definitions", VISIBLE.project).items[0].revision
    for seen in (0, there + 1):
        with pytest.raises(PreconditionFailed, match=f"is at revision {there}"):
            dev.record(replace(VISIBLE, services=()), expected=seen)
    assert dev.repo(VISIBLE.project).services == VISIBLE.services
    dev.record(replace(VISIBLE, services=()), expected=there)
    assert dev.repo(VISIBLE.project).services == ()


def test_what_would_be_served_is_compiled_and_nothing_recorded(connect: Connect):
    catalog: Catalog = connect("dev")
    compiled = catalog.compile_serving(REPO)
    assert [view.name for view in compiled.views] == ["weather", "pay"]
    assert compiled.repo_digest == REPO.digest
    with pytest.raises(NotFound):
        catalog.repo("delays")


def test_defining_features_needs_a_rule_or_grant(connect: Connect):
    with pytest.raises(Denied, match=r"person:max may not define aviation\.weather_hourly"):
        connect("max").record(VISIBLE)
    connect("ana").record(VISIBLE)


def test_publishing_needs_an_office_or_a_rule(connect: Connect):
    with pytest.raises(Denied, match=r"person:ana may not publish aviation.flights"):
        connect("ana").publish(FLIGHTS, manifest())


def test_a_training_set_is_recorded_by_who_made_it(catalog: Catalog):
    catalog.publish(HOURLY, manifest(of=HOURLY))
    decision = permitted(catalog, HOURLY)
    catalog.record(training_set(HOURLY.at(1), by="person:ops", decision=decision))
    with pytest.raises(InvalidInput, match="'dec_1', which did not let person:ops read"):
        catalog.record(training_set(HOURLY.at(1), by="person:ops"))
    with pytest.raises(InvalidInput, match="says that person:ana made it"):
        catalog.record(training_set(HOURLY.at(1), by="person:ana"))
    with pytest.raises(NotFound, match=r"aviation.weather_hourly@2 not found"):
        catalog.record(training_set(HOURLY.at(2), by="person:ops", decision=decision))
