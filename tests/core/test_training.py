from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from provender.core.datasets import Layout
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import ColumnRef
from provender.core.projections import ProjectionSpec
from provender.core.training import (
    PointInTimePlan,
    Table,
    TrainingSetManifest,
    TrainingSetSpec,
    check_collisions,
    plan_training_set,
)
from tests.core.repo import DELAY, NOW, REPO, VERSION, VERSIONS, WEATHER

SPEC = TrainingSetSpec(
    project="flights", features=DELAY.features, purpose="delays", service="delay"
)
PLAN = plan_training_set(SPEC, REPO, VERSIONS)
MANIFEST = TrainingSetManifest(
    spec=SPEC, pins=PLAN.pins, plan_digest=PLAN.digest, repo_digest=REPO.digest, decision="dec_1",
    spine_digest="sha256:1", content_digest="sha256:2", row_count=3, columns=("a",),
    created_at=NOW, created_by="person:ana", seconds=1.5,
)  # fmt: skip


def test_a_plan_joins_each_view_once_with_the_inputs_of_on_demand_features() -> None:
    (join,) = PLAN.joins
    assert join.view == "weather"
    assert join.keys == (("origin", "origin"),)
    assert join.features == (("temp", "temp"), ("wind_speed", "wind"))
    assert join.ttl == timedelta(hours=2)
    assert join.table == Table.of(VERSION)
    assert (join.table.location, join.table.snapshot) == ("aviation/weather/delta", "1")


def test_a_plan_pins_versions_and_reads_features_join_keys_and_timestamps() -> None:
    assert PLAN.pins == (DatasetRef("aviation", "weather", 2),)
    assert PLAN.reads == {
        ColumnRef("aviation.weather", "origin"),
        *(ColumnRef("aviation.weather", name) for name in PLAN.joins[0].times),
        ColumnRef("aviation.weather", "temp"),
        ColumnRef("aviation.weather", "wind_speed"),
    }


def test_a_table_no_catalog_governs_has_no_governed_columns_and_no_pin() -> None:
    (join,) = PLAN.joins
    free = replace(join, table=replace(join.table, version=None))
    plan = replace(PLAN, joins=(free,))
    assert plan.reads == frozenset()
    assert plan.pins == ()


def test_full_names_are_written_as_feast_does() -> None:
    plan = plan_training_set(replace(SPEC, full_feature_names=True), REPO, VERSIONS)
    assert plan.joins[0].outputs == ("weather__temp", "weather__wind")


def test_a_ttl_of_zero_is_unbounded() -> None:
    repo = replace(REPO, views=(replace(WEATHER, ttl=timedelta(0)),))
    assert plan_training_set(SPEC, repo, VERSIONS).joins[0].ttl is None


def test_two_features_of_one_name_collide_unless_names_are_full() -> None:
    repo = replace(REPO, views=(WEATHER, replace(WEATHER, name="forecast")))
    spec = replace(SPEC, features=(FeatureRef("weather", "temp"), FeatureRef("forecast", "temp")))
    with pytest.raises(InvalidInput, match="'temp' comes from both weather and forecast"):
        plan_training_set(spec, repo, VERSIONS)
    plan = plan_training_set(replace(spec, full_feature_names=True), repo, VERSIONS)
    check_collisions(plan.joins)
    assert [join.outputs for join in plan.joins] == [("weather__temp",), ("forecast__temp",)]


BOTH_ENDS = replace(
    SPEC,
    features=(FeatureRef("from", "temp"), FeatureRef("to", "temp"), FeatureRef("weather", "wind")),
    projections=(
        ProjectionSpec(alias="from", view="weather", join_keys=(("origin", "start"),)),
        ProjectionSpec(alias="to", view="weather", join_keys=(("origin", "end"),)),
    ),
    full_feature_names=True,
)


def test_a_view_under_several_names_is_joined_once_for_each() -> None:
    plan = plan_training_set(BOTH_ENDS, REPO, VERSIONS)
    assert [(join.view, join.keys, join.outputs) for join in plan.joins] == [
        ("from", (("start", "origin"),), ("from__temp",)),
        ("to", (("end", "origin"),), ("to__temp",)),
        ("weather", (("origin", "origin"),), ("weather__wind",)),
    ]
    with pytest.raises(InvalidInput, match="'temp' comes from both from and to"):
        plan_training_set(replace(BOTH_ENDS, full_feature_names=False), REPO, VERSIONS)


