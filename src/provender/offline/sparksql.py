"""A point-in-time plan as Spark SQL: text in, text out. Knows no Spark and opens no file.

How it answers `core.training`'s words is `offline.asof`'s way: each row of a view counts from its
``known_at`` on; of equal (keys, known_at) the best is kept, and with ``known_by_then`` no row that
arrives after a newer one. Both are told in one pass over the rows of a key in order, which is
also the order of what follows, so that each view is shuffled and sorted once.

What follows has two forms with one meaning. ``window``: spine and candidates are put into one
order, and each spine row takes the last candidate before it; any Spark does so, in linear time.
``asof``: LEFT ASOF JOIN of Spark 4.3, which looks through all candidates of a key for each of its
spine rows; it is kept to be measured again, and never faster today.

Instants are BIGINT, microseconds since 1970 UTC. Users' columns occur only in the innermost SELECT
of a source, each under an alias of ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import pyarrow as pa

from provender.core.training import PointInTimePlan, ViewJoin
from provender.offline.refusals import FIRST

Form = Literal["asof", "window"]
LONGEST = 4 * 10**18
"""Microseconds that may be taken off an instant within BIGINT; more than the calendar has."""
BIGINT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the files that Spark reads: its name in them, and the Arrow type it has there."""

    name: str
    kind: pa.DataType


@dataclass(frozen=True, slots=True)
class Source:
    """The columns of a view's files by the source's names; instants may be integers already."""

    columns: Mapping[str, Column]
    event: Column
    created: Column | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The spine as Spark reads it: its key columns for each join, its earliest and latest instant."""

    keys: tuple[tuple[str, ...], ...]
    earliest: int
    latest: int

    @property
    def columns(self) -> list[str]:
        """Every key column once."""
        return list(dict.fromkeys(name for names in self.keys for name in names))


def quote(identifier: str) -> str:
    """Return ``identifier`` as Spark's SQL writes it."""
    return "`" + identifier.replace("`", "``") + "`"


def table_name(position: int) -> str:
    """Return the view in which the files of the ``position``-th join are."""
    return f"source_{position}"


def output_name(position: int, number: int) -> str:
    """Return the name of the ``number``-th feature of a join in the answer."""
    return f"o{position}_{number}"


def later_name(position: int) -> str:
    """Return the column that says whether the answer was created after the instant asked."""
    return f"later_{position}"


def render(
    plan: PointInTimePlan,
    sources: Sequence[Source],
    asked: Asked,
    *,
    form: Form,
    bucket_rows: int,
) -> str:
    """Return the query of the features: one row per row ``rid`` of the view ``spine``, in no order.

    ``bucket`` numbers the parts of the answer, each of ``bucket_rows`` rows that follow each other.
    """
    steps = [
        _candidates(plan, join, source, position, asked)
        for position, (join, source) in enumerate(zip(plan.joins, sources, strict=True))
    ]
    columns = ["e.rid", f"CAST(e.rid DIV {bucket_rows} AS INT) AS bucket"]
    for position, join in enumerate(plan.joins):
        columns += _outputs(plan, join, sources[position], position)
    if form == "asof":
        rows = _asof_joins(plan, asked)
    else:
        steps += [_taken(plan, join, sources[n], n, asked) for n, join in enumerate(plan.joins)]
        rows = f"a{len(plan.joins) - 1} AS e"
    listed = ",\n".join(steps)
    return f"WITH {listed}\nSELECT {', '.join(columns)}\nFROM {rows}"


def _candidates(
    plan: PointInTimePlan, join: ViewJoin, source: Source, position: int, asked: Asked
) -> str:
    """Rows that can be an answer, at most one per keys and ``known_at``."""
    by_then = plan.counts_from_creation(join)
    keys = [f"k{n}" for n in range(len(join.keys))]
    ranks = [f"{rank} NULLS FIRST" for rank in _ranks(join, source)]
    order = ", ".join(["known_at", "event_at", "created_at NULLS FIRST", *ranks])
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    over = f"{partition}ORDER BY {order}"
    told = [f"lead(known_at) OVER ({over}) AS next_at"]
    kept = ["NOT (next_at <=> known_at)"]
    if by_then:
        rows = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        told.append(f"max(event_at) OVER ({over} {rows}) AS newest_at")
        kept.append("event_at >= newest_at")
    known_at = "greatest(event_at, created_at)" if by_then else "event_at"
    named = _reachable(join, source, position, asked, by_then=by_then)
    names = [*keys, *_payload(plan, join, source), "known_at"]
    return (
        f"c{position} AS (SELECT {', '.join(dict.fromkeys(names))} FROM (\n"
        f"  SELECT *, {', '.join(told)} FROM (\n  SELECT *, {known_at} AS known_at FROM (\n{named})))\n"
        f"  WHERE {' AND '.join(kept)})"
    )


