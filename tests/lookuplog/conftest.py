"""A home with the catalog of `world`, in which nothing was logged yet."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.settings import Settings
from tests.lookuplog import world


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "home"
    with bootstrap.catalog(Settings(home=home, actor=world.SAM)) as catalog:
        logs = [world.log_of(service) for service in (world.PLAIN, world.MIXED)]
        catalog.desk.apply(world.governance(*logs))
        catalog.record(world.REPO)
    return home


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    shutil.copytree(made, tmp_path / "home")
    return Settings(home=tmp_path / "home", actor=world.SAM)


@pytest.fixture
def catalog(settings: Settings) -> Iterator[LocalCatalog]:
    with bootstrap.catalog(settings) as opened:
        yield opened
