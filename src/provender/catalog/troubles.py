"""What went wrong in a database, in our words: from its errors to those that a caller can act upon."""

import sqlite3

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from provender.core.errors import (
    Conflict,
    Corrupt,
    InvalidInput,
    Misconfigured,
    ProvenderError,
    Unavailable,
)

BUSY_SECONDS = 30
NO_ROOM = ("53", "58", "XX")
"""Classes of PostgreSQL's errors: of resources that ran out, the system below it, and itself."""


def explain(error: DBAPIError | sqlite3.Error, url: URL) -> ProvenderError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = next(iter(str(cause).strip().splitlines()), "no reason is given")
    if isinstance(error, IntegrityError):
        return Conflict(
            f"somebody else was first: {reason}", hint="look at what there is now, then try again"
        )
    if isinstance(error, DataError):
        return InvalidInput(
            f"the catalog cannot keep a value: {reason}", hint="take out what is not text"
        )
    if isinstance(cause, sqlite3.Error):
        return _explain_sqlite(cause, url, reason)
    if str(getattr(cause, "sqlstate", "") or "").startswith(NO_ROOM):
        return Unavailable(
            f"the catalog's PostgreSQL at {place(url)} cannot write: {reason}",
            hint="make room on its disk",
        )
    if isinstance(error, OperationalError):
        return Unavailable(
            f"the catalog's PostgreSQL at {place(url)} does not answer: {reason}",
            hint="start it or correct PROVENDER_CATALOG_URL; without that setting SQLite is used",
        )
    return None


def _explain_sqlite(error: sqlite3.Error, url: URL, reason: str) -> ProvenderError | None:
    name = getattr(error, "sqlite_errorname", "")  # errors of the module itself have none
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return Corrupt(
            f"the catalog {place(url)} is damaged or not a database: {reason}",
            hint="restore it from a backup, or move it away to start an empty one",
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return unwritable(url, reason)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(
            f"the catalog {place(url)} was busy for {BUSY_SECONDS} s",
            hint="another process is writing for long; try again when it is done",
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return Unavailable(
            f"the catalog {place(url)} cannot be written: {reason}", hint="make room on the disk"
        )
    return None


def unwritable(url: URL, reason: str) -> Misconfigured:
    return Misconfigured(
        f"the catalog {place(url)} cannot be opened for writing: {reason}",
        hint="set PROVENDER_HOME to a folder that you may write",
    )


def unusable(url: str) -> Misconfigured:
    scheme = url.partition("://")[0]
    return Misconfigured(
        f"a catalog cannot be kept at a {scheme!r} URL",
        hint="write postgresql://user@host/database or sqlite:///path",
    )


def is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def place(url: URL) -> str:
    """Where it is, without a password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)
