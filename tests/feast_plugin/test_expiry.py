"""Rows that vanish by themselves, by the age that their view allows: what materialising makes of it."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from feast import FeatureStore, FeatureView
from feast.infra.common.materialization_job import MaterializationTask

from provender.catalog.local import LocalCatalog
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.online import store_of
from provender.feast_plugin.repo import apply
from provender.online.codec import key_prefix
from provender.online.store import OnlineStore
from provender.online.upkeep import EPOCH
from provender.settings import Settings
from tests.feast_plugin.governed import CONFIGURATION, repository
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows, store, view, write


def run(repo: FeatureStore, table: FeatureView, start: datetime, end: datetime) -> None:
    engine = repo.provider.batch_engine
    assert isinstance(engine, ProvenderEngine)
    applied = repo.get_feature_view(table.name)
    engine.run(
        MaterializationTask(
            project=repo.project, feature_view=applied, start_time=start, end_time=end
        )
    )


def test_rows_vanish_by_age_where_that_is_chosen_and_come_back_where_it_no_longer_is(
    tmp_path: Path, valkey: str
) -> None:
    assert valkey
    project, folder = f"p{uuid4().hex[:8]}", tmp_path / "repo"
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 7))), ttl=timedelta(hours=2))
    brief = store(folder, project=project, online={"online_expiry": "view-ttl"})
    brief.apply([DRIVER, table])
    run(brief, table, EPOCH, NOON + HOUR)
    applied = brief.get_feature_view("stats")
    assert brief.provider.batch_engine.resume(applied) == NOON + HOUR
    with store_of(brief.config).options.connect() as client:
        [key] = list(client.scan_iter(match=key_prefix(project, "stats") + b"{*"))
        assert 3500 < client.ttl(key) <= 3600
        lasting = store(folder, project=project)
        assert lasting.provider.batch_engine.resume(applied) == EPOCH
        run(lasting, table, EPOCH, NOON + HOUR)
        assert client.ttl(key) == -1
    store_of(lasting.config).delete(project)


@pytest.mark.parametrize(
    ("option", "with_ttl", "after"),
    [
        ("", False, None),
        ("  online_expiry: view-ttl\n", True, None),
        ("  key_ttl_seconds: 600\n", False, timedelta(minutes=10)),
    ],
)
def test_servers_are_told_with_the_definitions_when_rows_vanish(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    option: str,
    with_ttl: bool,
    after: timedelta | None,
) -> None:
    chosen = CONFIGURATION.replace("OnlineStore\n", f"OnlineStore\n{option}")
    apply(repository(repo, configuration=chosen), catalog, online, settings=settings)
    published = online.manifest("trips")
    assert published is not None
    told = published.view("trips")
    assert (told.expires_with_ttl, told.expires_after) == (with_ttl, after)
    again = apply(repository(repo), catalog, online, settings=settings)
    assert bool(again.changed) == bool(option)
