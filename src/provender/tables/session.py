"""A DuckDB connection for reading and writing the lake: UTC, and no extension is ever fetched."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

SESSION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "async_threads": 0,
}
"""Without threads that read ahead: an interrupted query waited for good for what they had lost (DuckDB 2.0.0)."""


@contextmanager
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, closed at the end."""
    with duckdb.connect(":memory:", config=SESSION) as connection:
        connection.execute("SET TimeZone='UTC'")
        yield connection
