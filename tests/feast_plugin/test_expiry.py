"""Rows that vanish by themselves, by the age that their view allows: what materialising makes of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from feast import FeatureStore, FeatureView
from feast.infra.common.materialization_job import MaterializationTask

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.feast_plugin import collaborators
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.online import store_of
from provender.feast_plugin.parity import compare
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import engine_of
from provender.online.codec import KeyCodec, key_prefix
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


def test_a_row_that_vanished_as_configured_is_not_missing_and_is_not_brought_back(
    tmp_path: Path, valkey: str
) -> None:
    assert valkey
    project, folder, now = f"p{uuid4().hex[:8]}", tmp_path / "repo", datetime.now(UTC)
    written = rows((1, now - 50 * HOUR, 7), (2, now - HOUR, 8), (3, now - HOUR, 9))
    table = view(write(tmp_path / "f.parquet", written), ttl=timedelta(hours=2))
    brief = store(folder, project=project, online={"online_expiry": "view-ttl"})
    brief.apply([DRIVER, table])
    run(brief, table, EPOCH, now)
    applied = brief.get_feature_view("stats")
    online, engine = store_of(brief.config), engine_of(brief)
    codec = KeyCodec(project, engine.work(applied).served)
    keys = [key for key in codec.keys([[1, 2, 3]], 3) if key]
    with collaborators.using(bootstrap.settings()), online.options.connect() as client:
        assert compare(engine, applied).parity.equal == 3
        client.delete(keys[0])  # what the server does within the hour
        found = compare(engine, applied).parity
        assert (found.equal, found.expired, found.missing, found.is_whole) == (2, 1, 0, True)
        client.delete(keys[1])
        found = compare(engine, applied).parity
        assert (found.expired, found.missing, found.is_whole) == (1, 1, False)
    task = MaterializationTask(
        project=project, feature_view=applied, start_time=EPOCH, end_time=now
    )
    done = engine.run(task, skip_expired=True)
    assert (done.read, [row is None for row in online.read(keys)]) == (2, [True, False, False])
    assert engine.resume(applied) == now
    online.delete(project)
