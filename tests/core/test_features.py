from dataclasses import replace
from datetime import timedelta
from itertools import chain, combinations
from typing import Any

import pytest

from provender.catalog import definitions
from provender.core import derivation
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import FieldSpec, RepoSpec, SavedDatasetSpec, keys_into, resolve
from provender.core.lineage import Node
from provender.core.names import DatasetRef, FeatureRef
from provender.core.schema import Column, Schema
from provender.core.soundness import check
from tests.core.repo import CHILL, DELAY, ORIGIN, REPO, SCHEMA, SCHEMAS, TAXONOMY, TEMP, WEATHER


def problems(repo: RepoSpec) -> list[str]:
    return check(repo, SCHEMAS, TAXONOMY)


def with_view(**change: Any) -> RepoSpec:
    return replace(REPO, views=(replace(WEATHER, **change),))


def test_a_repository_in_order_has_no_problems() -> None:
    assert problems(REPO) == []


BROKEN: list[tuple[RepoSpec, str]] = [
    (with_view(owner=""), "feature view weather: has no owner"),
    (with_view(ttl=timedelta(-1)), "feature view weather: the TTL -1 day, 0:00:00 is negative"),
    (with_view(entities=("airprt",)), "entity 'airprt' is not defined (did you mean airport?)"),
    (with_view(tags=("quality.row",)), "tag 'quality.row' is not in the taxonomy (did you mean quality.raw?)"),
    (with_view(features=(replace(TEMP, tags=("x",)),)), "feature view weather: feature temp: tag 'x' is not in the taxonomy"),
    (with_view(features=()), "feature view weather: has no features"),
    (with_view(features=(replace(TEMP, column="tmp"),)), "column 'tmp' is not in the dataset (did you mean temp?)"),
    (with_view(features=(replace(TEMP, type="string"),)), "column 'temp' is float64 in the dataset but declared string"),
    (with_view(join_keys=(replace(ORIGIN, column="orign"),)), "column 'orign' is not in the dataset (did you mean origin?)"),
    (with_view(join_keys=(replace(ORIGIN, type="int64"),)), "column 'origin' is string in the dataset but declared int64"),
    (with_view(event_timestamp="event_time"), "event timestamp 'event_time' is not in the dataset (did you mean event_timestamp?)"),
    (with_view(event_timestamp="temp"), "event timestamp 'temp' is float64, not a timestamp"),
    (with_view(created_timestamp="origin"), "created timestamp 'origin' is string, not a timestamp"),
    (with_view(dataset=DatasetRef("aviation", "wether")), "dataset aviation.wether has no published version (did you mean aviation.weather?)"),
    (replace(REPO, views=(WEATHER, WEATHER)), "weather: two views have this name"),
    (replace(REPO, on_demand=(replace(CHILL, name="weather"), CHILL)), "weather: two views have"),
    (replace(REPO, on_demand=(replace(CHILL, inputs=(FeatureRef("weather", "tmp"),)),)), "on-demand view chill: feature weather:tmp is not defined (did you mean weather:temp?)"),
    (replace(REPO, on_demand=(replace(CHILL, owner=""),)), "on-demand view chill: has no owner"),
    (replace(REPO, services=(replace(DELAY, owner=""),)), "feature service delay: has no owner"),
    (replace(REPO, services=(replace(DELAY, features=()),)), "feature service delay: has no features"),
    (replace(REPO, services=(replace(DELAY, tags=("x",)),)), "feature service delay: tag 'x'"),
    (replace(REPO, services=(replace(DELAY, features=(FeatureRef("chill", "cill"),)),)), "feature service delay: feature chill:cill is not defined"),
]  # fmt: skip


@pytest.mark.parametrize(("repo", "problem"), BROKEN, ids=[problem for _, problem in BROKEN])
def test_what_is_wrong_is_said(repo: RepoSpec, problem: str) -> None:
    found = problems(repo)
    assert any(problem in line for line in found), found


def test_everything_that_is_wrong_is_said_at_once() -> None:
    view = replace(WEATHER, owner="", ttl=timedelta(-1), entities=("x",), event_timestamp="y")
    service = replace(DELAY, owner="", features=(FeatureRef("a", "b"),))
    assert len(problems(replace(REPO, views=(view,), services=(service,)))) == 6


def test_a_view_of_a_file_is_not_checked_against_any_schema() -> None:
    assert problems(with_view(dataset=None, event_timestamp="anything")) == []


