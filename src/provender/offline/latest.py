"""The latest row per key of one view, in the memory that is said: narrow columns first, wide ones late.

Of plain Parquet files only keys, instants and row numbers are looked at to find the winners:
the newest event timestamp of each key, then of those that have it the latest created, then, by
their values, the greatest in the order of `core.training`. Their features are fetched by row
number afterwards, in the order of the files, so the n-th row is the same whenever the same
files are asked the same question: a run that was killed goes on at its n-th row. Everything
that grows with the number of keys is in DuckDB's tables, which it spills.

Of other sources, whose rows have no numbers, DuckDB gives the rows whole, in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from provender.core.digest import digest
from provender.core.policy import Permit
from provender.core.training import ViewJoin
from provender.offline.asof import (
    micros,
    numbered_name,
    render_latest,
    table_name,
    within_window,
)
from provender.offline.numbered import PICKED_SHARE, Numbered, plain_type
from provender.offline.picking import is_exact
from provender.offline.refusals import needed
from provender.offline.session import Limits, connect
from provender.offline.sources import register, register_numbered
from provender.offline.stamps import Stamps
from provender.tables import format_for
from provender.tables.arrow import quote

BATCH_ROWS = 65_536
CHUNK_ROWS = 262_144
"""So many row numbers are held at a time."""
FILE_BITS = 40
"""A row's place is its file's number above so many bits of its number in the file."""
INSTANT = pa.timestamp("us", tz="UTC")
PIECE = "piece"


class Room(Protocol):
    """What an engine may use."""

    @property
    def lake(self) -> Path: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def spill(self) -> Path: ...


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The latest rows of a window, found and not yet read; of use until its session is closed.

    ``total`` rows come, one per key. ``null_keys`` rows of the window lack a key, and
    ``null_times`` rows of the source an event timestamp: those never come. If ``numbered`` is
    None the rows come in any order.
    """

    join: ViewJoin
    session: duckdb.DuckDBPyConnection
    total: int
    null_keys: int
    null_times: int
    numbered: Numbered | None
    query: str

    @property
    def source(self) -> str:
        """What the rows are read from: another digest means that they may be others, or elsewhere."""
        stamps = self.numbered.stamps if self.numbered else Stamps.of([])
        files = zip(stamps.paths, stamps.seen, strict=True)
        seen = [[str(path), size, changed] for path, (_, size, changed) in files]
        return digest([self.join.table.identity, seen])

    @property
    def is_ordered(self) -> bool:
        """Whether the n-th row is always the same one, so that one can go on in the midst."""
        return self.numbered is not None

    def batches(self, first: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the rows from number ``first`` on; that is 0 unless they are ordered.

        Columns are the join keys, the features, ``event_timestamp`` and ``created_timestamp``
        (null where the view has none).

        Raises:
            Conflict: a file of the source was changed meanwhile.
            Corrupt: one is damaged.
        """
        if self.numbered is not None:
            yield from self._fetched(self.numbered, first)
            return
        if first:
            raise ValueError("rows that come in any order have no number to begin with")
        yield from self.session.sql(self.query).to_arrow_reader(BATCH_ROWS)

    def _fetched(self, numbered: Numbered, first: int) -> Iterator[pa.RecordBatch]:
        join = self.join
        sources = [source for _, source in join.keys] + [source for source, _ in join.features]
        columns = list(dict.fromkeys([*sources, *join.times]))
        for rows in _read(self.session, numbered, columns, "winner", first, self.total):
            if rows.num_rows:
                named = _named(rows, join)
                yield from named.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


@contextmanager
def latest_rows(
    room: Room,
    join: ViewJoin,
    permit: Permit,
    *,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> Iterator[Latest]:
    """Give the latest row per key with ``start`` ≤ event timestamp ≤ ``end``, equal ones settled.

    Raises:
        Denied: ``permit`` is not for every column that comes out.
        InvalidInput: the source lacks a column.
        Unavailable: memory or disk do not suffice.
    """
    permit.cover(join.reads, now=now)
    with connect(room.limits, room.spill) as session:
        register(session, join, 0, room.lake)
        where = within_window(join, start, end)
        numbered = _numbered(join, room.lake)
        if numbered is None:
            total, null_keys, null_times = _counts(session, join, where)
        else:
            register_numbered(session, 0, numbered)
            _find(session, join, numbered, where)
            ((total,),) = session.execute("SELECT count(*) FROM winner").fetchall()
            null_keys = null_times = 0
            if _may_have_nulls(numbered, join):
                _, null_keys, null_times = _counts(session, join, where, total=False)
        yield Latest(
            join=join,
            session=session,
            total=total,
            null_keys=null_keys,
            null_times=null_times,
            numbered=numbered,
            query=render_latest(join, start=start, end=end, with_keys=True),
        )


def _numbered(join: ViewJoin, lake: Path) -> Numbered | None:
    """Return the source's rows with their numbers; None where there are none, or DuckDB has to cast."""
    paths = format_for(join.table.format).files(join.table, lake)
    numbered = Numbered.open(paths) if paths else None
    if numbered is None or not set(needed(join)) <= set(numbered.schema.names):
        return None
    kinds = {name: numbered.schema.field(name).type for name in needed(join)}
    if not all(pa.types.is_timestamp(kinds[name]) for name in join.times):
        return None
    return numbered if all(_is_plain(kind) for kind in kinds.values()) else None


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Arrow gives of this type what DuckDB would."""
    kind = plain_type(kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_plain(kind.value_type)
    return is_exact(kind) or pa.types.is_timestamp(kind)


def _find(
    session: duckdb.DuckDBPyConnection, join: ViewJoin, numbered: Numbered, where: list[str]
) -> None:
    """Make the table ``winner`` of the places of the latest rows, in their order."""
    keys = [f"k{n}" for n in range(max(1, len(join.keys)))]
    listed = ", ".join(keys)
    where = [*where, *(f"{quote(source)} IS NOT NULL" for _, source in join.keys)]
    at = f"{micros(quote(join.event_timestamp))} AS event_at"
    created = micros(quote(join.created_timestamp)) if join.created_timestamp else "NULL"
    created = f"coalesce({created}, -9223372036854775808)::BIGINT AS created"
    place = f"(file_index::BIGINT << {FILE_BITS}) + file_row_number AS place"
    session.execute(
        f"CREATE TEMP TABLE newest AS SELECT {listed}, max(event_at) AS event_at "
        f"FROM ({_narrow(join, where, at)}) GROUP BY {listed}"
    )
    session.execute(
        f"CREATE TEMP TABLE candidate AS SELECT {listed}, created, place "
        f"FROM ({_narrow(join, where, at, created, place)}) JOIN newest USING ({listed}, event_at)"
    )
    session.execute("DROP TABLE newest")
    session.execute(
        f"CREATE TEMP TABLE best AS SELECT {listed}, max(created) AS created, "
        f"arg_max(place, created) AS place, count(*) AS alike FROM candidate GROUP BY {listed}"
    )
    session.execute(
        f"CREATE TEMP TABLE tied AS SELECT best.rowid AS slot, c.place AS place "
        f"FROM candidate AS c JOIN best USING ({listed}, created) WHERE alike > 1 ORDER BY c.place"
    )
    session.execute("DROP TABLE candidate")
    _settle(session, join, numbered)
    session.execute(
        "CREATE TEMP TABLE winner AS SELECT coalesce(settled.place, best.place) AS place "
        "FROM best LEFT JOIN settled ON best.rowid = settled.slot ORDER BY 1"
    )
    session.execute("DROP TABLE best; DROP TABLE tied; DROP TABLE settled")


def _narrow(join: ViewJoin, where: list[str], *columns: str) -> str:
    keys = [f"{quote(source)} AS k{n}" for n, (_, source) in enumerate(join.keys)] or ["0 AS k0"]
    return (
        f"SELECT {', '.join([*keys, *columns])} FROM {numbered_name(0)} WHERE {' AND '.join(where)}"
    )


def _settle(session: duckdb.DuckDBPyConnection, join: ViewJoin, numbered: Numbered) -> None:
    """Make the table ``settled``: of rows ``tied`` in a slot the one with the greatest values, null last."""
    columns = list(join.tie_breakers)
    ((count,),) = session.execute("SELECT count(*) FROM tied").fetchall()
    session.execute("CREATE TEMP TABLE settled (slot BIGINT, place BIGINT)")
    if not count:
        return
    values = [f"v{n}" for n in range(len(columns))]
    first = 0
    for rows in _read(session, numbered, columns, "tied", 0, count) if columns else ():
        numbers = pa.array(np.arange(first, first + rows.num_rows))
        session.register(PIECE, pa.table([numbers, *rows.columns], names=["tie", *values]))
        made = "INSERT INTO valued" if first else "CREATE TEMP TABLE valued AS"
        session.execute(f"{made} SELECT * FROM {PIECE}")
        session.unregister(PIECE)
        first += rows.num_rows
    joined = " JOIN valued ON valued.tie = tied.rowid" if columns else ""
    order = "".join(f"{value} DESC NULLS LAST, " for value in values)
    session.execute(
        f"INSERT INTO settled SELECT slot, place FROM tied{joined} "
        f"QUALIFY row_number() OVER (PARTITION BY slot ORDER BY {order}place) = 1"
    )
    session.execute("DROP TABLE IF EXISTS valued")


def _counts(
    session: duckdb.DuckDBPyConnection, join: ViewJoin, where: list[str], *, total: bool = True
) -> tuple[int, int, int]:
    """Return how many keys the window has, how many rows of it lack one, and how many have no instant."""
    sources = [quote(source) for _, source in join.keys]
    null_key = " OR ".join(f"{source} IS NULL" for source in sources) or "FALSE"
    columns = [
        *(f"{source} AS k{n}" for n, source in enumerate(sources) if total),
        f"({null_key}) AS no_key",
        f"{quote(join.event_timestamp)} IS NULL AS no_time",
    ]
    grouped = (
        f"SELECT {', '.join(columns)}, count(*) AS held FROM {table_name(0)} "
        f"WHERE {quote(join.event_timestamp)} IS NULL OR ({' AND '.join(where)}) GROUP BY ALL"
    )
    ((keys, no_key, no_time),) = session.execute(
        "SELECT count(*) FILTER (WHERE NOT no_key AND NOT no_time), "
        "coalesce(sum(held) FILTER (WHERE no_key AND NOT no_time), 0), "
        f"coalesce(sum(held) FILTER (WHERE no_time), 0) FROM ({grouped})"
    ).fetchall()
    return int(keys), int(no_key), int(no_time)


def _may_have_nulls(numbered: Numbered, join: ViewJoin) -> bool:
    """Whether statistics leave it open that a key or an event timestamp is null."""
    for column in [join.event_timestamp, *(source for _, source in join.keys)]:
        if numbered.null_count(column) != 0:
            return True
    return False


def _read(
    session: duckdb.DuckDBPyConnection,
    numbered: Numbered,
    columns: list[str],
    table: str,
    first: int,
    total: int,
) -> Iterator[pa.Table]:
    """Yield ``columns`` of the rows whose places are in ``table``, which are sorted, from number ``first`` on."""
    few = total * PICKED_SHARE <= numbered.row_count
    for start in range(first, total, CHUNK_ROWS):
        wanted = _numbers(session, numbered, table, start)
        yield from _in_order(numbered.fetch(columns, wanted, session if few else None))


def _numbers(
    session: duckdb.DuckDBPyConnection, numbered: Numbered, table: str, start: int
) -> NDArray[np.int64]:
    """Return the row numbers of the places in ``table`` from ``start`` on, a chunk of them, sorted."""
    query = f"SELECT place FROM {table} WHERE rowid >= {start} AND rowid < {start + CHUNK_ROWS} ORDER BY 1"
    place = session.execute(query).fetchnumpy()["place"].astype(np.int64)
    return numbered.number(place >> FILE_BITS, place & ((1 << FILE_BITS) - 1))


def _in_order(found: Iterator[tuple[slice | NDArray[np.int64], pa.Table]]) -> Iterator[pa.Table]:
    """Yield the rows of `Numbered.fetch` in the order that was asked for; what came in another is held."""
    held: list[tuple[NDArray[np.int64], pa.Table]] = []
    for at, rows in found:
        if isinstance(at, slice):
            yield from _sorted(held)
            held = []
            yield rows
        else:
            held.append((at, rows))
    yield from _sorted(held)


def _sorted(held: list[tuple[NDArray[np.int64], pa.Table]]) -> Iterator[pa.Table]:
    if held:
        at = np.concatenate([at for at, _ in held])
        rows = pa.concat_tables([rows for _, rows in held])
        yield cast("pa.Table", rows.take(pa.array(np.argsort(at, kind="stable"))))


def _named(rows: pa.Table, join: ViewJoin) -> pa.Table:
    """Return rows of the source with the columns that come out, under their names."""
    columns = [_plain(rows.column(source)) for _, source in join.keys]
    columns += [_plain(rows.column(source)) for source, _ in join.features]
    columns.append(_instants(rows.column(join.event_timestamp)))
    created = join.created_timestamp
    columns.append(_instants(rows.column(created)) if created else pa.nulls(rows.num_rows, INSTANT))
    names = [name for name, _ in join.keys] + [name for _, name in join.features]
    return pa.table(columns, names=[*names, "event_timestamp", "created_timestamp"])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = plain_type(column.type)
    return column if kind == column.type else column.cast(kind)


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return instants to the microsecond, what is finer cut off; without a zone they are in UTC."""
    if column.type.unit == "ns":
        column = pc.floor_temporal(column, unit="microsecond")
    if column.type.tz is None:
        column = pc.assume_timezone(column, "UTC")
    return column.cast(INSTANT)
