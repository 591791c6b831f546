"""A point-in-time join of one view as DuckDB SQL: text in, text out.

How it answers `core.training`'s words. Each row of a view counts from an instant on, its
``known_at``: its event timestamp, or with ``known_by_then`` the later of event and created
timestamp. Rows that are never the answer are dropped first: of equal (keys, known_at) all but
the best; with ``known_by_then`` also a row that arrives after a newer one. What is left has one
row per key and instant, in order, so one ASOF join finds the answer and the TTL is checked on
it. Everything runs on the rows that the spine can reach at all: its keys, and its time range.

Instants are compared as microseconds since 1970 UTC, both bounds inclusive.

Names: users' columns occur only in the innermost SELECT of a source, each under an alias of
ours (k0, f0, …), and all ranking happens outside of it. The spine comes with our names, too.
So no column of anybody's can be taken for one of ours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from provender.core.training import PointInTimePlan, ViewJoin
from provender.offline.session import MICROS
from provender.tables.arrow import quote

SPINE = "spine"
LATER = "later"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LAST = datetime.max.replace(tzinfo=UTC) - TICK


@dataclass(frozen=True, slots=True)
class Reach:
    """The earliest and latest instant of the spine: what of a view can matter at all."""

    earliest: datetime
    latest: datetime


def table_name(position: int) -> str:
    """Return the name under which the source of the ``position``-th join is registered."""
    return f"source_{position}"


def numbered_name(position: int) -> str:
    """Return the name under which the same rows are registered with their file and place in it."""
    return f"numbered_{position}"


def spine_columns(plan: PointInTimePlan) -> dict[str, str]:
    """Return the join-key columns of the spine under the names they go by here, s0 and on."""
    keys = dict.fromkeys(spine for join in plan.joins for spine, _ in join.keys)
    return {name: f"s{number}" for number, name in enumerate(keys)}


def output_name(number: int) -> str:
    """Return the name of the ``number``-th feature of a join in the answer."""
    return f"o{number}"


def micros(column: str) -> str:
    """Return the SQL of an instant as whole microseconds, what is finer cut off; without a zone it is UTC."""
    return f"{MICROS}({column})"


def instant(moment: datetime) -> str:
    """Return ``moment`` as a SQL literal."""
    return f"TIMESTAMPTZ '{moment.isoformat(sep=' ')}'"


def from_micros(micros_since_epoch: int) -> datetime:
    """Return the instant that many microseconds after 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros_since_epoch)


def to_micros(moment: datetime) -> int:
    """Return ``moment`` as microseconds after 1970-01-01 UTC."""
    return (moment - EPOCH) // TICK


def spine_bounds(keys: int) -> str:
    """Return the query for the least and greatest instant of the spine, in microseconds, and of its keys."""
    bounds = "".join(f", min(s{n}), max(s{n})" for n in range(keys))
    return f"SELECT min({micros('t')}), max({micros('t')}){bounds} FROM {SPINE}"


def render(plan: PointInTimePlan, position: int, reach: Reach) -> str:
    """Return the query of one view's features, one row per spine row and in its order.

    The spine is the table ``spine`` with a row number ``rid``, the instant ``t`` and the keys of
    `spine_columns`; the source of join *n* is ``source_n``. Columns are named by `output_name`,
    and ``later`` says of a view with created timestamps whether the answer came only later.
    """
    join = plan.joins[position]
    spine = spine_columns(plan)
    names = ", ".join(["rid", f"{micros('t')} AS t", *spine.values()])
    steps = [f"e AS (SELECT {names} FROM {SPINE})", _candidates(plan, join, position, reach, spine)]
    return f"WITH {', '.join(steps)}\n{_answers(plan, join, spine)}\nORDER BY e.rid"


def render_keys(columns: list[str], table: str) -> str:
    """Return what makes ``table``: the distinct keys of the spine, each with a code from 0 on."""
    listed = ", ".join(columns)
    present = " AND ".join(f"{name} IS NOT NULL" for name in [*columns, "t"])
    return (
        f"CREATE OR REPLACE TEMP TABLE {table} AS "
        f"SELECT {listed}, (row_number() OVER () - 1)::INTEGER AS code "
        f"FROM (SELECT DISTINCT {listed} FROM {SPINE} WHERE {present})"
    )


def render_coded(columns: list[str], table: str) -> str:
    """Return the query of the spine's row numbers, instants and key codes, -1 where there is none."""
    if not columns:
        code = "(CASE WHEN e.t IS NULL THEN -1 ELSE 0 END)"
        joined = ""
    else:
        code = "(CASE WHEN e.t IS NULL THEN -1 ELSE coalesce(k.code, -1) END)"
        on = " AND ".join(f"e.{name} = k.{name}" for name in columns)
        joined = f" LEFT JOIN {table} AS k ON {on}"
    return (
        f"SELECT e.rid, coalesce({micros('e.t')}, 0) AS t, {code}::INTEGER AS code "
        f"FROM {SPINE} AS e{joined}"
    )


