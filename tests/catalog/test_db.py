import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select, text

from provender.catalog.db import open_database, transaction
from provender.catalog.rows import SCHEMA, Row
from provender.catalog.rows.governance import TeamRow
from provender.core.errors import Conflict, Corrupt, Misconfigured, Unavailable

NOBODY = 65534


def start(url: str) -> list[str]:
    """Open the database as the first thing of a new process, eight times at once; return errors."""

    def attempt(_: int) -> str:
        try:
            open_database(url).dispose()
        except Exception as error:  # noqa: BLE001 - told to the parent
            return repr(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(attempt, range(8)))


def test_many_processes_may_start_first_at_once(url: str):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(start, [url] * 2, chunksize=1) == [[""] * 8] * 2
    engine = open_database(url)
    with transaction(engine) as db:
        assert db.scalars(text("SELECT version_num FROM alembic_version")).all() == [SCHEMA]
    engine.dispose()


def test_a_folder_is_made_for_a_new_file(tmp_path: Path):
    open_database(f"sqlite:///{tmp_path}/a/b/catalog.db").dispose()
    assert (tmp_path / "a/b/catalog.db").exists()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense", "sqlite://"])
def test_a_url_of_something_else_is_refused(url: str):
    with pytest.raises(Misconfigured) as error:
        open_database(url)
    assert "sqlite:///path" in error.value.hint


def test_a_postgresql_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(Unavailable, match=r"localhost:1/provender does not answer") as error:
        open_database("postgresql://ana:secret@localhost:1/provender")
    assert "secret" not in str(error.value)
    assert "PROVENDER_CATALOG_URL" in error.value.hint


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    path = tmp_path / "catalog.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    with pytest.raises(Corrupt, match=r"catalog.db is damaged or not a database"):
        open_database(f"sqlite:///{path}")


def test_a_half_written_database_is_named(sqlite_template: Path, tmp_path: Path):
    path = tmp_path / "catalog.db"
    path.write_bytes(sqlite_template.read_bytes()[:10_000])
    with pytest.raises(Corrupt, match="damaged"):
        read_everything(f"sqlite:///{path}")


def read_everything(url: str) -> None:
    engine = open_database(url)
    try:
        with transaction(engine) as db:
            for table in Row.metadata.sorted_tables:
                db.execute(select(table)).all()
    finally:
        engine.dispose()


def test_an_empty_file_becomes_a_catalog(tmp_path: Path):
    (tmp_path / "catalog.db").touch()
    open_database(f"sqlite:///{tmp_path / 'catalog.db'}").dispose()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path):
    path = tmp_path / "catalog.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()
    with pytest.raises(Corrupt, match="it has tables songs"):
        open_database(f"sqlite:///{path}")
    with sqlite3.connect(path) as other:
        names = other.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()
    assert names == [("songs",)]


def test_tables_of_a_newer_provender_are_left_alone(governed_url: str):
    engine = open_database(governed_url)
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    try:
        with pytest.raises(Misconfigured, match=f"has schema 9999, .* knows up to {SCHEMA}"):
            open_database(governed_url)
    finally:
        stamp(governed_url)


def stamp(url: str) -> None:
    """Put the revision back, for the tests that follow."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{SCHEMA}'"))
    engine.dispose()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere; be somebody who may not."""
    was = os.geteuid()
    os.seteuid(NOBODY if was == 0 else was)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_folder_that_cannot_be_written_is_named():
    home = Path(tempfile.mkdtemp(prefix="provender-ro-", dir="/tmp"))
    home.chmod(0o555)
    try:
        with as_nobody(), pytest.raises(Misconfigured, match="cannot be opened") as error:
            open_database(f"sqlite:///{home}/catalog.db")
    finally:
        home.chmod(0o755)
        shutil.rmtree(home)
    assert str(home) in error.value.message
    assert "PROVENDER_HOME" in error.value.hint


def test_a_path_through_a_file_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be opened for writing"):
        open_database(f"sqlite:///{tmp_path}/file/catalog.db")


def test_a_contradiction_between_writers_is_a_conflict(governed_url: str):
    engine = open_database(governed_url)
    with pytest.raises(Conflict), transaction(engine, write=True) as db:
        db.execute(text("INSERT INTO teams (id) VALUES ('team:ops')"))
    engine.dispose()


def test_what_a_failed_transaction_wrote_is_gone(governed_url: str):
    engine = open_database(governed_url)
    with pytest.raises(KeyError):
        fail_after_writing(engine)
    with transaction(engine) as db:
        assert not db.scalars(text("SELECT id FROM teams WHERE id = 'team:new'")).all()
    engine.dispose()


def fail_after_writing(engine: Engine) -> None:
    with transaction(engine, write=True) as db:
        db.execute(text("INSERT INTO teams (id) VALUES ('team:new')"))
        raise KeyError


def test_what_was_compiled_for_one_catalog_is_for_the_next_of_its_kind_and_no_other(
    postgres_url: str, tmp_path: Path
):
    urls = (f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}", postgres_url)
    one, next_one, other = engines = [open_database(url) for url in urls]
    kept = [engine.get_execution_options()["compiled_cache"] for engine in engines]
    with transaction(one) as db:
        db.scalars(select(TeamRow.id).where(TeamRow.id == "team:of-this-test")).all()
    before = set(kept[0])
    with transaction(next_one) as db:
        db.scalars(select(TeamRow.id).where(TeamRow.id == "team:of-that-test")).all()
    assert kept[1] is kept[0]
    assert set(kept[1]) == before
    assert kept[2] is not kept[0]
    assert other.dialect.name == "postgresql"
    for engine in engines:
        engine.dispose()