def _reachable(
    join: ViewJoin, source: Source, position: int, asked: Asked, *, by_then: bool
) -> str:
    """The rows of a source that the spine can reach, every column under an alias of ours."""
    created = _micros(source.created) if source.created else "CAST(NULL AS BIGINT)"
    columns = [
        f"{quote(source.columns[name].name)} AS k{n}" for n, (_, name) in enumerate(join.keys)
    ]
    columns += [f"{quote(source.columns[name].name)} AS {v}" for name, v in values(join).items()]
    columns += [f"{_micros(source.event)} AS event_at", f"{created} AS created_at"]
    where = [f"{quote(source.event.name)} IS NOT NULL", *_bounds(join, source.event, asked)]
    if by_then and source.created:
        where.append(f"{quote(source.created.name)} IS NOT NULL")
    rows = (
        f"    SELECT {', '.join(columns)}\n    FROM {table_name(position)}\n"
        f"    WHERE {' AND '.join(where)}"
    )
    if not join.keys:
        return rows
    on = " AND ".join(f"r.k{n} = e.{s}" for n, s in enumerate(asked.keys[position]))
    return f"  SELECT r.* FROM (\n{rows}) AS r\n  LEFT SEMI JOIN spine AS e ON {on}"


def values(join: ViewJoin) -> dict[str, str]:
    """Return the source columns that are features or decide among equals, under v0 and on."""
    names = dict.fromkeys([*(source for source, _ in join.features), *join.tie_breakers])
    return {name: f"v{n}" for n, name in enumerate(names)}


def _ranks(join: ViewJoin, source: Source) -> list[str]:
    named = values(join)
    return [sortable(named[name], source.columns[name].kind) for name in join.tie_breakers]


def sortable(expression: str, kind: pa.DataType, depth: int = 0) -> str:
    """Return what stands for a value when it is ordered: nested nulls are the greatest, maps are lists.

    That is DuckDB's order; Spark's own has nested nulls first and none for maps.
    """
    item = f"x{depth}"
    if pa.types.is_map(kind):
        entry = [
            sortable(f"{item}.key", kind.key_type, depth + 1),
            *_null_greatest(f"{item}.value", kind.item_type, depth + 1),
        ]
        return f"transform(map_entries({expression}), {item} -> struct({', '.join(entry)}))"
    if pa.types.is_struct(kind):
        parts = [
            part
            for field in kind
            for part in _null_greatest(f"{expression}.{quote(field.name)}", field.type, depth)
        ]
        return f"CASE WHEN {expression} IS NOT NULL THEN struct({', '.join(parts)}) END"
    if pa.types.is_nested(kind):
        parts = _null_greatest(item, kind.value_type, depth + 1)
        return f"transform({expression}, {item} -> struct({', '.join(parts)}))"
    return expression


def _null_greatest(expression: str, kind: pa.DataType, depth: int) -> list[str]:
    return [f"{expression} IS NULL", sortable(expression, kind, depth)]


def _payload(plan: PointInTimePlan, join: ViewJoin, source: Source) -> list[str]:
    """What of a candidate goes into the answer."""
    named = values(join)
    told = ["created_at"] if plan.tells_known_later(join) else []
    return [*dict.fromkeys(named[name] for name, _ in join.features), "event_at", *told]


def _asof_joins(plan: PointInTimePlan, asked: Asked) -> str:
    joins = ["spine AS e"]
    for position, keys in enumerate(asked.keys):
        on = [f"e.{name} = g{position}.k{n}" for n, name in enumerate(keys)]
        joins.append(
            f"LEFT ASOF JOIN c{position} AS g{position} "
            f"MATCH_CONDITION (e.t >= g{position}.known_at)"
            + (f" ON {' AND '.join(on)}" if on else "")
        )
    return "\n".join(joins)


