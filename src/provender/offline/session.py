"""DuckDB for one retrieval: its limits, a place to spill, and its errors in our words.

Every job has a connection of its own, so jobs in many threads share nothing. No extension is
ever downloaded, and time zones are always UTC.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from provender.core.errors import Corrupt, InvalidInput, ProvenderError, Unavailable
from provender.offline.choose import limit_bytes
from provender.tables import session as tables_session
from provender.tables.shortages import FEWER_FILES, is_crowded, is_full
from provender.tables.spill import spilling

DEFAULT_BUDGET = 4 << 30
CGROUP = Path("/sys/fs/cgroup/memory.max")
LEAST_BYTES = 64 << 20
"""With less, DuckDB cannot do anything."""
EXPLAINED = (duckdb.Error, pa.ArrowException, OSError)
INTERRUPTED = ("Query interrupted", "INTERRUPT Error")
"""DuckDB says the first, in a plain RuntimeError, when Python has an exception for a signal."""
DAMAGE = (duckdb.InvalidInputException, duckdb.SerializationException)
CONVERSIONS = (duckdb.ConversionException, duckdb.OutOfRangeException)
CONVERTED = ("Conversion Error", "Out of Range Error")
MICROS = "instant_us"
NANOS = "epoch_ns(TRY_CAST(x AS TIMESTAMPTZ_NS))"
MACRO = (
    f"CREATE TEMP MACRO {MICROS}(x) AS CASE WHEN typeof(x) IN ('TIMESTAMPTZ_NS', 'TIMESTAMP_NS') "
    f"THEN ({NANOS} - (({NANOS} % 1000) + 1000) % 1000) // 1000 "
    "ELSE epoch_us(CAST(x AS TIMESTAMPTZ)) END"
)
"""Microseconds since 1970 UTC. A cast would round nanoseconds, and let the future be known half a microsecond early."""


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


def machine_memory(limit: Path = CGROUP) -> int:
    """Return the bytes of memory that this machine has, or its container, whose limit is in the file ``limit``."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        said = limit.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(said)) if said.isdigit() else total


def spill_area(lake: Path, temp_directory: Path | None) -> Path:
    """Return where retrievals spill: as said, else beside the lake, else, where there is none, in the user's cache."""
    if temp_directory is not None:
        return temp_directory
    if lake.parent.exists():
        return lake.parent / "spill"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "provender" / "spill"


@contextmanager
def connect(
    limits: Limits, area: Path, *, share: float = 1.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for one job, closed at the end. It may use ``share`` of a memory limit that is said.

    What memory does not hold is spilled below ``area``; where nothing can be written there, nothing is spilled.

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
    with ExitStack() as stack:
        config["temp_directory"] = ""
        with suppress(Unavailable):
            config["temp_directory"] = str(stack.enter_context(spilling(area)))
        stack.enter_context(explained())
        session = stack.enter_context(duckdb.connect(":memory:", config=config))
        session.execute(f"SET TimeZone='UTC'; {MACRO}")
        yield session


@contextmanager
def explained() -> Iterator[None]:
    """Say what DuckDB, Arrow and the operating system refuse in our words.

    Where rows are streamed, DuckDB's errors come through Arrow, and only their text tells them apart.

    Raises:
        KeyboardInterrupt: DuckDB was told to end what it does; Ctrl-C tells it so, too.
    """
    try:
        yield
    except ProvenderError:
        raise
    except (*EXPLAINED, RuntimeError) as error:
        if is_interrupted(error):
            raise KeyboardInterrupt from error
        if not isinstance(error, EXPLAINED):
            raise
        raise _in_words(error, str(error)) from error


def is_interrupted(error: BaseException) -> bool:
    """Return whether ``error`` is how DuckDB ends what it was told to end."""
    if isinstance(error, duckdb.InterruptException):
        return True
    return isinstance(error, Exception) and any(words in str(error) for words in INTERRUPTED)


def _in_words(error: Exception, said: str) -> ProvenderError:
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in said:
        return Unavailable(
            f"the retrieval needs more memory or disk than it may use: {said}",
            hint="raise PROVENDER_MEMORY_LIMIT, make room on the disk, or ask for fewer rows or features at once",
        )
    if is_crowded(error):
        return Unavailable(f"no more files can be opened: {said}", hint=FEWER_FILES)
    if is_full(error) or "Could not write" in said:
        return Unavailable(
            f"there is no room for what memory does not hold: {said}",
            hint="make room on that disk, or set temp_directory in feature_store.yaml to a folder on another one",
        )
    if isinstance(error, CONVERSIONS) or any(words in said for words in CONVERTED):
        return InvalidInput(  # DuckDB quotes the value, which who asks may not be let see
            "a value cannot be read as the type it must have",
            hint="event timestamps must be timestamps, dates, or ISO 8601 text",
        )
    if isinstance(error, DAMAGE) or "Failed to read file" in said:
        return Corrupt(
            f"a file is not what its format says: {said}",
            hint="write the file again, or restore it from a backup; of a dataset: provender dataset verify NAME",
        )
    if isinstance(error, OSError):
        return Unavailable(
            f"a file could not be read or written: {error}",
            hint="check that the files are still there, and that the disk has room to spill",
        )
    return Unavailable(
        f"the data could not be read: {said}",
        hint="check that the files are still there and whole: provender dataset verify NAME",
    )
