"""A governed catalog, on SQLite and on PostgreSQL; made once, then copied for each test."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from provender.catalog.db import open_database
from provender.catalog.local import LocalCatalog
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
def governed_url(request: pytest.FixtureRequest) -> str:
    """The URL of a catalog that `GOVERNANCE` was applied to, of each kind in turn."""
    found: str = request.getfixturevalue(f"governed_{request.param}")
    return found


@pytest.fixture
def governed_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'catalog.db')}"


@pytest.fixture
def governed_postgresql(postgres_template: str) -> str:
    """One database, put back to how it was kept: a copy of it would take half a second."""
    with create_engine(postgres_template).begin() as connection:
        tables = inspect(connection).get_table_names(schema="kept")
        anew = "".join(  # to truncate so many tables takes ten times as long
            f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table};"
            for table in tables
        )
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # in any order
        connection.execute(text(f"DO $$ BEGIN {anew} END $$"))
    connection.engine.dispose()
    return postgres_template


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "catalog.db"
    govern(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    with database(postgres) as url:
        govern(url)
        with create_engine(url).begin() as connection:
            connection.execute(text("CREATE SCHEMA kept"))
            for table in inspect(connection).get_table_names(schema="public"):
                connection.execute(text(f"CREATE TABLE kept.{table} AS TABLE public.{table}"))
        connection.engine.dispose()
        yield url


def govern(url: str) -> None:
    with LocalCatalog(url, actor="person:gov", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "catalog.db"
    open_database(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres: str) -> Iterator[str]:
    with database(postgres) as url:
        open_database(url).dispose()
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def trail_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a catalog in which nothing happened, of each kind in turn; for its audit trail."""
    if request.param == "sqlite":
        copied = shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "catalog.db")
        return f"sqlite:///{copied}"
    found: str = request.getfixturevalue("empty_postgres")
    with create_engine(found).begin() as connection:
        connection.execute(text("TRUNCATE audit_events, audit_checkpoints, rules"))
    connection.engine.dispose()
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(governed_url: str, clock: Clock) -> Iterator[Connect]:
    """Connects an actor to a catalog that `GOVERNANCE` was applied to."""
    with connecting(governed_url, clock) as connect:
        yield connect


@pytest.fixture
def connect_empty(url: str, clock: Clock) -> Iterator[Connect]:
    """Connects an actor to a catalog in which nothing is declared yet."""
    with connecting(url, clock) as connect:
        yield connect


@contextmanager
def connecting(url: str, clock: Clock) -> Iterator[Connect]:
    with LocalCatalog(url, actor="person:nobody", clock=clock) as catalog:
        yield cache(lambda name: catalog.as_actor(f"person:{name}"))
