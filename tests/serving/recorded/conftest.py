"""Our server in a process of its own over a real Valkey, with the rows that Feast was recorded with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provender import bootstrap
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply
from provender.online.embedded import embedded_server
from provender.settings import Settings
from tests.serving.conftest import Running, starting
from tests.serving.recorded import record
from tests.serving.recorded.repository.data import NOON

OURS = {
    "offline_store": {"type": "provender.feast_plugin.offline.ProvenderOfflineStore"},
    "online_store": {"type": "provender.feast_plugin.online.ProvenderOnlineStore"},
    "batch_engine": {"type": "provender.feast_plugin.engine.ProvenderEngine"},
}


def fill(folder: Path, settings: Settings) -> None:
    """Apply both editions of the repository, and materialise it."""
    record.prepare(folder, OURS)
    with bootstrap.catalog(settings) as catalog, bootstrap.online(settings) as online:
        for edition in (1, 2):
            record.set_edition(folder, edition)
            apply(folder, catalog, online, settings=settings)
    with open_store(folder, settings) as store:
        store.materialize(*record.WINDOW)


@pytest.fixture(scope="package")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("recorded")
    folder = home / "repository"
    with embedded_server(home / "valkey") as valkey, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IS_TEST", "True")  # or Feast warns that on-demand views are experimental
        patch.setenv("PROVENDER_HOME", str(home / "state"))
        patch.setenv("PROVENDER_REDIS_URL", valkey.url)
        bootstrap.settings.cache_clear()
        fill(folder, bootstrap.settings())
        collaborators.close()
        clock = NOON.isoformat()
        with starting(
            home, valkey.url, project=record.PROJECT, repo=str(folder), clock=clock
        ) as running:
            yield running
        bootstrap.settings.cache_clear()
