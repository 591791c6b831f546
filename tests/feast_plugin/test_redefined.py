"""A view whose definition changes: what is read and written meanwhile, by whom knows which one."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from feast import FeatureStore

from provender.feast_plugin.online import store_of
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path, valkey: str) -> Iterator[FeatureStore]:
    assert valkey
    made = store(tmp_path / "repo", project=f"p{uuid4().hex[:8]}")
    yield made
    store_of(made.config).delete(made.project)


@pytest.fixture
def path(tmp_path: Path) -> str:
    columns = "driver_id customer_id event_timestamp value extra"
    found = rows((1, 7, NOON, 111, 5), (2, 1, NOON, 222, 6), columns=columns)
    return write(tmp_path / "stats.parquet", found)


def looked_up(repo: FeatureStore, key: str, *values: int) -> list[int | None]:
    asked = [{key: value} for value in values]
    return repo.get_online_features(["stats:value"], asked).to_dict()["value"]


def test_a_view_that_gets_another_key_serves_nothing_until_it_is_materialised(
    repo: FeatureStore, path: str
) -> None:
    repo.apply([DRIVER, CUSTOMER, view(path)])
    repo.materialize(NOON - HOUR, NOON + HOUR)
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]
    repo.apply([DRIVER, CUSTOMER, view(path, entities=[CUSTOMER])])
    assert looked_up(repo, "customer_id", 1, 2, 7) == [None] * 3
    repo.materialize_incremental(NOON + 2 * HOUR)
    assert looked_up(repo, "customer_id", 1, 2, 7) == [222, None, 111]
