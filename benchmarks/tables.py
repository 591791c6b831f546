"""Tables to measure with: made by DuckDB from row numbers, the same every time, kept in a folder.

Feature tables have 10 features (6 double, 2 integer, 1 text, 1 boolean). Every 50th row has the
entity and event timestamp of the next one, and another created timestamp, so that each tie
has one right answer. Event timestamps are whole seconds of one year; created timestamps are later
by up to an hour, and end in microseconds that no two rows of a tie share.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

MEMORY = "3GB"
BEGIN = "TIMESTAMPTZ '2025-01-01 00:00:00+00'"
SECONDS = 365 * 86_400
PRIME = 1_000_000_007
FEATURES = 10
DRAWN = {1: "even", 2: "skewed", 3: "cubed"}
"""What files are called by how their entities were drawn."""
FORMAT = "FORMAT parquet, COMPRESSION zstd"


@dataclass(frozen=True, slots=True)
class Entities:
    """How many there are and how rows fall on them: evenly or not, on all or on one stretch only.

    With a ``power`` of p, entity number n of N gets rows in proportion to n^(1/p - 1): of a
    million, the first has a thousandth of all rows by square, a hundredth by cube. The cube is
    Zipf's law with an exponent of two thirds.
    """

    count: int
    power: int = 2
    segment: tuple[float, float] = (0.0, 1.0)

    def drawn(self, seed: str) -> str:
        """Return the SQL of the entity that the integer expression ``seed`` draws."""
        low, high = self.segment
        share = f"(hash({seed}) % {PRIME}) / {PRIME}.0"
        return f"floor({self.count} * ({low} + {high - low} * pow({share}, {self.power})))::BIGINT"

    @property
    def word(self) -> str:
        """What files are called by."""
        low, high = self.segment
        part = "" if (low, high) == (0.0, 1.0) else f"-{low:g}-{high:g}"
        return f"{DRAWN[self.power]}-{self.count}{part}"


def features(number: int) -> tuple[str, ...]:
    """Return the names of the features of view ``number``."""
    return tuple(f"v{number}_f{feature}" for feature in range(FEATURES))


def feature_table(folder: Path, number: int, rows: int, entities: Entities) -> Path:
    """Return the Parquet file of view ``number``; it is made if it is not there yet."""
    target = folder / f"view{number}-{rows}-{entities.word}.parquet"
    at = f"{BEGIN} + to_seconds((hash(tied * 5 + {number}) % {SECONDS})::BIGINT)"
    created = "to_seconds((hash(r * 7) % 3600)::BIGINT) + to_microseconds(r % 1000000)"
    return made(
        target,
        f"""
        SELECT {entities.drawn(f"tied * 3 + {number}")} AS entity_id,
               {at} AS event_timestamp,
               {at} + {created} AS created_timestamp,
               {_values(number)}
        FROM (SELECT r, CASE WHEN r % 50 = 0 THEN r + 1 ELSE r END AS tied FROM range({rows}) t(r))
        """,
    )


def spine_table(folder: Path, rows: int, entities: Entities) -> Path:
    """Return the Parquet file of a spine; it is made if it is not there yet."""
    target = folder / f"spine-{rows}-{entities.word}.parquet"
    return made(
        target,
        f"""
        SELECT r AS row_id,
               {entities.drawn("r * 13")} AS entity_id,
               {BEGIN} + to_seconds((hash(r * 17) % {SECONDS})::BIGINT) AS event_timestamp,
               (hash(r) % 2)::INTEGER AS label
        FROM range({rows}) t(r)
        """,
    )


def asof_post(folder: Path, *, keys: int, stamps: int) -> tuple[Path, Path]:
    """Return the spine and the table of DuckDB's post on AsOf joins, benchmark "Window as State Table".

    The table has ``keys`` x ``stamps`` rows, a minute apart, whose value is the minute's number.
    The spine asks half a minute before each of them, for twice the key: half of the keys are
    not there. Source: duckdb.org, "DuckDB's AsOf Joins: Fuzzy Temporal Lookups", 2023-09-15.
    """
    begin = "TIMESTAMPTZ '2001-01-01 00:00:00+00'"
    domain = f"FROM range({stamps}) stamps(v), range({keys}) keys(k)"
    table = made(
        folder / f"asof-post-{keys}-{stamps}.parquet",
        f"SELECT k, {begin} + to_minutes(v) AS event_timestamp, v {domain}",
    )
    spine = made(
        folder / f"asof-post-spine-{keys}-{stamps}.parquet",
        f"""
        SELECT v * {keys} + k AS row_id, k * 2 AS k,
               {begin} + to_minutes(v) - INTERVAL 30 SECONDS AS event_timestamp
        {domain}
        """,
    )
    return spine, table


@contextmanager
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB that speaks UTC and keeps to a memory that every machine has."""
    with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _values(number: int) -> str:
    names = features(number)
    drawn = [f"(hash(r * 31 + {number * 7 + n}) % 1000000) / 1000.0" for n in range(6)]
    drawn += [f"(hash(r * 37 + {number * 11 + n}) % 1000000)::BIGINT" for n in range(6, 8)]
    drawn += [f"'c' || (hash(r * 41 + {number}) % 1000)", f"(hash(r * 43 + {number}) % 2) = 0"]
    return ", ".join(f"{value} AS {name}" for value, name in zip(drawn, names, strict=True))


def made(target: Path, query: str) -> Path:
    """Return ``target``, which holds the rows of ``query``: from an earlier run, or written now."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.part")
    with session() as connection:
        connection.execute(f"SET temp_directory = '{target.parent / '.spill'}'")
        connection.execute(f"COPY ({query}) TO '{staged}' ({FORMAT})")
    staged.replace(target)
    return target
