"""The DuckDB engine: runs point-in-time plans and reads tables, with a permit in hand.

Every job has a connection of its own, so jobs in many threads share nothing. No extension
is ever downloaded, and time zones are always UTC.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput, ProvenderError, Unavailable
from provender.core.policy import Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import asof
from provender.offline.answer import Answer, Progress
from provender.offline.spine import Spine
from provender.tables import format_for
from provender.tables.arrow import quote

FLOATS = ("FLOAT", "DOUBLE")
EXACT_FLOAT = 2.0**53
"""Below it every integer has a float of its own."""
SESSION = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True, slots=True)
class DuckEngine:
    """Runs plans over the tables of one lake. Limits are DuckDB's own words; empty is its default."""

    lake: Path
    memory_limit: str = ""
    threads: int | None = None
    temp_directory: Path | None = None

    def run(
        self,
        plan: PointInTimePlan,
        spine: Spine,
        permit: Permit,
        *,
        now: datetime,
        progress: Progress | None = None,
    ) -> Answer:
        """Return the spine's columns, then the plan's features; one row per spine row, in order.

        The spine's own columns come back as they are. Its event timestamp may be any
        timestamp, date or text that reads as one; without a zone it is UTC.

        Raises:
            Denied: ``permit`` is not for every feature column that is read.
            InvalidInput: the spine is empty, lacks a column, or has one of the wrong type.
        """
        permit.cover(plan.reads, now=now)
        plan.check_spine(spine.column_names)
        if spine.row_count == 0:
            raise InvalidInput(
                "the spine has no rows", hint="give one row per entity and instant to be known"
            )
        with self._session() as session:
            rows = spine.table()
            session.register(asof.SPINE, _narrow(rows, plan))
            for position, join in enumerate(plan.joins):
                self._register(session, join, position)
                _check_keys(session, rows, plan, position)
            if not plan.joins:
                return Answer(rows.schema, iter(rows.to_batches()))
            features = session.sql(asof.render(plan, _reach(session))).to_arrow_table()
        return _beside(rows, features, plan)

    def explain(self, plan: PointInTimePlan, spine: Spine) -> str:
        """Return the SQL that `run` would execute for ``spine``."""
        plan.check_spine(spine.column_names)
        with self._session() as session:
            session.register(asof.SPINE, _narrow(spine.table(), plan))
            return asof.render(plan, _reach(session))

    def read(
        self, table: Table, columns: Sequence[str] | None, permit: Permit, *, now: datetime
    ) -> pa.Table:
        """Return ``columns`` (default: all) of every row of ``table``.

        Raises:
            Denied: ``permit`` is not for every one of them.
            NotFound: the table has no such column; a near one is named.
            InvalidInput: no column is asked for.
        """
        with self._session() as session:
            relation = format_for(table.format).relation(table, self.lake, session)
            wanted = list(columns) if columns is not None else list(relation.columns)
            if not wanted:
                raise InvalidInput(
                    "no columns are asked for", hint=f"there are: {', '.join(relation.columns)}"
                )
            if table.schema is not None:
                for name in wanted:
                    table.schema.column(name)
            permit.cover(table.columns(wanted), now=now)
            listed = ", ".join(quote(name) for name in wanted)
            return cast("pa.Table", relation.project(listed).to_arrow_table())

    def latest(
        self,
        join: ViewJoin,
        permit: Permit,
        *,
        start: datetime | None,
        end: datetime | None,
        now: datetime,
        keep_all: bool = False,
        batch_rows: int = 65_536,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the latest row per key with ``start`` ≤ event timestamp ≤ ``end``, in batches.

        Columns are the join keys, the features, ``event_timestamp`` and ``created_timestamp``
        (null where the view has none); at least one batch, if with no rows. Rows with a null key come too. ``keep_all`` yields
        every row of the window instead.

        Raises:
            Denied: ``permit`` is not for every column that comes out.
        """
        permit.cover(join.emits, now=now)
        with self._session() as session:
            self._register(session, join, 0)
            query = asof.render_latest(join, start=start, end=end, keep_all=keep_all)
            reader = cast("pa.RecordBatchReader", session.sql(query).to_arrow_reader(batch_rows))
            batch = None
            for batch in reader:
                yield batch
            if batch is None:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one job; what DuckDB says goes out in our words."""
        limits: dict[str, str | bool | int | float | list[str]] = dict(SESSION)
        if self.memory_limit:
            limits["memory_limit"] = self.memory_limit
        if self.threads:
            limits["threads"] = self.threads
        if self.temp_directory:
            limits["temp_directory"] = str(self.temp_directory)
        try:
            with duckdb.connect(":memory:", config=limits) as session:
                session.execute("SET TimeZone='UTC'")
                yield session
        except ProvenderError:
            raise
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(
                f"the retrieval needs more memory than it may use: {error}",
                hint="raise PROVENDER_MEMORY_LIMIT, or ask for fewer rows or features at once",
            ) from error
        except duckdb.ConversionException as error:
            raise InvalidInput(
                f"a value cannot be read as the type it must have: {error}",
                hint="event timestamps must be timestamps, dates, or ISO 8601 text",
            ) from error
        except duckdb.Error as error:
            raise Unavailable(
                f"DuckDB could not read the data: {error}",
                hint="check that the files are still there: provender dataset verify NAME",
            ) from error

    def _register(self, session: duckdb.DuckDBPyConnection, join: ViewJoin, position: int) -> None:
        relation = format_for(join.table.format).relation(join.table, self.lake, session)
        needed = [source for _, source in join.keys] + [source for source, _ in join.features]
        needed += join.tie_breakers
        needed += [
            join.event_timestamp,
            *([join.created_timestamp] if join.created_timestamp else []),
        ]
        missing = sorted(set(needed) - set(relation.columns))
        if missing:
            raise InvalidInput(
                f"the source of feature view {join.view} has no column {', '.join(missing)}; "
                f"it has {', '.join(relation.columns)}",
                hint="correct the feature view, or pin a version of the dataset that has it",
            )
        relation.create_view(asof.table_name(position))


def _narrow(spine: pa.Table, plan: PointInTimePlan) -> pa.Table:
    """The columns of the spine that the join needs, under the names that the SQL knows."""
    columns = {
        "rid": pa.array(range(spine.num_rows), pa.int64()),
        "t": spine.column(plan.event_timestamp),
    }
    for name, short in asof.spine_columns(plan).items():
        columns[short] = spine.column(name)
    return pa.table(columns)


def _reach(session: duckdb.DuckDBPyConnection) -> asof.Reach:
    # fetchall, not fetchone: DuckDB 2.0 refuses other work while a result is unfinished.
    ((low, high),) = session.execute(asof.spine_bounds()).fetchall()
    if low is None:
        return asof.Reach(asof.EPOCH, asof.EPOCH)
    try:
        return asof.Reach(asof.from_micros(low), asof.from_micros(high))
    except OverflowError as error:
        raise InvalidInput(
            "the spine has an event timestamp outside of the years 1 to 9999",
            hint="filter such rows out; they are often a placeholder for an unknown time",
        ) from error


def _check_keys(
    session: duckdb.DuckDBPyConnection, spine: pa.Table, plan: PointInTimePlan, position: int
) -> None:
    """Refuse keys that DuckDB would compare, and compare wrongly: text with numbers, lossy floats."""
    join = plan.joins[position]
    short = asof.spine_columns(plan)
    asked, source = _types(session, asof.SPINE), _types(session, asof.table_name(position))
    for name, source_column in join.keys:
        left, right = asked[short[name]], source[source_column]
        if _family(left) != _family(right) and "NULL" not in _family(left):
            raise InvalidInput(
                f"join key {name} of {join.view} is {left} in the spine "
                f"but {source_column} is {right} in the source",
                hint=f"cast {name} in the spine to {right}",
            )
        if left in FLOATS and _family(right) == "number" and right not in FLOATS:
            _check_exact(spine.column(name), name)


def _check_exact(column: pa.ChunkedArray, name: str) -> None:
    """Integers that came as floats (pandas does so where one is missing) must be what they were."""
    present = pc.filter(column, pc.is_valid(column))
    whole = pc.and_(pc.equal(pc.floor(present), present), pc.less(pc.abs(present), EXACT_FLOAT))
    if pc.all(whole).as_py() is False:
        raise InvalidInput(
            f"join key {name} is a float in the spine, and not every value is a whole number below 2^53",
            hint=f"give {name} as integers (pandas: astype('Int64') before values are lost)",
        )


def _types(session: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = session.execute(f"DESCRIBE {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def _family(type_name: str) -> str:
    numbers = ("INT", "FLOAT", "DOUBLE", "DECIMAL")
    if type_name.startswith('"NULL"') or type_name == "NULL":
        return "NULL"
    return (
        "number"
        if any(word in type_name for word in numbers)
        else type_name.split("(")[0].split("_")[0]
    )


def _beside(spine: pa.Table, features: pa.Table, plan: PointInTimePlan) -> Answer:
    """Put the features beside the spine, and count the answers that were known only later."""
    later: dict[str, int] = {}
    rows = spine
    for position, join in enumerate(plan.joins):
        for number, output in enumerate(join.outputs):
            rows = rows.append_column(output, features.column(asof.output_name(position, number)))
        if asof.tells_known_later(plan, join):
            later[join.view] = int(features.column(asof.known_later(position)).to_numpy().sum())
    return Answer(rows.schema, iter(rows.to_batches()), later)