@pytest.mark.parametrize(
    ("found", "declared", "fits"),
    [
        ("int8", "int32", True),
        ("int16", "int64", True),
        ("uint16", "int32", True),
        ("uint32", "int64", True),
        ("int64", "float64", True),
        ("int64", "int32", False),
        ("uint32", "int32", False),
        ("uint64", "int64", False),
        ("uint64", "float64", False),
        ("float32", "float64", True),
        ("float64", "float32", False),
        ("timestamp_ns", "timestamp", True),
        ("timestamp", "timestamp", True),
        ("string", "binary", False),
        ("list<int64>", "list<int64>", True),
        ("list<int32>", "list<int64>", True),
        ("list<int64>", "set<int64>", True),
        ("list<string>", "set<int64>", False),
        ("list<list<int32>>", "list<list<int64>>", True),
        ("list<map<string,int64>>", "list<map<string,json>>", True),
        ("string", "map<string,json>", True),
        ("string", "list<map<string,json>>", True),
        ("string", "list<string>", False),
        ("struct<a:int64>", "struct<json>", True),
        ("int64", "struct<json>", False),
        ("decimal(10,2)", "string", True),
    ],
)
def test_a_column_serves_a_declared_type_only_without_loss(
    found: str, declared: str, fits: bool
) -> None:
    columns = [c for c in SCHEMA.columns if c.name != "temp"]
    schema = Schema((*columns, Column(name="temp", type=found)))
    view = replace(WEATHER, features=(FieldSpec(name="temp", type=declared),))
    repo = RepoSpec(project="p", entities=REPO.entities, views=(view,))
    assert (check(repo, {"aviation.weather": schema}, TAXONOMY) == []) is fits


def test_the_inputs_of_on_demand_features_are_among_the_stored_ones() -> None:
    resolved = resolve(REPO, DELAY.features)
    assert resolved.asked == DELAY.features
    assert [str(ref) for ref in resolved.stored] == ["weather:temp", "weather:wind"]
    assert resolved.on_demand == (CHILL,)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("wether:temp", "did you mean weather"),
        ("weather:tmp", "did you mean temp"),
        ("chill:cill", "did you mean chill"),
    ],
)
def test_asking_for_what_is_not_defined_names_a_near_one(asked: str, near: str) -> None:
    with pytest.raises(NotFound, match=near):
        resolve(REPO, (FeatureRef.parse(asked),))


def test_an_unknown_service_names_a_near_one() -> None:
    with pytest.raises(NotFound, match="did you mean delay"):
        REPO.service("dely")
    assert REPO.service("delay") is DELAY
    assert REPO.on_demand_view("weather") is None


def test_the_digest_is_of_the_definitions_and_not_of_the_commit() -> None:
    assert replace(REPO, commit="abc").digest == REPO.digest
    assert with_view(ttl=None).digest != REPO.digest


def test_a_part_rests_on_the_given_datasets_only_and_keeps_the_digest_of_the_whole() -> None:
    assert derivation.part(REPO, REPO.datasets) is REPO
    none = derivation.part(REPO, ())
    assert (none.views, none.on_demand, none.services, none.entities) == ((), (), (), ())
    assert none.digest == REPO.digest
    other = replace(WEATHER, name="other", dataset=DatasetRef("aviation", "other"), entities=())
    both = replace(REPO, views=(*REPO.views, other))
    part = derivation.part(both, REPO.datasets)
    assert part == replace(REPO, whole=both.digest)
    assert derivation.part(part, ()).digest == both.digest
    files = with_view(dataset=None)
    assert derivation.part(files, ()) is files


def test_a_part_has_just_the_definitions_that_rest_on_the_given_datasets() -> None:
    kept = DatasetRef("lake", "kept")
    other = replace(WEATHER, name="other", dataset=DatasetRef("aviation", "other"))
    saved = SavedDatasetSpec(name="set", features=(FeatureRef("other", "temp"),), dataset=kept)
    repo = replace(REPO, views=(*REPO.views, other), saved=(saved,))
    resting = derivation.sources(repo)
    airport = Node.parse("entity:flights/airport")
    assert kept.dataset in derivation.resting(repo)
    for names in chain.from_iterable(
        combinations(sorted(derivation.resting(repo)), n) for n in range(4)
    ):
        part = derivation.part(repo, names)
        shown = {one.node for one in definitions.described_of(part)}
        assert shown == {
            n for n, rests_on in resting.items() if derivation.is_seen(n, rests_on, names)
        }
        assert (airport in shown) == bool({"aviation.weather", "aviation.other"} & set(names))


def test_a_dataset_is_joined_by_the_columns_that_the_views_over_it_say() -> None:
    assert keys_into("aviation.weather", [REPO]) == ("origin",)
    mapped = with_view(
        join_keys=(replace(ORIGIN, column="airport"), replace(TEMP, name="kk", column="k"))
    )
    assert keys_into("aviation.weather", [mapped]) == ("airport", "k")
    other_order = replace(WEATHER, name="w2", join_keys=tuple(reversed(mapped.views[0].join_keys)))
    both = replace(mapped, views=(*mapped.views, other_order))
    assert keys_into("aviation.weather", [both]) == ("airport", "k")
    keyless = replace(WEATHER, name="w3", entities=(), join_keys=())
    assert keys_into("aviation.weather", [replace(REPO, views=(WEATHER, keyless))]) == ("origin",)


def test_views_that_join_a_dataset_by_different_keys_are_named() -> None:
    other = with_view(name="climate", join_keys=(replace(ORIGIN, column="temp"),))
    other = replace(other, project="sky")
    with pytest.raises(InvalidInput, match="flights/weather by origin; sky/climate by temp"):
        keys_into("aviation.weather", [REPO, other])
    with pytest.raises(InvalidInput, match=r"no feature view says by which keys aviation\.flights"):
        keys_into("aviation.flights", [REPO, other])
