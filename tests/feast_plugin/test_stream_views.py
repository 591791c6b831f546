"""Stream views whose schema lists the join key: Feast's registry gives it back as a feature, too."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from feast import FeatureService, FeatureStore, Field, FileSource, PushSource, StreamFeatureView
from feast.types import Int64

from provender.core.errors import NotFound
from provender.feast_plugin.online import store_of
from provender.feast_plugin.translation import view_spec
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows, store, write

ENGINES = ["local", "provender.feast_plugin.engine.ProvenderEngine"]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Stream feature views are experimental:RuntimeWarning"
)


@pytest.fixture(params=ENGINES, ids=["feasts_engine", "ours"])
def repo(request: pytest.FixtureRequest, tmp_path: Path, valkey: str) -> Iterator[FeatureStore]:
    assert valkey
    named = {"project": f"p{uuid4().hex[:8]}", "batch_engine": request.param}
    made = store(tmp_path / "repo", **named)
    yield made
    store_of(made.config).delete(made.project)


@pytest.fixture
def stream(repo: FeatureStore, tmp_path: Path) -> StreamFeatureView:
    batch = FileSource(
        name="batch",
        path=write(tmp_path / "f.parquet", rows((1, NOON, 7))),
        timestamp_field="event_timestamp",
    )
    made = StreamFeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[Field(name=name, dtype=Int64) for name in ("driver_id", "value")],
        source=PushSource(name="pushed", batch_source=batch),
    )
    repo.apply([DRIVER, made, FeatureService(name="all", features=[made])])
    return made


def looked_up(repo: FeatureStore, asked: Any, *drivers: int) -> dict[str, list[Any]]:
    entities = [{"driver_id": driver} for driver in drivers]
    answer = repo.get_online_features(asked, entities).to_dict()

    async def awaited() -> dict[str, list[Any]]:
        try:
            return (await repo.get_online_features_async(asked, entities)).to_dict()
        finally:
            await repo.close()

    assert asyncio.run(awaited()) == answer
    return answer


def test_it_is_materialised_and_pushed_to(repo: FeatureStore, stream: StreamFeatureView) -> None:
    repo.materialize(NOON, NOON, feature_views=[stream.name])
    assert looked_up(repo, ["stats:value"], 1, 2)["value"] == [7, None]
    repo.push("pushed", rows((2, NOON, 9)))
    assert looked_up(repo, ["stats:value"], 1, 2)["value"] == [7, 9]
    asked = repo.get_feature_service("all")
    assert looked_up(repo, asked, 1, 2) == {"driver_id": [1, 2], "value": [7, 9]}


def test_its_rows_have_one_layout_by_its_file_and_by_the_registry(
    repo: FeatureStore, stream: StreamFeatureView
) -> None:
    registered = view_spec(repo.get_stream_feature_view(stream.name))
    assert [feature.name for feature in registered.features] == ["value"]
    assert registered == view_spec(stream)


def test_its_join_key_is_none_of_its_features(
    repo: FeatureStore, stream: StreamFeatureView
) -> None:
    assert stream
    repo.materialize(NOON, NOON)
    with pytest.raises(NotFound, match="feature of view stats"):
        looked_up(repo, ["stats:driver_id"], 1)
    spine = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON + HOUR]})
    with pytest.raises(NotFound, match="feature of view stats"):
        repo.get_historical_features(spine, features=["stats:driver_id"])
    joined = repo.get_historical_features(spine, features=["stats:value"]).to_df()
    assert list(joined["value"]) == [7]
