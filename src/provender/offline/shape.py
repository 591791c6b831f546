"""In which shape a view is joined: a pure rule over measured sizes, with its reasons in words.

``sql``: one statement of DuckDB reads all that the spine can reach and joins it; the least work
for small tables. ``slots``: the table's keys and instants stream past the spine's slots, and
only rows that are answers are fetched; memory is that of the spine, not of the table.
"""

from dataclasses import dataclass
from enum import StrEnum

SQL_SPINE_ROWS = 500_000
SQL_REACH_BYTES = 256 << 20
SLOT_BYTES = 96
"""What a spine row takes while it is matched: code, instant, order, slot, and the best row's three numbers."""

BIN_ROWS = 262_144
MOST_ROWS = 2**31 - 1
"""Positions within a chunk are 32-bit integers."""
LEAST_ROWS = 1_024
"""Less at a time would be slower, and spare nothing."""


class Join(StrEnum):
    """How one view is joined."""

    SQL = "sql"
    SLOTS = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is known of a view before it is read. ``reach_rows`` are those that statistics do not rule out.

    ``row_bytes`` are of all columns that are read, ``answer_bytes`` of a row's features. None is
    not known: no plain Parquet. ``sql_changes`` names features whose type DuckDB does not have.
    """

    spine_rows: int
    source_rows: int | None
    reach_rows: int | None
    row_bytes: float | None
    answer_bytes: float = 0.0
    sql_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a view is joined, and why. ``is_staged``: its needed columns are written to Parquet first."""

    join: Join
    reasons: tuple[str, ...]
    is_staged: bool = False

    def __str__(self) -> str:
        return f"{self.join}{' after staging' if self.is_staged else ''}: {'; '.join(self.reasons)}"


def choose_shape(
    sizes: Sizes, *, budget: int, forced: Join | None = None, can_slots: bool = True
) -> Shape:
    """Return how to join a view of ``sizes`` within ``budget`` bytes."""
    is_plain = sizes.source_rows is not None
    if forced is not None:
        return Shape(
            join=forced, reasons=("asked for",), is_staged=forced is Join.SLOTS and not is_plain
        )
    if not can_slots:
        return Shape(
            join=Join.SQL, reasons=("numba is not installed, which the other shape needs",)
        )
    if sizes.spine_rows > SQL_SPINE_ROWS:
        reasons = (f"the spine has {sizes.spine_rows:,} rows, more than {SQL_SPINE_ROWS:,}",)
        return Shape(join=Join.SLOTS, reasons=reasons, is_staged=not is_plain)
    limit = min(SQL_REACH_BYTES, budget // 4)
    if sizes.sql_changes:
        reasons = (f"DuckDB has no type for {', '.join(sizes.sql_changes)}",)
        return Shape(join=Join.SLOTS, reasons=reasons, is_staged=not is_plain)
    if sizes.spine_rows * sizes.answer_bytes > limit:
        answer = _mib(sizes.spine_rows * sizes.answer_bytes)
        reasons = (f"the answer has {answer}, more than {_mib(limit)}",)
        return Shape(join=Join.SLOTS, reasons=reasons, is_staged=not is_plain)
    if sizes.reach_rows is None or sizes.row_bytes is None:
        return Shape(join=Join.SQL, reasons=("not plain Parquet, so its rows have no numbers",))
    reach_bytes = sizes.reach_rows * sizes.row_bytes
    said = (
        f"{sizes.reach_rows:,} of {sizes.source_rows:,} rows are within reach by statistics",
        f"{_mib(reach_bytes)} with all columns needed, {'more' if reach_bytes > limit else 'not more'} than {_mib(limit)}",
    )
    return Shape(join=Join.SLOTS if reach_bytes > limit else Join.SQL, reasons=said)


def chunk_rows(budget: int, *, key_sets: int = 1) -> int:
    """Return how many spine rows are matched at a time: what a third of ``budget`` holds.

    The rows are seen through each of ``key_sets`` sets of join keys, which are there at once.
    """
    return min(MOST_ROWS, max(LEAST_ROWS, budget // (3 * SLOT_BYTES * max(1, key_sets))))


def bin_rows(budget: int, *, row_bytes: float) -> int:
    """Return how many finished rows are handed on at a time: what a twelfth of ``budget`` holds.

    A bin is read, put in order and handed on, so it is there up to three times.
    """
    return max(LEAST_ROWS, min(BIN_ROWS, int(budget / 12 / max(row_bytes, 1.0))))


def _mib(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB"
