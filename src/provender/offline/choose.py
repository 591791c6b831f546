"""Which engine answers a plan, by the setting and by measured sizes. Pure: it measures nothing.

DuckDB is first: it starts at once and spills what its memory does not hold. A cluster is worth
its start-up only where one machine would spill many times its memory, and only if it is more than
this machine.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from provender.core.errors import InvalidInput

INFLATION = 4
"""Bytes in memory for a byte in a compressed columnar file, on the cautious side."""
SPINE_ROW_BYTES = 64
"""What a spine row takes while it is matched: instant, row number, keys."""
SPILLS = 16
"""Times its memory that DuckDB may have to move through its spill files before a cluster is asked."""
DEFAULT_SHARE = 0.8
"""The part of the machine's memory that DuckDB takes where no limit is set."""
LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[KMGT]i?B|B)\Z", re.IGNORECASE)
AUTO = "auto"
THOUSANDS = {"B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class Engine(StrEnum):
    """Who runs a plan."""

    DUCKDB = "duckdb"
    SPARK = "spark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What was measured: bytes of the source files on disk, rows of the spine, bytes of memory to use."""

    source_bytes: int
    spine_rows: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, and why, for people to read."""

    engine: Engine
    reasons: tuple[str, ...]


def named(setting: str) -> Choice:
    """Return the engine that the ``setting`` duckdb or spark names."""
    return Choice(Engine(setting), (f"the setting engine is {setting}",))


def choose(setting: str, sizes: Sizes, *, master: str) -> Choice:
    """Return the engine for a plan with these ``sizes``; ``master`` is the Spark cluster's URL.

    ``setting`` is duckdb or spark, which are taken at their word, or auto.
    """
    if setting != AUTO:
        return named(setting)
    wanted = sizes.source_bytes * INFLATION + sizes.spine_rows * SPINE_ROW_BYTES
    room = sizes.memory_bytes * SPILLS
    measured = (
        f"{_shown(sizes.source_bytes)} of files and {sizes.spine_rows:,} spine rows take about "
        f"{_shown(wanted)} in memory; DuckDB has {_shown(sizes.memory_bytes)} and may spill up to "
        f"{SPILLS} times that"
    )
    if wanted <= room:
        return Choice(Engine.DUCKDB, (measured, "one machine is enough"))
    if is_local(master):
        alone = f"the Spark master {master or 'local[*]'} is this machine, which is no more than DuckDB has"
        return Choice(Engine.DUCKDB, (measured, alone))
    return Choice(Engine.SPARK, (measured, f"more than one machine is needed: {master}"))


def is_local(master: str) -> bool:
    """Return whether a Spark master is nothing but this machine."""
    return not master or master.startswith("local")


def limit_bytes(limit: str, *, machine_bytes: int) -> int:
    """Return a memory limit in DuckDB's words (``4GB``, ``512MiB``, ``80%``; empty: its default) in bytes.

    Raises:
        InvalidInput: it is no limit.
    """
    if not limit:
        return int(machine_bytes * DEFAULT_SHARE)
    match = LIMIT.match(limit)
    if match is None:
        raise InvalidInput(
            f"{limit!r} is not a memory limit", hint="write a number and a unit, such as 4GB or 80%"
        )
    number, unit = float(match[1]), match[2].upper()
    if unit == "%":
        return int(machine_bytes * number / 100)
    return int(number * (1024 if "I" in unit else 1000) ** THOUSANDS[unit[0]])


def _shown(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