def test_inputs_of_on_demand_features_come_by_the_join_keys_of_their_view() -> None:
    keys = (("origin", "start"),)
    renamed = ProjectionSpec(alias="weather", view="weather", join_keys=keys)
    spec = replace(SPEC, projections=(renamed,))
    (join,) = plan_training_set(spec, REPO, VERSIONS).joins
    assert (join.view, join.keys) == ("weather", (("start", "origin"),))
    other = replace(renamed, alias="elsewhere")
    (join,) = plan_training_set(replace(SPEC, projections=(other,)), REPO, VERSIONS).joins
    assert join.keys == (("origin", "origin"),)


def test_a_training_set_without_projections_has_the_id_it_always_had() -> None:
    assert MANIFEST.id == "ts_7bd4b21caa79731d"
    assert replace(MANIFEST, spec=BOTH_ENDS).id != MANIFEST.id


def test_a_view_of_a_file_is_not_planned() -> None:
    repo = replace(REPO, views=(replace(WEATHER, dataset=None),))
    with pytest.raises(InvalidInput, match="weather reads a file"):
        plan_training_set(SPEC, repo, VERSIONS)


def test_a_spine_with_its_keys_and_timestamp_is_accepted() -> None:
    PLAN.check_spine(["event_timestamp", "origin", "label"])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["origin"], "no column event_timestamp \\(the event timestamp\\); it has origin"),
        (["event_timestamp"], "no column origin \\(a join key of weather\\)"),
        ([], "no column event_timestamp .*, no column origin .*; it has none"),
        (["event_timestamp", "origin", "temp", "wind"], "called like features: temp, wind"),
    ],
)
def test_a_spine_that_cannot_be_joined_is_refused_with_every_column_named(
    columns: list[str], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        PLAN.check_spine(columns)


def test_a_spine_without_features_to_join_needs_only_its_timestamp() -> None:
    PointInTimePlan(event_timestamp="at", joins=()).check_spine(["at"])


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"created_at": NOW + timedelta(1)}, True),
        ({"created_by": "person:bob"}, True),
        ({"seconds": 9.0}, True),
        ({"decision": "dec_2"}, True),
        ({"pins": (DatasetRef("aviation", "weather", 3),)}, False),
        ({"spine_digest": "sha256:9"}, False),
        ({"content_digest": "sha256:9"}, False),
        ({"plan_digest": "sha256:9"}, False),
        ({"spec": replace(SPEC, purpose="other")}, False),
    ],
)
def test_the_same_question_on_the_same_data_has_the_same_id(
    change: dict[str, Any], same: bool
) -> None:
    assert MANIFEST.id.startswith("ts_")
    assert (replace(MANIFEST, **change).id == MANIFEST.id) is same


def test_the_plan_digest_changes_with_what_is_joined() -> None:
    (join,) = PLAN.joins
    for change in ({"ttl": None}, {"created_timestamp": None}, {"keys": (("o", "origin"),)}):
        assert replace(PLAN, joins=(replace(join, **change),)).digest != PLAN.digest
    assert replace(PLAN, known_by_then=True).digest != PLAN.digest


def test_the_plan_digest_of_governed_rows_is_the_same_in_every_layout() -> None:
    layout = Layout(keys=("origin",), event_timestamp="t", buckets=1, rows_per_group=10)
    sorted_rows = replace(VERSION, manifest=replace(VERSION.manifest, layout=layout, location="x"))
    plan = plan_training_set(SPEC, REPO, {"aviation.weather": sorted_rows})
    assert plan.joins[0].table.layout == layout
    assert plan.joins[0].table.entries == VERSION.manifest.files
    assert plan.digest == PLAN.digest


def test_the_plan_digest_of_files_no_catalog_governs_is_of_where_they_are() -> None:
    (join,) = PLAN.joins
    free = replace(join.table, version=None, entries=(), layout=None)
    assert set(free.identity) == {part.name for part in fields(Table)} - {"layout", "entries"}
    plans = [
        replace(PLAN, joins=(replace(join, table=table),))
        for table in (free, replace(free, location="elsewhere"))
    ]
    assert plans[0].digest != plans[1].digest
