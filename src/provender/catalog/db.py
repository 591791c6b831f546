"""Engine, schema and transactions, the same on SQLite and PostgreSQL.

There is one writer at a time: ``BEGIN IMMEDIATE`` in SQLite, an advisory lock held to the
commit in PostgreSQL. A catalog writes rarely; in return versions and audit events are
numbered without gaps in the order of their commits, and nothing needs a second try. Writers of one
process take turns before they come to it: SQLite lets those who wait guess when it is free, and
the unlucky guess for seconds; in PostgreSQL each that waits would hold a connection.

A reader sees one state of the database, however many questions it asks. A writer sees what was
committed when it got the lock and after: a snapshot taken before would be one of the past.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from provender.catalog import blank, compiled, connections
from provender.catalog.legibility import AS_IT_WAS, refuse_illegible
from provender.catalog.rows import SCHEMA
from provender.catalog.troubles import (
    BUSY_SECONDS,
    explain,
    is_busy,
    place,
    unusable,
    unwritable,
)
from provender.core.errors import Corrupt, Misconfigured, Unavailable

CONNECT_SECONDS = 10
CONNECTIONS = 25
"""That are kept where so many were needed at once: to make one takes longer than most questions."""
WRITE_LOCK = 5_072_760_301  # any number, the same in every Provender
WRITING = "provender_writing"
READING: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
TURN_SECONDS = 30
WROTE = "provender_wrote"
"""Where a connection has whether its transaction asked for anything but what is there."""
AFTERWARDS = "afterwards"

Progress = Callable[[str, float], object]
"""Told what is being done, and how much of it is, from 0 to 1."""


def unheard(_stage: str, _done: float) -> None:
    """The `Progress` that nobody looks at."""


_turns: dict[str, threading.Lock] = {}
"""Who writes to which database, in this process."""
os.register_at_fork(after_in_child=_turns.clear)  # whoever held one is not in the child


def open_database(url: str, *, progress: Progress = unheard) -> Engine:
    """Return the engine of ``url``, its tables made or brought up to date.

    Safe when several processes start at once: one makes the tables, the others wait.

    Raises:
        Misconfigured: the URL is malformed, the folder cannot be written, or the tables are
            of a newer Provender.
        Unavailable: PostgreSQL does not answer.
        Corrupt: the file is not a database, or is one of something else.
    """
    engine = _engine(_parse(url))
    try:
        with explained(engine):
            _use_write_ahead_log(engine)
            with engine.connect() as connection:
                current = _stamp(connection)
            if current != SCHEMA:
                upgrade(engine, progress=progress)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def transaction(engine: Engine, *, write: bool = False) -> Iterator[Session]:
    """A session that commits at the end, or rolls back if the body raises.

    Raises:
        Conflict: what is written contradicts what somebody else wrote.
        Unavailable: the database is gone, or was busy for too long.
        Corrupt: its file is damaged.
    """
    if not write:
        bound = _for_reading(engine)
        with explained(engine), Session(bound, expire_on_commit=False) as db, db.begin():
            yield db
        return
    bound = engine.execution_options(**{WRITING: True})
    works: list[Callable[[], object]] = []
    with _turn(engine):
        with explained(engine), Session(bound, expire_on_commit=False) as db, db.begin():
            db.info[AFTERWARDS] = works
            take_write_lock(db.connection())
            db.connection().info[WROTE] = False
            yield db
        for work in works:
            work()


def afterwards(db: Session, work: Callable[[], object]) -> None:
    """Do ``work`` once what ``db`` writes is committed, before anybody else of this process writes."""
    works = db.info.get(AFTERWARDS)
    if works is not None:
        works.append(work)


def has_written(db: Session) -> bool:
    """Return whether ``db`` may see what it wrote itself, and not only what was committed."""
    return bool(db.connection().info.get(WROTE, True))


def take_write_lock(connection: Connection) -> None:
    """Wait until no other transaction writes; SQLite's BEGIN IMMEDIATE has waited already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITE_LOCK})


def _for_reading(engine: Engine) -> Engine:
    reading = READING if engine.dialect.name == "postgresql" else {}
    return engine.execution_options(**{WRITING: False}, **reading)


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """Wait until no other thread of this process writes to the same database."""
    is_file = engine.dialect.name == "sqlite"
    turn = _turns.setdefault(str(engine.url.database if is_file else engine.url), threading.Lock())
    if not turn.acquire(timeout=TURN_SECONDS if is_file else -1):
        raise Unavailable(
            f"the catalog {place(engine.url)} was busy for {TURN_SECONDS} s",
            hint="another thread is writing for long; try again when it is done",
        )
    try:
        yield
    finally:
        turn.release()


