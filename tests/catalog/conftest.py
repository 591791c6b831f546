"""A governed catalog, on SQLite and on PostgreSQL; made once, then copied for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from provender.catalog.local import LocalCatalog
from provender.catalog.reindexing import open_catalog
from tests.catalog.kept import copied, kept_postgresql, kept_sqlite, put_back
from tests.catalog.world import GOVERNANCE, Clock, Connect
from tests.postgres import database, postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a catalog in which nothing is, of each kind in turn; a file is made when opened."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    found: str = request.getfixturevalue("blank_postgresql")
    return found


@pytest.fixture
def blank_postgresql(postgres: str, blank_template: str) -> Iterator[str]:
    with database(postgres, like=blank_template) as url:
        yield url


@pytest.fixture(scope="session")
def blank_template(postgres: str) -> Iterator[str]:
    """To be copied, in a tenth of the time that it takes to make one."""
    with database(postgres) as url:
        open_catalog(url).dispose()
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def governed_url(request: pytest.FixtureRequest) -> str:
    """The URL of a catalog that `GOVERNANCE` was applied to, of each kind in turn."""
    found: str = request.getfixturevalue(f"governed_{request.param}")
    return found


@pytest.fixture
def governed_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    return copied(sqlite_template, tmp_path)


@pytest.fixture
def governed_postgresql(postgres_template: str) -> str:
    return put_back(postgres_template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_sqlite(tmp_path_factory.mktemp("template"), govern)


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    with kept_postgresql(postgres, govern) as url:
        yield url


def govern(url: str) -> None:
    with LocalCatalog(url, actor="person:gov", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(governed_url: str, clock: Clock) -> Iterator[Connect]:
    """Connects an actor to a catalog that `GOVERNANCE` was applied to."""
    with connecting(governed_url, clock) as connect:
        yield connect


@pytest.fixture
def connect_empty(blank_url: str, clock: Clock) -> Iterator[Connect]:
    """Connects an actor to a catalog in which nothing is declared yet."""
    with connecting(blank_url, clock) as connect:
        yield connect


@contextmanager
def connecting(url: str, clock: Clock) -> Iterator[Connect]:
    with LocalCatalog(url, actor="person:nobody", clock=clock) as catalog:
        yield cache(lambda name: catalog.as_actor(f"person:{name}"))
