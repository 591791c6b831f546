"""Settings of their own for every test, and one embedded Valkey for all that need an online store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.feast_plugin import collaborators
from provender.online.embedded import embedded_server
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.feast_plugin import governed, kept
from tests.feast_plugin.kept import Kept


@pytest.fixture(scope="session", autouse=True)
def _feast_knows_it_is_tested() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IS_TEST", "True")  # or it warns that on-demand views are experimental
        yield
    collaborators.close()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder that nothing has touched yet."""
    for name in ("REDIS_URL", "CATALOG_URL", "CLOCK", "ACTOR", "PURPOSE"):
        monkeypatch.delenv(f"PROVENDER_{name}", raising=False)
    monkeypatch.setenv("PROVENDER_HOME", str(tmp_path / "home"))
    bootstrap.settings.cache_clear()
    yield tmp_path / "home"
    bootstrap.settings.cache_clear()


@pytest.fixture
def valkey(valkey_url: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """The URL of a running store, which the settings name."""
    monkeypatch.setenv("PROVENDER_REDIS_URL", valkey_url)
    bootstrap.settings.cache_clear()
    return valkey_url


@pytest.fixture(scope="session")
def governed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a catalog and a lake, to be copied."""
    made = tmp_path_factory.mktemp("governed") / "home"
    governed.govern(Settings(home=made))
    return made


@pytest.fixture(scope="session")
def applied_home(
    governed_home: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    """That of `governed_home` with its repository applied, to be put back."""
    return kept.applied(governed_home, tmp_path_factory.mktemp("applied"), valkey_url)


@pytest.fixture(scope="session")
def filled_home(
    applied_home: Kept, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    """That of `applied_home` with its rows online, to be put back."""
    return kept.filled(applied_home, tmp_path_factory.mktemp("filled"), valkey_url)


@pytest.fixture
def settings(
    request: pytest.FixtureRequest,
    valkey: str,
    governed_home: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """The settings of a governed world that person:ana works in."""
    made = Kept(governed_home, {})
    for name in ("applied_home", "filled_home"):
        if name in request.fixturenames:
            made = request.getfixturevalue(name)
    monkeypatch.setenv("PROVENDER_ACTOR", governed.ANA)
    bootstrap.settings.cache_clear()
    shutil.copytree(made.home, home)
    made.put_back(valkey)
    return bootstrap.settings()


@pytest.fixture
def catalog(settings: Settings) -> LocalCatalog:
    return collaborators.catalog(settings)


@pytest.fixture
def online(settings: Settings) -> Iterator[OnlineStore]:
    store = collaborators.online(settings)
    yield store
    store.delete("trips")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """The folder of a feature repository on the governed dataset."""
    return governed.repository(tmp_path / "repo")


@pytest.fixture
def applied(repo: Path, settings: Settings, online: OnlineStore, applied_home: Kept) -> Path:
    """The folder of the repository, applied."""
    return repo


@pytest.fixture
def filled(repo: Path, settings: Settings, online: OnlineStore, filled_home: Kept) -> Path:
    """The folder of the repository, applied, with its rows online."""
    return repo
