from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.datasets import (
    Dataset,
    DatasetVersion,
    EventRange,
    FileEntry,
    Format,
    Layout,
    Manifest,
)
from provender.core.digest import digest
from provender.core.errors import Conflict, Incompatible
from provender.core.lifecycle import Standing, State
from provender.core.names import DatasetRef
from provender.core.people import Owner, Role
from provender.core.schema import Column, Schema, Verdict
from provender.core.tags import Assignment
from provender.core.versioning import next_version
from provender.values import from_json, to_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = DatasetRef("aviation", "weather")
OLD = Manifest(
    format=Format.PARQUET,
    location="aviation/weather/parquet-1",
    files=(FileEntry(path="a", size_bytes=3, sha256="sha256:a"),),
    schema=Schema((Column(name="temp", type="float64"),)),
    row_count=1,
    logical_digest="sha256:1",
)
NEW = replace(OLD, logical_digest="sha256:2")


def publish(history: list[DatasetVersion], manifest: Manifest, **rest: object) -> DatasetVersion:
    return next_version(history, REF, manifest, by="person:ana", now=NOW, **rest)  # type: ignore[arg-type]


def test_versions_count_from_one_and_name_their_parent() -> None:
    first = publish([], OLD)
    second = publish([first], NEW)
    assert (first.number, first.parent) == (1, None)
    assert (second.number, second.parent) == (2, 1)
    assert str(second.ref) == "aviation.weather@2"
    assert second.compatibility.verdict is Verdict.IDENTICAL


def test_the_content_that_readers_get_is_no_version_again() -> None:
    first = publish([], OLD)
    second = publish([first], NEW)
    assert publish([first], replace(OLD, location="elsewhere")) is first
    assert publish([first, second], NEW) is second
    assert publish([first, second], NEW, parent=1) is second


def test_content_that_comes_back_is_a_new_version() -> None:
    first = publish([], OLD)
    second = publish([first], NEW)
    third = publish([first, second], OLD)
    assert (third.number, third.parent) == (3, 2)
    assert publish([first, second], OLD, parent=2).number == 3
    assert publish([first, second, third], OLD) is third


def test_what_is_sent_again_on_top_of_the_same_parent_is_what_it_made() -> None:
    """Whose answer was lost learns what came of it, whoever published meanwhile."""
    first = publish([], OLD)
    second = publish([first], NEW)
    assert publish([first, second], OLD, parent=0) is first
    third = publish([first, second], OLD)
    assert publish([first, second, third], NEW, parent=1) is second
    with pytest.raises(Conflict, match="at version 3, not 2"):
        publish([first, second, third], NEW, parent=2)


def test_a_draft_that_was_overtaken_comes_as_a_new_version() -> None:
    draft = publish([], OLD)
    standings = {1: Standing(state=State.DRAFT)}
    assert publish([draft], OLD, standings=standings) is draft
    second = publish([draft], NEW, standings=standings)
    assert (second.number, second.parent) == (2, None)
    assert publish([draft, second], OLD, standings=standings).number == 3
    assert publish([draft, second], OLD, standings=standings, parent=2).number == 3


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"location": "x"}, True),
        ({"format": Format.CSV}, True),
        ({"files": ()}, True),
        ({"producer": "x"}, True),
        ({"inputs": (REF.at(1),)}, True),
        ({"native_snapshot": "3"}, True),
        ({"event_range": EventRange(earliest=NOW, latest=NOW)}, True),
        ({"schema": Schema((Column(name="temp", type="float64", nullable=False),))}, True),
        ({"schema": Schema((Column(name="t", type="float64"),))}, False),
        ({"row_count": 2}, False),
        ({"logical_digest": "sha256:2"}, False),
        ({"event_timestamp": "temp"}, False),
    ],
)
def test_content_is_rows_and_schema_whatever_holds_them(
    change: dict[str, object], same: bool
) -> None:
    changed = replace(OLD, **change)  # type: ignore[arg-type]
    assert (changed.content == OLD.content) is same
    assert changed.digest != OLD.digest


@pytest.mark.parametrize("believed", [0, 2, 7])
def test_publishing_on_top_of_what_is_not_the_latest_is_a_conflict(believed: int) -> None:
    with pytest.raises(Conflict, match=f"at version 1, not {believed}"):
        publish([publish([], OLD)], NEW, parent=believed)


def test_publishing_on_top_of_the_latest_is_not() -> None:
    assert publish([publish([], OLD)], NEW, parent=1).number == 2
    assert publish([], OLD, parent=0).number == 1


def test_a_schema_that_breaks_readers_needs_a_reason() -> None:
    history = [publish([], OLD)]
    narrower = replace(NEW, schema=Schema((Column(name="temp", type="float32"),)))
    with pytest.raises(Incompatible, match="column temp changed from float64 to float32"):
        publish(history, narrower)
    version = publish(history, narrower, breaking_reason="sensors are coarse")
    assert version.note == "sensors are coarse"
    assert version.compatibility.verdict is Verdict.BREAKING


