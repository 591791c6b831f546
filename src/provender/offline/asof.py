"""A point-in-time plan as DuckDB SQL: text in, text out.

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
from provender.tables.arrow import quote

SPINE = "spine"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reach:
    """The earliest and latest instant of the spine: what of a view can matter at all."""

    earliest: datetime
    latest: datetime


def table_name(position: int) -> str:
    """Return the name under which the source of the ``position``-th join is registered."""
    return f"source_{position}"


def spine_columns(plan: PointInTimePlan) -> dict[str, str]:
    """Return the join-key columns of the spine under the names they go by here, s0 and on."""
    keys = dict.fromkeys(spine for join in plan.joins for spine, _ in join.keys)
    return {name: f"s{number}" for number, name in enumerate(keys)}


def output_name(position: int, number: int) -> str:
    """Return the name of the ``number``-th feature of a join in the answer."""
    return f"o{position}_{number}"


def known_later(position: int) -> str:
    """Return the output column that says whether the answer was created after the instant asked."""
    return f"later_{position}"


def micros(column: str) -> str:
    """Return the SQL of an instant as microseconds; a timestamp without a zone is UTC."""
    return f"epoch_us(CAST({column} AS TIMESTAMPTZ))"


def instant(moment: datetime) -> str:
    """Return ``moment`` as a SQL literal."""
    return f"TIMESTAMPTZ '{moment.isoformat(sep=' ')}'"


def from_micros(micros_since_epoch: int) -> datetime:
    """Return the instant that many microseconds after 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros_since_epoch)


def spine_bounds() -> str:
    """Return the query for the earliest and latest instant of the spine, as microseconds."""
    return f"SELECT min({micros('t')}), max({micros('t')}) FROM {SPINE}"


def render(plan: PointInTimePlan, reach: Reach) -> str:
    """Return the query of the features, one row per spine row and in its order.

    The spine is the table ``spine`` with a row number ``rid``, the instant ``t`` and the keys of
    `spine_columns`; the source of join *n* is ``source_n``. Columns are named by `output_name`,
    and ``later_n`` says of views with created timestamps whether the answer came only later.
    """
    if not plan.joins:
        return f"SELECT rid FROM {SPINE} ORDER BY rid"
    spine = spine_columns(plan)
    names = ", ".join(["rid", f"{micros('t')} AS t", *spine.values()])
    steps = [f"e AS (SELECT {names} FROM {SPINE})"]
    columns: list[str] = []
    for position, join in enumerate(plan.joins):
        steps.append(_candidates(plan, join, position, reach, spine))
        steps.append(_answers(plan, join, position, spine))
        columns += [f"a{position}.{output_name(position, n)}" for n in range(len(join.features))]
        if tells_known_later(plan, join):
            columns.append(f"a{position}.{known_later(position)}")
    first, *others = range(len(plan.joins))
    joined = "".join(f"\nJOIN a{n} ON a{n}.rid = a{first}.rid" for n in others)
    return (
        f"WITH {', '.join(steps)}\nSELECT {', '.join(columns)}\n"
        f"FROM a{first}{joined}\nORDER BY a{first}.rid"
    )


def render_latest(
    join: ViewJoin, *, start: datetime | None, end: datetime | None, keep_all: bool = False
) -> str:
    """Return the query of the latest row per key between ``start`` and ``end``, both inclusive.

    The source is ``source_0``. Columns are the join keys, the features, ``event_timestamp``
    and ``created_timestamp`` (null where the view has none). ``keep_all`` returns every row.
    """
    at = micros(quote(join.event_timestamp))
    where = [f"{quote(join.event_timestamp)} IS NOT NULL"]
    where += _bounds(join, start, end)
    created = quote(join.created_timestamp) if join.created_timestamp else "NULL"
    columns = [f"{quote(source)} AS {quote(name)}" for name, source in join.keys]
    columns += [f"{quote(source)} AS {quote(name)}" for source, name in join.features]
    columns += [
        f"CAST({quote(join.event_timestamp)} AS TIMESTAMPTZ) AS {quote('event_timestamp')}",
        f"CAST({created} AS TIMESTAMPTZ) AS {quote('created_timestamp')}",
    ]
    partition = ", ".join(quote(source) for _, source in join.keys) or "NULL"
    one_each = f"\nQUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {at} DESC, {_best(join)}) = 1"
    return f"SELECT {', '.join(columns)}\nFROM {table_name(0)}\nWHERE {' AND '.join(where)}" + (
        "" if keep_all else one_each
    )


def tells_known_later(plan: PointInTimePlan, join: ViewJoin) -> bool:
    """Return whether the answer can have been created after the instant asked."""
    return join.created_timestamp is not None and not plan.known_by_then


def _candidates(
    plan: PointInTimePlan, join: ViewJoin, position: int, reach: Reach, spine: dict[str, str]
) -> str:
    """Rows that can be an answer, at most one per keys and ``known_at``, under our names."""
    keys = [f"k{n}" for n in range(len(join.keys))]
    by_then = plan.known_by_then and join.created_timestamp is not None
    known_at = "greatest(event_at, created_at)" if by_then else "event_at"
    ties = "".join(f", r{n} DESC NULLS LAST" for n in range(len(join.tie_breakers)))
    ranked = (
        f"SELECT *, {known_at} AS known_at FROM ({_named(join, position, reach, spine, by_then=by_then)})"
        f"\n  QUALIFY row_number() OVER (PARTITION BY {', '.join([*keys, known_at])} "
        f"ORDER BY event_at DESC, created_at DESC NULLS LAST{ties}) = 1"
    )
    if not by_then:
        return f"c{position} AS ({ranked})"
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    return (
        f"c{position} AS (SELECT * FROM ({ranked})\n  QUALIFY event_at >= max(event_at) OVER "
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
    where = [f"{quote(join.event_timestamp)} IS NOT NULL"]
    where += _bounds(join, _floor(reach.earliest, join.ttl), reach.latest)
    if by_then:
        where.append(f"{quote(join.created_timestamp or '')} IS NOT NULL")
    if join.keys:
        sources = ", ".join(quote(source) for _, source in join.keys)
        asked = ", ".join(f"e.{spine[name]}" for name, _ in join.keys)
        where.append(f"({sources}) IN (SELECT ({asked}) FROM e)")
    return (
        f"SELECT {', '.join(columns)}\n  FROM {table_name(position)}\n  WHERE {' AND '.join(where)}"
    )


def _answers(plan: PointInTimePlan, join: ViewJoin, position: int, spine: dict[str, str]) -> str:
    """The answer of each spine row, null where there is none or it is older than the TTL."""
    fresh = f"c.event_at >= e.t - {_micros_of(join.ttl)}" if join.ttl else "TRUE"
    columns = [
        f"CASE WHEN {fresh} THEN c.f{n} END AS {output_name(position, n)}"
        for n in range(len(join.features))
    ]
    if tells_known_later(plan, join):
        columns.append(
            f"coalesce({fresh} AND c.created_at > e.t, FALSE) AS {known_later(position)}"
        )
    on = [f"e.{spine[name]} = c.k{n}" for n, (name, _) in enumerate(join.keys)]
    on.append("e.t >= c.known_at")
    return (
        f"a{position} AS (SELECT {', '.join(['e.rid', *columns])}\n"
        f"  FROM e ASOF LEFT JOIN c{position} AS c ON {' AND '.join(on)})"
    )


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


def _floor(earliest: datetime, ttl: timedelta | None) -> datetime | None:
    try:
        return earliest - ttl if ttl else None
    except OverflowError:
        return None


def _micros_of(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
