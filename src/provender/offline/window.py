"""The spine of a retrieval that has none: every instant at which something happened to a key.

It is the union of the distinct (keys, event timestamp) of the views between two instants, both
inclusive. A view with other keys adds rows of its own, null in the keys it does not have; a view
without keys adds rows only where no view has any. Rows with a null key are left out, since
nothing is ever known of them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.policy import Permit
from provender.core.shielding import refuse_computed
from provender.core.training import ViewJoin
from provender.offline.asof import LAST, TICK, instant, micros, table_name, to_micros
from provender.offline.masks import Key, no_key
from provender.offline.refusals import refuse_missing
from provender.offline.scan import BATCH_ROWS, Room, bounded_session
from provender.offline.shield import kept, with_masked
from provender.offline.spine import Spine
from provender.offline.spines import of_stream
from provender.tables import format_for
from provender.tables.arrow import quote


def distinct_instants(
    room: Room,
    joins: Sequence[ViewJoin],
    permit: Permit,
    *,
    event_timestamp: str,
    start: datetime,
    end: datetime,
    now: datetime,
    key: Key = no_key,
) -> Spine:
    """Return the distinct keys and instants of ``joins`` from ``start`` to ``end``, by instant.

    Columns are the join keys under the spine's names, by name, and ``event_timestamp``.

    Raises:
        Denied: ``permit`` is not for the keys and event timestamps, which come out here.
        InvalidInput: ``start`` is after ``end``, or views disagree about the type of a key.
    """
    if start > end:
        raise InvalidInput(
            f"the start {start.isoformat()} is after the end {end.isoformat()}",
            hint="swap them; both are inclusive",
        )
    for join in joins:
        permit.cover(join.table.columns(_sources(join)), now=now, shielded=True)
        refuse_computed(permit, join.table.columns(_sources(join)))
    counted = [join.under(permit) for join in [join for join in joins if join.keys] or joins]
    batches = _batches(room, counted, event_timestamp, start, end, key)
    first = next(batches)
    return of_stream(first.schema, batches, spill=room.spill)


def _batches(
    room: Room, joins: Sequence[ViewJoin], name: str, start: datetime, end: datetime, key: Key
) -> Iterator[pa.RecordBatch]:
    """The rows in batches, of which the first has none but tells the schema."""
    with bounded_session(room) as session:
        for position, join in enumerate(joins):
            relation = format_for(join.table.format).relation(join.table, room.lake, session)
            refuse_missing(join, relation.columns)
            masks = join.shield.among(_sources(join))
            masked = {column: (column, mask) for column, mask in masks.items()}
            found = with_masked(session, kept(relation, join.shield.rows), masked, key)
            found.create_view(table_name(position))
        try:
            reader = session.sql(_render(joins, name, start, end)).to_arrow_reader(BATCH_ROWS)
        except duckdb.BinderException as error:
            raise InvalidInput(
                f"the views {', '.join(join.view for join in joins)} cannot be put together: {error}",
                hint="keys of one name must be of one type; rename one with with_join_key_map",
            ) from error
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader


def _render(joins: Sequence[ViewJoin], name: str, start: datetime, end: datetime) -> str:
    keys = sorted({spine for join in joins for spine, _ in join.keys})
    groups: dict[frozenset[str], list[str]] = {}
    for position, join in enumerate(joins):
        own = frozenset(spine for spine, _ in join.keys)
        groups.setdefault(own, []).append(_instants(join, position, name, start, end))
    united = [f"({' UNION '.join(parts)})" for parts in groups.values()]
    listed = ", ".join(quote(column) for column in [*keys, name])
    order = ", ".join(f"{quote(column)} NULLS LAST" for column in [name, *keys])
    return f"SELECT {listed} FROM ({' UNION ALL BY NAME '.join(united)}) ORDER BY {order}"


def _instants(join: ViewJoin, position: int, name: str, start: datetime, end: datetime) -> str:
    """The instants of one view to the microsecond, as the join takes them; the first condition only prunes."""
    column, at = quote(join.event_timestamp), micros(quote(join.event_timestamp))
    pairs = sorted(join.keys)
    columns = [f"{quote(source)} AS {quote(spine)}" for spine, source in pairs]
    latest = instant(min(end, LAST) + TICK)
    where = [f"CAST({column} AS TIMESTAMPTZ) BETWEEN {instant(start)} AND {latest}"]
    where += [f"{at} BETWEEN {to_micros(start)} AND {to_micros(end)}"]
    where += [f"{quote(source)} IS NOT NULL" for _, source in pairs]
    return (
        f"SELECT DISTINCT {', '.join([*columns, f'make_timestamptz({at}) AS {quote(name)}'])} "
        f"FROM {table_name(position)} WHERE {' AND '.join(where)}"
    )


def _sources(join: ViewJoin) -> list[str]:
    return [*(source for _, source in join.keys), join.event_timestamp]