def render_numbered(
    join: ViewJoin, position: int, reach: Reach, *, columns: list[str], table: str, by_then: bool
) -> str:
    """Return the query of what matching needs of a view's rows within reach, in any order.

    Columns: the key's ``code`` in ``table``, ``event_at``, ``created_at`` (the least integer for
    null), and the row's file and place in it.
    """
    created = micros(quote(join.created_timestamp)) if join.created_timestamp else "NULL::BIGINT"
    where = _within(join, reach, by_then=by_then)
    where.append(f"{micros(quote(join.event_timestamp))} IS NOT NULL")
    named = (
        f"SELECT {''.join(f'{quote(source)} AS k{n}, ' for n, (_, source) in enumerate(join.keys))}"
        f"{micros(quote(join.event_timestamp))} AS event_at, "
        f"coalesce({created}, -9223372036854775808) AS created_at, "
        f"file_index::BIGINT AS file_at, file_row_number AS row_at\n  FROM {numbered_name(position)}\n"
        f"  WHERE {' AND '.join(where)}"
    )
    wanted = "event_at, created_at, file_at, row_at"
    if not join.keys:
        return f"SELECT 0::INTEGER AS code, {wanted} FROM ({named})"
    on = " AND ".join(f"f.k{n} = k.{name}" for n, name in enumerate(columns))
    return f"SELECT k.code, {wanted} FROM ({named}) AS f JOIN {table} AS k ON {on}"


def render_staged(join: ViewJoin, position: int, reach: Reach) -> str:
    """Return the query of all columns of a view that a retrieval needs, as they are, within reach."""
    needed = [source for _, source in join.keys] + [source for source, _ in join.features]
    needed += [*join.tie_breakers, join.event_timestamp]
    needed += [join.created_timestamp] if join.created_timestamp else []
    listed = ", ".join(quote(name) for name in dict.fromkeys(needed))
    where = _within(join, reach, by_then=False)
    return f"SELECT {listed} FROM {table_name(position)} WHERE {' AND '.join(where)}"


def render_latest(
    join: ViewJoin,
    *,
    start: datetime | None,
    end: datetime | None,
    keep_all: bool = False,
    with_keys: bool = False,
) -> str:
    """Return the query of the latest row per key between ``start`` and ``end``, both inclusive.

    The source is ``source_0``. Columns are the join keys, the features, ``event_timestamp``
    and ``created_timestamp`` (null where the view has none). ``keep_all`` returns every row;
    ``with_keys`` leaves out rows with a null key.
    """
    where = within_window(join, start, end)
    where += [f"{quote(source)} IS NOT NULL" for _, source in join.keys if with_keys]
    created = (
        f"make_timestamptz({micros(quote(join.created_timestamp))})"
        if join.created_timestamp
        else "CAST(NULL AS TIMESTAMPTZ)"
    )
    columns = [f"{quote(source)} AS {quote(name)}" for name, source in join.keys]
    columns += [f"{quote(source)} AS {quote(name)}" for source, name in join.features]
    columns += [
        f"make_timestamptz({micros(quote(join.event_timestamp))}) AS {quote('event_timestamp')}",
        f"{created} AS {quote('created_timestamp')}",
    ]
    partition = ", ".join(quote(source) for _, source in join.keys) or "NULL"
    one_each = (
        f"\nQUALIFY row_number() OVER (PARTITION BY {partition} "
        f"ORDER BY {micros(quote(join.event_timestamp))} DESC, {_best(join)}) = 1"
    )
    return f"SELECT {', '.join(columns)}\nFROM {table_name(0)}\nWHERE {' AND '.join(where)}" + (
        "" if keep_all else one_each
    )


def within_window(join: ViewJoin, start: datetime | None, end: datetime | None) -> list[str]:
    """Return the conditions on rows whose instant is from ``start`` to ``end``, both inclusive."""
    at = micros(quote(join.event_timestamp))
    where = [f"{quote(join.event_timestamp)} IS NOT NULL"]
    where += _bounds(join, start, min(end, LAST) + TICK if end else None)
    where += [f"{at} >= {to_micros(start)}"] if start else []
    return where + ([f"{at} <= {to_micros(end)}"] if end else [])