def test_the_same_rows_that_may_be_null_now_break_readers_who_were_told_they_are_not() -> None:
    sure = replace(OLD, schema=Schema((Column(name="temp", type="float64", nullable=False),)))
    first = publish([], sure)
    with pytest.raises(Incompatible, match="temp"):
        publish([first], OLD)
    second = publish([first], OLD, breaking_reason="sensors fail")
    assert second.manifest.content == first.manifest.content
    third = publish([first, second], sure)
    assert third.number == 3
    assert third.compatibility.verdict is Verdict.COMPATIBLE


def test_events_to_come_make_data_no_newer_than_it_is() -> None:
    hour = timedelta(hours=1)
    ends = {None: NOW, NOW - hour: NOW - hour, NOW + hour: NOW}
    for latest, newest in ends.items():
        events = EventRange(earliest=NOW - 2 * hour, latest=latest) if latest else None
        assert publish([], replace(OLD, event_range=events)).newest == newest


def test_a_version_without_a_number_has_none() -> None:
    version = replace(publish([], OLD), ref=REF)
    with pytest.raises(ValueError, match="names no version"):
        _ = version.number


def test_a_manifest_weighs_what_its_files_weigh() -> None:
    assert replace(OLD, files=OLD.files * 2).size_bytes == 6


def test_tags_of_a_column_are_the_datasets_and_its_own() -> None:
    dataset = Dataset(
        ref=REF, description="", owner="team:a", format=Format.CSV, stewards=("person:b", "team:a"),
        tags=("t",), column_tags={"x": ("u",)},
    )  # fmt: skip
    assert dataset.tags_of("x") == {"t", "u"}
    assert dataset.tags_of("y") == {"t"}
    assert dataset.who_decides == ("person:b", "team:a")


LAYOUT = Layout(keys=("k", "l"), event_timestamp="t", buckets=1, rows_per_group=10)


def test_the_same_rows_in_another_layout_are_a_version_that_says_so() -> None:
    first = publish([], OLD)
    laid_out = replace(OLD, layout=LAYOUT)
    second = publish([first], laid_out, parent=1)
    assert second.number == 2
    assert second.manifest.content == first.manifest.content
    assert second.compatibility.verdict is Verdict.IDENTICAL
    assert second.note == "optimized by k, l, t"
    other = publish([first, second], replace(OLD, layout=replace(LAYOUT, keys=("l",))), parent=2)
    assert other.number == 3
    assert publish([first, second], laid_out) is second
    assert publish([first, second, other], laid_out, parent=3).number == 4


def test_rows_without_a_layout_are_the_latest_version_that_holds_them() -> None:
    first = publish([], OLD)
    second = publish([first], replace(OLD, layout=LAYOUT))
    assert publish([first, second], OLD) is second
    assert publish([first, second], OLD, parent=2) is second


def test_a_layout_is_part_of_a_manifests_digest_and_sums_are_not() -> None:
    assert replace(OLD, layout=LAYOUT).digest != OLD.digest
    assert replace(OLD, sums=(1, 2, 3, 4)).digest == OLD.digest


def test_manifests_from_before_layouts_keep_their_digest() -> None:
    before = {
        part.name: getattr(OLD, part.name)
        for part in fields(OLD)
        if part.name not in ("whole", "layout", "sums")
    }
    assert OLD.digest == digest(before)


def test_sums_beyond_64_bits_are_kept_exactly() -> None:
    large = replace(OLD, sums=(2**64 - 1, 2**80 + 1, 0, 5), layout=LAYOUT)
    assert from_json(Manifest, to_json(large)) == large


def test_a_tag_with_a_value_protects_by_its_name() -> None:
    dataset = Dataset(
        ref=REF, description="", owner="team:t", format=Format.PARQUET,
        tags=("quality=gold",), column_tags={"x": ("personal=direct", "personal=direct")},
    )  # fmt: skip
    assert dataset.tags_of("x") == {"quality", "personal"}
    assert dataset.assignments == (
        Assignment("quality", "gold"),
        Assignment("personal", "direct", "x"),
    )
    assert [str(assignment) for assignment in dataset.assignments] == [
        "quality=gold",
        "personal=direct",
    ]


def test_everybody_with_an_office_decides_and_each_is_named_once_in_it() -> None:
    dataset = Dataset(
        ref=REF, description="", owner="team:t", format=Format.PARQUET,
        stewards=("person:s", "team:t"), deputies=("person:d", "person:d"),
    )  # fmt: skip
    assert dataset.owners == (
        Owner("team:t"),
        Owner("person:s", Role.STEWARD),
        Owner("team:t", Role.STEWARD),
        Owner("person:d", Role.DEPUTY),
    )
    assert dataset.who_decides == ("person:s", "team:t", "person:d")


def test_a_dataset_that_was_kept_before_it_had_more_to_say_reads_as_it_was() -> None:
    kept = (
        '{"column_descriptions":{},"column_tags":{},"description":"d","event_timestamp":null,'
        '"format":"parquet","links":[],"owner":"team:t",'
        '"ref":{"domain":"a","name":"x","version":null},"stewards":[],"tags":[]}'
    )
    written = Dataset(
        ref=DatasetRef("a", "x"), description="d", owner="team:t", format=Format.PARQUET
    )
    assert from_json(Dataset, kept) == written