def revision_of(url: str) -> str | None:
    """Return the revision of the tables at ``url``, as they are; None: there are none.

    Raises:
        Misconfigured, Unavailable, Corrupt: as `open_database`.
    """
    engine = _engine(_parse(url))
    try:
        with explained(engine), engine.connect() as connection:
            return _stamp(connection)
    finally:
        engine.dispose()


def upgrade(engine: Engine, revision: str = "head", *, progress: Progress = unheard) -> None:
    """Bring the tables to ``revision``, in one transaction.

    Raises:
        Corrupt: the database holds tables of something else.
        Misconfigured: the tables are of a newer Provender.
    """
    with engine.execution_options(**{WRITING: True, AS_IT_WAS: True}).begin() as connection:
        take_write_lock(connection)
        if _stamp(connection) != SCHEMA or revision != "head":
            upgrade_in(connection, revision, progress=progress)


def upgrade_in(
    connection: Connection, revision: str = "head", *, progress: Progress = unheard
) -> None:
    """`upgrade`, in the transaction of ``connection``, which must hold the write lock."""
    if revision == "head" and blank.is_blank(connection):
        blank.fill_in(connection)
        return
    from alembic import command  # 0.2 s to import, once per schema: not at every start
    from alembic.script import ScriptDirectory

    config = migrations(connection)
    scripts = ScriptDirectory.from_config(config)
    steps = [s.revision for s in scripts.iterate_revisions(revision, _stamp(connection) or "base")]
    done = 0

    def told(step: Any, **_: Any) -> None:
        nonlocal done
        done += 1
        progress(f"revision {step.up_revision_id}", done / max(len(steps), 1))

    config.attributes["on_version_apply"] = told
    command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables back to ``revision`` (``base``: none), in one transaction."""
    with engine.execution_options(**{WRITING: True}).begin() as connection:
        take_write_lock(connection)
        downgrade_in(connection, revision)


def downgrade_in(connection: Connection, revision: str) -> None:
    """`downgrade`, in the transaction of ``connection``, which must hold the write lock."""
    from alembic import command

    command.downgrade(migrations(connection), revision)


@contextmanager
def rewriting(url: str) -> Iterator[Connection]:
    """A transaction on the database of ``url`` as it is, in which all of it may be made anew.

    Raises:
        Misconfigured, Unavailable, Corrupt, Conflict: as `open_database` and `transaction`.
    """
    engine = _engine(_parse(url))
    try:
        with _turn(engine), explained(engine):
            _use_write_ahead_log(engine)
            options = {WRITING: True, AS_IT_WAS: True}
            with engine.execution_options(**options).begin() as connection:
                take_write_lock(connection)
                _stamp(connection)
                yield connection
    finally:
        engine.dispose()


def migrations(connection: Connection) -> Any:
    """Return Alembic's configuration, running over ``connection``."""
    from alembic.config import Config

    config = Config()
    folder = resources.files("provender.catalog") / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn the database's errors of the body into ours."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:  # a PRAGMA on connecting raises its own
        ours = explain(error, engine.url)
        if ours is None:
            raise
        raise ours from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise unusable(url) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise unusable(url)
    if not parsed.database or parsed.database == ":memory:":
        raise Misconfigured(
            "the catalog's SQLite URL names no file", hint="write sqlite:///path/to/catalog.db"
        )
    try:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(parsed, error.strerror or str(error)) from error
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "provender"},
        )
        event.listen(engine, "connect", connections.prepare_postgresql)
        event.listen(engine, "checkout", connections.refuse_closed)
    else:
        engine = create_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=-1,
            hide_parameters=True,  # errors would say what somebody wrote
            connect_args={"timeout": BUSY_SECONDS},
        )
        event.listen(engine, "connect", connections.prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    compiled.share(engine)
    event.listen(engine, "before_cursor_execute", _note_writing)
    refuse_illegible(engine)
    return engine


def _note_writing(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    if not statement.startswith("SELECT"):
        connection.info[WROTE] = True


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if writing is False else 'OFF'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _use_write_ahead_log(engine: Engine) -> None:
    """Switch a SQLite file to WAL, for good. The switch does not wait for others, so we do."""
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        finally:
            raw.close()


def _stamp(connection: Connection) -> str | None:
    """Return the revision of the tables, None if there are none.

    Raises:
        Corrupt: there are tables, but not ours.
        Misconfigured: the revision is one that this code does not know.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise Corrupt(
                f"{place(connection.engine.url)} is a database of something else: it has tables "
                + ", ".join(sorted(tables)[:5]),
                hint="set PROVENDER_CATALOG_URL or PROVENDER_HOME to a place of its own",
            )
        return None
    stamp = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if stamp is not None and stamp > SCHEMA:
        raise Misconfigured(
            f"the catalog {place(connection.engine.url)} has schema {stamp}, "
            f"this Provender knows up to {SCHEMA}",
            hint="it was written by a newer Provender: upgrade this one",
        )
    return None if stamp is None else str(stamp)
