"""What each new connection to a database is told."""

import select
from typing import Any

from sqlalchemy.exc import InvalidatePoolError

MAPPED_BYTES = 1 << 31
"""Of a SQLite file that are read as memory, of which the system gives back what it needs: search
reads thousands of pages all over the file, and asking for each takes longer than reading it."""


def prepare_postgresql(connection: Any, _record: object) -> None:
    """Let it use indices: for words that it knows nothing of it would rather read everything.

    It takes a whole table to be cheap where the first row will do, and compiles long questions.
    It starts other processes for what may be many rows, which takes longer than to read them, and
    does so for what is then not needed.
    """
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET jit = off")
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.commit()


def refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool make connections anew if the server closed this one while nobody used it.

    What it said then waits to be read. To ask it takes as long as a question of ours.
    """
    if connection.closed or _has_something_to_read(connection.fileno()):
        raise InvalidatePoolError


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def prepare_sqlite(connection: Any, _record: object) -> None:
    """Let us say BEGIN ourselves, so that changes of tables are transactional too."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