def _taken(
    plan: PointInTimePlan, join: ViewJoin, source: Source, position: int, asked: Asked
) -> str:
    """The spine's rows with the candidate ``g`` in force of this join and those before it."""
    spine = ["rid", "t", *asked.columns, *(f"g{n}" for n in range(position))]
    parts = [f"p{n}" for n in range(len(join.keys))]
    mine = [f"{name} AS {part}" for name, part in zip(asked.keys[position], parts, strict=True)]
    theirs = [f"k{n} AS {part}" for n, part in enumerate(parts)]
    fields = ", ".join(f"'{name}', {name}" for name in _payload(plan, join, source))
    before = f"a{position - 1}" if position else "spine"
    nothing = [f"NULL AS {name}" for name in spine]
    asking = ", ".join([*spine, *mine, "t AS at", "1 AS kind", "NULL AS c"])
    offered = ", ".join([*nothing, *theirs, "known_at", "0", f"named_struct({fields})"])
    partition = f"PARTITION BY {', '.join(parts)} " if parts else ""
    return (
        f"a{position} AS (SELECT {', '.join(spine)}, g{position} FROM (\n"
        f"  SELECT *, last_value(c) IGNORE NULLS OVER ({partition}ORDER BY at, kind "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS g{position} FROM (\n"
        f"  SELECT {asking} FROM {before}\n  UNION ALL\n  SELECT {offered} FROM c{position}))\n"
        f"  WHERE kind = 1)"
    )


def _outputs(plan: PointInTimePlan, join: ViewJoin, source: Source, position: int) -> list[str]:
    """The features of a join, null where there is no answer or it is older than the TTL."""
    taken, named = f"g{position}", values(join)
    fresh = f"{taken}.event_at >= e.t - {_age(join.ttl)}" if join.ttl else "TRUE"
    columns = [
        f"CASE WHEN {fresh} THEN {taken}.{named[name]} END AS {output_name(position, number)}"
        for number, (name, _) in enumerate(join.features)
    ]
    if plan.tells_known_later(join):
        later = f"coalesce({fresh} AND {taken}.created_at > e.t, FALSE)"
        columns.append(f"{later} AS {later_name(position)}")
    return columns


def _micros(column: Column) -> str:
    """The SQL of an instant as microseconds; a timestamp without a zone, or a date, is UTC."""
    name = quote(column.name)
    if pa.types.is_integer(column.kind):
        return name
    if _is_nanos(column.kind):  # they arrive as integers
        return f"(({name} - pmod({name}, 1000)) DIV 1000)"
    return f"unix_micros(CAST({name} AS TIMESTAMP))"


def _bounds(join: ViewJoin, event: Column, asked: Asked) -> list[str]:
    """Conditions on the bare column, so that row groups outside are never read."""
    name = quote(event.name)
    conditions = [f"{name} <= {_bound(event.kind, asked.latest, slack=1)}"]
    floor = earliest_reached(join, asked)
    if floor > -BIGINT:
        conditions.append(f"{name} >= {_bound(event.kind, floor, slack=-1)}")
    return conditions


def earliest_reached(join: ViewJoin, asked: Asked) -> int:
    """Return the earliest event timestamp that the TTL lets count for any spine row, in microseconds."""
    floor = asked.earliest - _age(join.ttl) if join.ttl else FIRST
    return floor if floor > FIRST else -BIGINT


def _bound(kind: pa.DataType, micros: int, *, slack: int) -> str:
    if pa.types.is_integer(kind):
        return str(micros)
    if _is_nanos(kind):
        return str(max(-BIGINT, min(BIGINT, (micros + slack) * 1000)))
    if pa.types.is_date(kind):
        return f"CAST(timestamp_micros({micros}) AS DATE)"
    if kind.tz is None:
        return f"CAST(timestamp_micros({micros}) AS TIMESTAMP_NTZ)"
    return f"timestamp_micros({micros})"


def _is_nanos(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.unit == "ns")


def _age(ttl: timedelta) -> int:
    return min(ttl // timedelta(microseconds=1), LONGEST)
