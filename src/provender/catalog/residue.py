"""What a database keeps of deleted rows: bytes in its file and its log, until something overwrites them."""

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from provender.catalog.db import afterwards, explained

TABLES = ("profiles", "version_checks")
"""Those with values of rows in them."""


def overwrite(db: Session) -> None:
    """Let nothing stay of what ``db`` deletes from now on, and of `TABLES` once that is committed.

    PostgreSQL writes the tables anew, for which nobody else may use them for that time; its log
    is kept by whoever runs it. SQLite fills with zeros, and its log is emptied, unless somebody reads
    at that moment: then the next one to come does it.
    """
    if db.get_bind().dialect.name == "sqlite":
        db.execute(text("PRAGMA secure_delete = ON"))
    engine = db.connection().engine
    afterwards(db, lambda: _settle(engine))


def _settle(engine: Engine) -> None:
    with explained(engine):
        if engine.dialect.name == "sqlite":
            raw = engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.close()
            return
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in TABLES:
                connection.execute(text(f"VACUUM FULL {table}"))
