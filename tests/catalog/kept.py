"""A catalog that is filled once, and put back to how it was for each test that has it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from tests.postgres import database

Fill = Callable[[str], object]
"""Makes a catalog at a URL."""
PutBack = Callable[[Path], str]


@contextmanager
def kept_postgresql(dsn: str, fill: Fill) -> Iterator[str]:
    """The URL of a database of the server ``dsn`` as ``fill`` leaves it, for `put_back`."""
    with database(dsn) as url:
        fill(url)
        engine = create_engine(url)
        with engine.connect() as connection:
            _keep(connection)
            _connected[url] = connection
            yield url
            del _connected[url]
        engine.dispose()


_connected: dict[str, Connection] = {}
"""To each kept database: a connection that knows already how to put it back is done in a fifth of the time."""


def _keep(connection: Connection) -> None:
    """Keep all rows beside the tables, and make what puts them back."""
    connection.execute(text("CREATE SCHEMA kept"))
    anew = ""
    for table in inspect(connection).get_table_names(schema="public"):
        connection.execute(text(f"CREATE TABLE kept.{table} AS TABLE public.{table}"))
        anew += f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table};"
    connection.execute(
        text(f"CREATE FUNCTION kept.back() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {anew} END $$")
    )
    connection.commit()


def put_back(url: str) -> str:
    """Return the URL of a kept database when its rows are again those that were filled in.

    A copy of the database takes twenty times as long, and truncating so many tables ten times.
    """
    connection = _connected[url]
    connection.execute(text("SET LOCAL session_replication_role = replica"))  # in any order
    connection.execute(text("SELECT kept.back()"))
    connection.commit()
    return url


def kept_sqlite(folder: Path, fill: Fill) -> Path:
    """Return the file of a catalog as ``fill`` leaves it, for `copied`."""
    path = folder / "catalog.db"
    fill(f"sqlite:///{path}")
    return path


def copied(kept: Path, folder: Path) -> str:
    """Return the URL of a copy of a kept file in ``folder``."""
    return f"sqlite:///{shutil.copy(kept, folder / 'catalog.db')}"


@contextmanager
def keeping(request: pytest.FixtureRequest, kind: str, fill: Fill) -> Iterator[PutBack]:
    """What gives the URL of a catalog of ``kind`` as ``fill`` leaves it, anew for each folder."""
    if kind == "sqlite":
        kept = kept_sqlite(request.getfixturevalue("tmp_path_factory").mktemp("kept"), fill)
        yield lambda folder: copied(kept, folder)
        return
    with kept_postgresql(request.getfixturevalue("postgres"), fill) as url:
        yield lambda folder: put_back(url)
