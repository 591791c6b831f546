"""Our answer to `get_online_features` is that of Feast's own code, for every shape of a question."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import (
    FeatureService,
    FeatureStore,
)
from feast.errors import FeatureNameCollisionError, RequestDataNotFoundInEntityRowsException
from feast.feature_view import FeatureViewState
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.online_response import OnlineResponse
from feast.protos.feast.types.Value_pb2 import Int64List, RepeatedValue, Value
from feast.types import (
    Float64,
)

from provender import bootstrap
from provender.core.errors import InvalidInput, Stale
from provender.feast_plugin import lookups
from provender.feast_plugin.online import store_of
from provender.feast_plugin.responses import ColumnsResponse
from provender.feast_plugin.translation import view_spec
from provender.feast_plugin.view_rows import explained, noting_oldest
from tests.feast_plugin.online_world import TYPES, World, by_frame
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, TICK, store, view, write
from tests.feast_plugin.test_on_demand import python_view


@pytest.fixture(scope="module")
def world(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("lookups")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_HOME", str(folder / "home"))
        patch.setenv("PROVENDER_REDIS_URL", valkey_url)
        bootstrap.settings.cache_clear()
        made = World(folder)
        yield made
        bootstrap.settings.cache_clear()
        store_of(made.store.config).delete(made.store.project)
    bootstrap.settings.cache_clear()


@pytest.fixture(autouse=True)
def _at_noon(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert valkey
    monkeypatch.setenv("PROVENDER_CLOCK", NOON.isoformat())
    bootstrap.settings.cache_clear()


DRIVERS = [{"driver_id": n} for n in (2, 1, 3, 2, 4)]
QUESTIONS: dict[str, tuple[Any, Any]] = {
    "one feature": (["stats:value"], DRIVERS),
    "too old, from later, missing": (["stale:level", "stats:value"], DRIVERS),
    "every type": ([f"kinds:{name}" for name in TYPES], DRIVERS),
    "columns": (["stats:value", "kinds:text"], {"driver_id": [1, 9]}),
    "repeated values": (
        ["stats:value"],
        {"driver_id": RepeatedValue(val=[Value(int64_val=2), Value(int64_val=1)])},
    ),
    "columns of protobuf": (["stats:value"], {"driver_id": [Value(int64_val=2)]}),
    "columns of a series": (["stats:value"], {"driver_id": tuple(pd.Series([1, 2]))}),
    "other columns beside": (
        ["stats:value"],
        [{"surplus": "x", "customer_id": 5, "driver_id": 1}],
    ),
    "composite keys": (
        ["both:spent", "stats:value"],
        [
            {"place": "a,b", "customer_id": 1, "driver_id": 1},
            {"place": "a", "customer_id": 1, "driver_id": 2},
        ],
    ),
    "no entity": (["world:rides"], [{"anything": 1}, {"anything": 2}]),
    "no entity beside one": (["world:rides", "stats:value"], DRIVERS),
    "computed": (["doubled:double_value"], DRIVERS),
    "computed beside others": (
        ["doubled:seen", "stats:other", "stale:level", "doubled:double_value"],
        DRIVERS,
    ),
    "computed from the request": (
        ["prod:product", "stats:value"],
        [{"driver_id": 1, "factor": 0.5}, {"driver_id": 3, "factor": 1.5}],
    ),
    "by pandas": (["framed:plus", "stats:other"], DRIVERS[:2]),
    "a service": (
        "mixed",
        [{"place": "a", "customer_id": 2, "driver_id": 1}],
    ),
    "aliases": (
        "both_ends",
        [{"first_id": 1, "second_id": 2}, {"first_id": 2, "second_id": 3}],
    ),
}  # fmt: skip


def question(world: World, name: str) -> tuple[Any, Any]:
    features, rows = QUESTIONS[name]
    return (getattr(world, features) if isinstance(features, str) else features), rows


def columns(response: OnlineResponse) -> dict[str, Any]:
    proto = response.proto
    return dict(zip(proto.metadata.feature_names.val, proto.results, strict=True))


@pytest.mark.parametrize(
    ("name", "full"),
    [(n, f) for n in QUESTIONS for f in (True, False) if f or n != "aliases"],
)
def test_the_answer_is_feasts_own(world: World, name: str, full: bool) -> None:
    features, rows = question(world, name)
    more = {"full_feature_names": full, "include_feature_view_version_metadata": True}
    ours, feasts = world.ask(features, rows, **more), world.feasts(features, rows, **more)
    assert isinstance(ours, ColumnsResponse) == (name != "by pandas")
    assert "proto" not in vars(ours) or name == "by pandas"
    as_dict, theirs = ours.to_dict(True), feasts.to_dict(True)
    computed = {key for key in as_dict if key.startswith(("doubled__", "prod__"))}
    for key in theirs.keys() | as_dict.keys() - computed:  # Feast leaves those out: see below
        assert repr(as_dict[key]) == repr(theirs[key]), key
    known, wanted = columns(ours), columns(feasts)
    assert all(known[key] == wanted[key] for key in wanted)
    metadata = ours.proto.metadata.feature_view_metadata
    assert sorted(metadata, key=str) == sorted(feasts.proto.metadata.feature_view_metadata, key=str)
    if not (full and computed):
        pd.testing.assert_frame_equal(ours.to_df()[list(feasts.to_df())], feasts.to_df())
        assert ours.to_arrow().select(list(wanted)) == feasts.to_arrow()


@pytest.mark.parametrize("name", [n for n in QUESTIONS if n not in ("aliases", "by pandas")])
def test_entities_come_first_and_features_in_the_order_asked(world: World, name: str) -> None:
    features, rows = question(world, name)
    if isinstance(features, FeatureService):
        features = [
            f"{p.name}:{f.name}" for p in features.feature_view_projections for f in p.features
        ]
    given = list(rows if isinstance(rows, dict) else rows[0])
    keys = [name for name in given if name not in ("surplus", "anything", "factor")]
    names = list(world.ask(features, rows).to_dict())
    assert names == [*keys, *(ref.partition(":")[2] for ref in features)]


def test_computed_features_have_full_names_too(world: World) -> None:
    """Feast leaves what a python function makes out when full names are asked for."""
    asked = ["doubled:double_value", "stats:value"]
    answer = world.ask(asked, DRIVERS[:2], full_feature_names=True).to_dict()
    assert answer["doubled__double_value"] == [16, 14]
    assert (
        "doubled__double_value"
        not in world.feasts(asked, DRIVERS[:2], full_feature_names=True).to_dict()
    )


def test_the_awaited_answer_is_the_same(world: World) -> None:
    async def walk() -> list[OnlineResponse]:
        asked = [question(world, name) for name in QUESTIONS if name != "aliases"]
        answers = [await world.store.get_online_features_async(f, rows) for f, rows in asked]
        await world.store.provider.close()
        return answers

    names = [name for name in QUESTIONS if name != "aliases"]
    for name, answer in zip(names, asyncio.run(walk()), strict=True):
        expected = world.ask(*question(world, name)).to_dict(True)
        assert repr(answer.to_dict(True)) == repr(expected), name


WRONG: dict[str, tuple[list[str], Any, type[Exception]]] = {
    "no features": ([], [{"driver_id": 1}], ValueError),
    "no entities": (["stats:value"], [], IndexError),
    "other keys in a row": (["stats:value"], [{"driver_id": 1}, {"x": 1}], ValueError),
    "ragged": (["both:spent"], {"place": ["a"], "customer_id": [1, 2]}, ValueError),
    "no such feature": (["stats:nothing"], [{"driver_id": 1}], KeyError),
    "no such view": (["nothing:value"], [{"driver_id": 1}], Exception),
    "no join key": (["stats:value"], [{"other_id": 1}], KeyError),
    "names collide": (["stats:value", "stats:value"], [{"driver_id": 1}], FeatureNameCollisionError),
    "no request data": (
        ["prod:product"], [{"driver_id": 1}], RequestDataNotFoundInEntityRowsException,
    ),
    "not a number": (["stats:value"], [{"driver_id": "x"}], Exception),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_answered_in_feasts_words(world: World, name: str) -> None:
    features, rows, kind = WRONG[name]
    with pytest.raises(kind) as ours:
        world.ask(features, rows)
    with pytest.raises(kind) as feasts:
        world.feasts(features, rows)
    assert (type(ours.value), str(ours.value)) == (type(feasts.value), str(feasts.value))


def test_short_names_of_two_aliases_collide(world: World) -> None:
    with pytest.raises(FeatureNameCollisionError):
        world.ask(world.both_ends, [{"first_id": 1, "second_id": 2}])


def test_a_null_join_key_finds_nothing(world: World) -> None:
    """Feast's code fails on it; the server and the SDK answer so, too."""
    answer = world.ask(["stats:value"], {"driver_id": [1, None]})
    assert answer.to_dict()["value"] == [7, None]
    assert list(answer.proto.results[1].statuses) == [1, 3]


