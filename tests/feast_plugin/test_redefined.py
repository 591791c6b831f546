"""A view whose definition changes: what is read and written meanwhile, by whom knows which one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from feast import FeatureStore, FeatureView, PushSource

from provender import bootstrap
from provender.core.errors import Conflict
from provender.feast_plugin.online import store_of
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, rows, store, view, write

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


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


def pushed(path: str, *features: str) -> list[Any]:
    """Return a view that takes pushed rows, with what it needs."""
    plain = view(path, *features)
    source = PushSource(name="stats_push", batch_source=plain.batch_source)
    made = FeatureView(
        name="stats", entities=[DRIVER], schema=plain.schema, source=source, ttl=None
    )
    return [DRIVER, source, made]


def test_a_process_that_knows_an_older_definition_writes_nothing_over_newer_rows(
    repo: FeatureStore, path: str, tmp_path: Path
) -> None:
    repo.apply(pushed(path, "value"))
    kept = {"cache_mode": "thread"}  # what was read is kept for ten minutes
    stale = store(tmp_path / "repo", project=repo.project, registering=kept)
    stale.push("stats_push", rows((2, NOON, 3)))
    repo.apply(pushed(path, "value", "extra"))
    repo.materialize(BEGINNING, NOON + HOUR)
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]
    for at in (NOON - 100 * HOUR, NOON + HOUR):
        with pytest.raises(Conflict, match="is defined otherwise by now than this process knows"):
            stale.push("stats_push", rows((1, at, 1)))
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]
    stale.refresh_registry()
    newer = (1, NOON + HOUR, 4, 5)
    stale.push("stats_push", rows(newer, columns="driver_id event_timestamp value extra"))
    assert looked_up(repo, "driver_id", 1, 2) == [4, 222]


def test_a_new_definition_takes_pushes_before_it_is_materialised(
    repo: FeatureStore, path: str
) -> None:
    repo.apply(pushed(path, "value"))
    repo.push("stats_push", rows((1, NOON, 3)))
    repo.apply(pushed(path, "value", "extra"))
    older = (1, NOON - HOUR, 4, 5)
    repo.push("stats_push", rows(older, columns="driver_id event_timestamp value extra"))
    assert looked_up(repo, "driver_id", 1) == [4]


def test_another_secret_of_entity_ids_starts_anew(
    repo: FeatureStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVENDER_ENTITY_IDS", "hashed")
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the first of 16 chars")
    bootstrap.settings.cache_clear()
    repo.apply([DRIVER, view(path)])
    repo.materialize(BEGINNING, NOON + HOUR)
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the second of 16 chars")
    bootstrap.settings.cache_clear()
    repo.apply([DRIVER, view(path)])
    assert looked_up(repo, "driver_id", 1, 2) == [None, None]
    repo.materialize_incremental(NOON + 2 * HOUR)
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]


def test_a_view_that_gets_another_key_serves_nothing_until_it_is_materialised(
    repo: FeatureStore, path: str
) -> None:
    repo.apply([DRIVER, CUSTOMER, view(path)])
    repo.materialize(BEGINNING, NOON + HOUR)
    assert looked_up(repo, "driver_id", 1, 2) == [111, 222]
    repo.apply([DRIVER, CUSTOMER, view(path, entities=[CUSTOMER])])
    assert looked_up(repo, "customer_id", 1, 2, 7) == [None] * 3
    repo.materialize_incremental(NOON + 2 * HOUR)
    assert looked_up(repo, "customer_id", 1, 2, 7) == [222, None, 111]