def _candidates(
    plan: PointInTimePlan, join: ViewJoin, position: int, reach: Reach, spine: dict[str, str]
) -> str:
    """Rows that can be an answer, at most one per keys and ``known_at``, under our names."""
    keys = [f"k{n}" for n in range(len(join.keys))]
    by_then = plan.counts_from_creation(join)
    known_at = "greatest(event_at, created_at)" if by_then else "event_at"
    ties = "".join(f", r{n} DESC NULLS LAST" for n in range(len(join.tie_breakers)))
    ranked = (
        f"SELECT *, {known_at} AS known_at FROM ({_named(join, position, reach, spine, by_then=by_then)})"
        f"\n  QUALIFY row_number() OVER (PARTITION BY {', '.join([*keys, known_at])} "
        f"ORDER BY event_at DESC, created_at DESC NULLS LAST{ties}) = 1"
    )
    if not by_then:
        return f"c AS ({ranked})"
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    return (
        f"c AS (SELECT * FROM ({ranked})\n  QUALIFY event_at >= max(event_at) OVER "
        f"({partition}ORDER BY known_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))"
    )


def _named(
    join: ViewJoin, position: int, reach: Reach, spine: dict[str, str], *, by_then: bool
) -> str:
    """The rows of a source that the spine can reach, every column under an alias of ours."""
    created = micros(quote(join.created_timestamp)) if join.created_timestamp else "NULL::BIGINT"
    columns = [f"{quote(source)} AS k{n}" for n, (_, source) in enumerate(join.keys)]
    columns += [f"{quote(source)} AS f{n}" for n, (source, _) in enumerate(join.features)]
    columns += [f"{quote(source)} AS r{n}" for n, source in enumerate(join.tie_breakers)]
    columns += [f"{micros(quote(join.event_timestamp))} AS event_at", f"{created} AS created_at"]
    where = _within(join, reach, by_then=by_then)
    if join.keys:
        sources = ", ".join(quote(source) for _, source in join.keys)
        asked = ", ".join(f"e.{spine[name]}" for name, _ in join.keys)
        where.append(f"({sources}) IN (SELECT ({asked}) FROM e)")
    return (
        f"SELECT {', '.join(columns)}\n  FROM {table_name(position)}\n  WHERE {' AND '.join(where)}"
    )


def _within(join: ViewJoin, reach: Reach, *, by_then: bool) -> list[str]:
    """Conditions on the rows that the spine's instants can reach."""
    where = [f"{quote(join.event_timestamp)} IS NOT NULL"]
    # A microsecond more: DuckDB rounds nanoseconds where they are compared, and pruning must not.
    latest = min(reach.latest, LAST) + TICK
    where += _bounds(join, floor_of(reach.earliest, join.ttl), latest)
    if by_then:
        where.append(f"{quote(join.created_timestamp or '')} IS NOT NULL")
    return where


def _answers(plan: PointInTimePlan, join: ViewJoin, spine: dict[str, str]) -> str:
    """The answer of each spine row, null where there is none or it is older than the TTL."""
    fresh = f"c.event_at >= e.t - {_micros_of(join.ttl)}" if join.ttl else "TRUE"
    columns = [
        f"CASE WHEN {fresh} THEN c.f{n} END AS {output_name(n)}" for n in range(len(join.features))
    ]
    if plan.tells_known_later(join):
        columns.append(f"coalesce({fresh} AND c.created_at > e.t, FALSE) AS {LATER}")
    on = [f"e.{spine[name]} = c.k{n}" for n, (name, _) in enumerate(join.keys)]
    on.append("e.t >= c.known_at")
    return f"SELECT {', '.join(columns) or 'e.rid'}\nFROM e ASOF LEFT JOIN c ON {' AND '.join(on)}"


def _best(join: ViewJoin) -> str:
    """How ties on the event timestamp are ordered: latest created, then greatest values."""
    created = (
        [f"{micros(quote(join.created_timestamp))} DESC NULLS LAST"]
        if join.created_timestamp
        else []
    )
    values = [f"{quote(source)} DESC NULLS LAST" for source in join.tie_breakers]
    return ", ".join([*created, *values]) or "1"


def _bounds(join: ViewJoin, start: datetime | None, end: datetime | None) -> list[str]:
    """Conditions on the bare column, so that row groups outside are never read."""
    at = f"CAST({quote(join.event_timestamp)} AS TIMESTAMPTZ)"
    lower = [f"{at} >= {instant(start)}"] if start else []
    return lower + ([f"{at} <= {instant(end)}"] if end else [])


def floor_of(earliest: datetime, ttl: timedelta | None) -> datetime | None:
    """Return the earliest instant that a TTL lets matter; None where all do."""
    try:
        return earliest - ttl if ttl else None
    except OverflowError:
        return None


def _micros_of(duration: timedelta) -> int:
    return min(duration // timedelta(microseconds=1), 2**62)