def test_all_views_are_read_in_one_round_trip(world: World) -> None:
    client = store_of(world.store.config).options.connect()
    asked = ["stats:value", "stale:level", "world:rides", "kinds:text", "doubled:double_value"]

    def reads() -> int:
        stats = client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("mget", "get"))

    before = reads()
    world.ask(asked, DRIVERS)
    assert reads() == before + 1
    world.feasts(asked, DRIVERS)
    assert reads() == before + 1 + 4
    client.close()


def test_views_are_served_while_they_are_materialised(world: World, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", pd.DataFrame({"event_timestamp": [NOON]})), name="v")
    framed = python_view([table], {"plus": Float64}, by_frame, name="framed", mode="pandas")
    made = store(tmp_path / "repo", project=f"p{uuid.uuid4().hex[:8]}")
    made.apply([DRIVER, table, framed])
    frame = pd.DataFrame({"driver_id": [1], "value": [7], "event_timestamp": [NOON]})
    made.write_to_online_store("v", frame)
    registered = made.get_feature_view("v")
    registered.state = FeatureViewState.MATERIALIZING
    made.registry.apply_feature_view(registered, made.project)
    made.refresh_registry()
    with pytest.raises(ValueError, match="MATERIALIZING"):
        FeastOnlineStore.get_online_features(
            made.provider.online_store, made.config, ["v:value"], [{"driver_id": 1}],
            made.registry, made.project,
        )  # fmt: skip
    assert made.get_online_features(["v:value"], [{"driver_id": 1}]).to_dict()["value"] == [7]
    computed = made.get_online_features(["framed:plus"], [{"driver_id": 1}]).to_dict()
    assert computed["plus"] == [8.0]
    store_of(made.config).delete(made.project)


def test_a_view_that_is_disabled_is_refused(world: World, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", pd.DataFrame({"event_timestamp": [NOON]})), name="v")
    made = store(tmp_path / "repo", project=f"p{uuid.uuid4().hex[:8]}")
    made.apply([DRIVER, table])
    assert made.get_online_features(["v:value"], [{"driver_id": 1}]).to_dict()["value"] == [None]
    registered = made.get_feature_view("v")
    registered.enabled = False
    made.registry.apply_feature_view(registered, made.project)
    made.refresh_registry()
    with pytest.raises(ValueError, match="disabled"):
        made.get_online_features(["v:value"], [{"driver_id": 1}])


def changed_by_itself(made: FeatureStore) -> FeatureStore:
    return made


def changed_by_another(made: FeatureStore) -> FeatureStore:
    return FeatureStore(config=made.config)


@pytest.mark.parametrize("who", [changed_by_itself, changed_by_another])
def test_a_changed_view_is_answered_by_a_new_plan(
    tmp_path: Path, who: Callable[[FeatureStore], FeatureStore]
) -> None:
    path = write(tmp_path / "f.parquet", pd.DataFrame({"event_timestamp": [NOON]}))
    made = store(tmp_path / "repo", project=f"p{uuid.uuid4().hex[:8]}")
    made.apply([DRIVER, view(path, ttl=HOUR)])
    frame = pd.DataFrame({"driver_id": [1], "value": [7], "event_timestamp": [NOON - 2 * HOUR]})
    made.write_to_online_store("stats", frame)
    asked = (["stats:value"], [{"driver_id": 1}])
    assert made.get_online_features(*asked).to_dict()["value"] == [None]
    who(made).apply([DRIVER, view(path, ttl=3 * HOUR)])
    made.refresh_registry()
    assert made.get_online_features(*asked).to_dict()["value"] == [7]
    store_of(made.config).delete(made.project)


def test_plans_are_kept_and_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = world.store.provider.online_store._plans
    registry, project = world.store.registry, world.store.project
    asked = [[f"kinds:{name}"] for name in TYPES]
    first = plans.plan(registry, project, asked[0], full=False, aged=True)
    assert plans.plan(registry, project, list(asked[0]), full=False, aged=True) is first
    fetched = world.store.get_feature_service("mixed", allow_cache=True)
    by_name = plans.plan(registry, project, fetched, full=False, aged=True)
    again = world.store.get_feature_service("mixed", allow_cache=True)
    assert plans.plan(registry, project, again, full=False, aged=True) is by_name
    monkeypatch.setattr(lookups, "PLANS", 3)
    for refs in asked[1:]:
        plans.plan(registry, project, refs, full=False, aged=True)
    assert len(plans) == 3
    assert plans.plan(registry, project, asked[0], full=False, aged=True) is not first


def test_naive_clocks_and_lists_in_requests_do_not_confuse_it(world: World) -> None:
    answer = world.ask(
        ["stats:value"],
        {"driver_id": [Value(int64_val=1)], "surplus": [Value(int64_list_val=Int64List(val=[1]))]},
    )
    assert answer.to_dict() == {"driver_id": [1], "value": [7]}
    assert answer.proto.results[1].event_timestamps[0].ToDatetime(UTC) == NOON


@pytest.mark.parametrize("on_stale", ["warn", "null", "refuse"])
def test_stale_views_are_served_as_they_say_on_either_path(tmp_path: Path, on_stale: str) -> None:
    table = view(write(tmp_path / "f.parquet", pd.DataFrame({"event_timestamp": [NOON]})))
    table.tags = {"max_staleness": "1h", "on_stale": on_stale}
    made = store(tmp_path / "repo", project=f"p{uuid.uuid4().hex[:8]}")
    made.apply([DRIVER, table])
    stamps = [NOON - HOUR, NOON - HOUR - TICK]
    frame = pd.DataFrame({"driver_id": [1, 2], "value": [7, 8], "event_timestamp": stamps})
    made.write_to_online_store("stats", frame)

    def both(driver: int) -> list[OnlineResponse]:
        asked = (["stats:value"], [{"driver_id": driver}])
        online, registry = made.provider.online_store, made.registry
        with noting_oldest() as oldest:
            feasts = FeastOnlineStore.get_online_features(
                online, made.config, *asked, registry, made.project
            )
        return [made.get_online_features(*asked), explained(feasts, oldest)]

    assert [answer.to_dict()["value"] for answer in both(1)] == [[7], [7]]
    if on_stale == "refuse":
        with pytest.raises(Stale):
            made.get_online_features(["stats:value"], [{"driver_id": 2}])
        with pytest.raises(Stale):
            both(2)
    else:
        ours, feasts = both(2)
        assert ours.proto.results == feasts.proto.results
        assert ours.to_dict()["value"] == [8 if on_stale == "warn" else None]
    store_of(made.config).delete(made.project)


def test_tags_about_staleness_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", pd.DataFrame({"event_timestamp": [NOON]})))
    table.tags = {"max_staleness": "soon"}
    with pytest.raises(InvalidInput, match="feature view stats: max_staleness: 'soon'"):
        view_spec(table)
