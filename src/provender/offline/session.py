"""DuckDB for one retrieval: its limits, a place to spill, and its errors in our words.

Every job has a connection of its own, so jobs in many threads share nothing. No extension is
ever downloaded, and time zones are always UTC.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from provender.core.errors import Corrupt, InvalidInput, ProvenderError, Unavailable
from provender.offline.choose import limit_bytes
from provender.tables import session as tables_session

DEFAULT_BUDGET = 4 << 30
LEAST_BYTES = 64 << 20
"""With less, DuckDB cannot do anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a retrieval may use. ``memory_limit`` is DuckDB's word, such as 4GB; empty is no limit said."""

    memory_limit: str = ""
    threads: int | None = None

    @property
    def budget(self) -> int:
        """The bytes that everything together may take: the limit, else a quarter of the machine, at most 4 GiB."""
        if self.memory_limit:
            return limit_bytes(self.memory_limit, machine_bytes=machine_memory())
        return min(DEFAULT_BUDGET, machine_memory() // 4)


def machine_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def connect(
    limits: Limits, spill: Path | None, *, share: float = 1.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for one job, closed at the end. It may use ``share`` of a memory limit that is said.

    Raises:
        Unavailable: memory or disk do not suffice, or the data cannot be read.
        InvalidInput: a value is not what it must be.
        Corrupt: a file is not what its format says.
    """
    config: dict[str, str | bool | int | float | list[str]] = dict(tables_session.SESSION)
    if limits.memory_limit:
        config["memory_limit"] = f"{max(LEAST_BYTES, int(limits.budget * share))}B"
    if limits.threads:
        config["threads"] = limits.threads
    if spill:
        config["temp_directory"] = str(spill)
    with explained(), duckdb.connect(":memory:", config=config) as session:
        session.execute("SET TimeZone='UTC'")
        yield session


@contextmanager
def explained() -> Iterator[None]:
    """Say what DuckDB, Arrow and the operating system refuse in our words."""
    try:
        yield
    except ProvenderError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(
            f"the retrieval needs more memory or disk than it may use: {error}",
            hint="raise PROVENDER_MEMORY_LIMIT, make room on the disk, or ask for fewer rows or features at once",
        ) from error
    except duckdb.ConversionException as error:
        raise InvalidInput(
            f"a value cannot be read as the type it must have: {error}",
            hint="event timestamps must be timestamps, dates, or ISO 8601 text",
        ) from error
    except (duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise Corrupt(
            f"a file is not what its format says: {error}",
            hint="write the file again, or restore it from a backup; of a dataset: provender dataset verify NAME",
        ) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise Unavailable(
            f"the data could not be read: {error}",
            hint="check that the files are still there and whole: provender dataset verify NAME",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"a file could not be read or written: {error}",
            hint="check that the files are still there, and that the disk has room to spill",
        ) from error
