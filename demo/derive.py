"""The six feature tables, computed from the raw tables of one year.

Each row says when its values came to be (``event_timestamp``) and when they could be read
(``created_timestamp``). A tick at instant T sums what happened in (T − window, T]. A tick with
nothing in its window has no row. Means are of whole minutes, so they are exact quotients and
do not depend on the order of rows or on threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from demo.data import INSTANT, Tables, session

WEATHER_HOURLY = """
SELECT
    origin,
    time_hour + INTERVAL 51 MINUTE AS event_timestamp,
    time_hour + INTERVAL 60 MINUTE AS created_timestamp,
    temp, dewp, humid, CAST(wind_dir AS DOUBLE) AS wind_dir, wind_speed, wind_gust, precip,
    pressure, visib
FROM weather
ORDER BY event_timestamp, origin
"""

ORIGIN_OPS = """
WITH buckets AS (
    SELECT
        origin,
        date_trunc('hour', dep_ts - INTERVAL 1 MICROSECOND) + INTERVAL 1 HOUR AS tick,
        count(*) AS n,
        sum(dep_delay) AS delay,
        count(*) FILTER (dep_delay >= 15) AS late
    FROM flights WHERE dep_ts IS NOT NULL
    GROUP BY ALL
), sums AS (
    SELECT
        origin,
        tick + to_hours(back) AS event_timestamp,
        sum(n) FILTER (back = 0) AS n_1h,
        sum(delay) FILTER (back = 0) AS delay_1h,
        sum(late) FILTER (back = 0) AS late_1h,
        sum(n) AS n_3h,
        sum(delay) AS delay_3h,
        sum(late) AS late_3h
    FROM buckets, (SELECT unnest(generate_series(0, 2)) AS back)
    GROUP BY ALL
)
SELECT
    origin,
    event_timestamp,
    event_timestamp + INTERVAL 2 MINUTE AS created_timestamp,
    CAST(coalesce(n_1h, 0) AS BIGINT) AS dep_n_1h,
    CAST(delay_1h AS DOUBLE) / n_1h AS dep_delay_mean_1h,
    CAST(late_1h AS DOUBLE) / n_1h AS dep_late_share_1h,
    CAST(n_3h AS BIGINT) AS dep_n_3h,
    CAST(delay_3h AS DOUBLE) / n_3h AS dep_delay_mean_3h,
    CAST(late_3h AS DOUBLE) / n_3h AS dep_late_share_3h
FROM sums
ORDER BY event_timestamp, origin
"""

CARRIER_ORIGIN = """
WITH buckets AS (
    SELECT
        carrier,
        origin,
        date_trunc('hour', dep_ts - INTERVAL 1 MICROSECOND) + INTERVAL 1 HOUR AS tick,
        count(*) AS n,
        sum(dep_delay) AS delay
    FROM flights WHERE dep_ts IS NOT NULL
    GROUP BY ALL
), sums AS (
    SELECT carrier, origin, tick + to_hours(back) AS event_timestamp, sum(n) AS n, sum(delay) AS delay
    FROM buckets, (SELECT unnest(generate_series(0, 23)) AS back)
    GROUP BY ALL
)
SELECT
    carrier,
    origin,
    event_timestamp,
    event_timestamp + INTERVAL 2 MINUTE AS created_timestamp,
    CAST(n AS BIGINT) AS dep_n_24h,
    CAST(delay AS DOUBLE) / n AS dep_delay_mean_24h
FROM sums
ORDER BY event_timestamp, carrier, origin
"""

ROUTE_HISTORY = """
WITH buckets AS (
    SELECT
        origin,
        dest,
        date_trunc('day', arr_ts - INTERVAL 8 HOUR - INTERVAL 1 MICROSECOND)
            + INTERVAL 1 DAY + INTERVAL 8 HOUR AS tick,
        count(*) AS n,
        sum(arr_delay) AS delay,
        count(*) FILTER (arr_delay >= 15) AS late
    FROM flights WHERE arr_ts IS NOT NULL
    GROUP BY ALL
), sums AS (
    SELECT
        origin, dest, tick + to_days(CAST(back AS INTEGER)) AS event_timestamp,
        sum(n) AS n, sum(delay) AS delay, sum(late) AS late
    FROM buckets, (SELECT unnest(generate_series(0, 27)) AS back)
    GROUP BY ALL
)
SELECT
    origin,
    dest,
    event_timestamp,
    event_timestamp + INTERVAL 30 MINUTE AS created_timestamp,
    CAST(n AS BIGINT) AS arr_n_28d,
    CAST(delay AS DOUBLE) / n AS arr_delay_mean_28d,
    CAST(late AS DOUBLE) / n AS arr_late_share_28d
FROM sums
ORDER BY event_timestamp, origin, dest
"""

TAIL_LAST = """
SELECT
    tailnum,
    arr_ts AS event_timestamp,
    arr_ts + INTERVAL 1 MINUTE AS created_timestamp,
    CAST(arr_delay AS DOUBLE) AS last_arr_delay,
    distance AS last_distance,
    dest AS last_dest,
    CAST(epoch(arr_ts) AS BIGINT) AS last_arr_epoch
FROM flights
WHERE arr_ts IS NOT NULL AND tailnum IS NOT NULL
ORDER BY event_timestamp, tailnum, sched_dep_ts
"""

PLANE_FACTS = """
SELECT
    tailnum,
    timezone('UTC', make_timestamp(of.year, 1, 1, 0, 0, 0)) AS event_timestamp,
    event_timestamp AS created_timestamp,
    of.year - planes.year AS plane_age,
    seats,
    engines
FROM planes, of
ORDER BY tailnum
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One feature table: the query that makes it, and the raw tables that the query reads."""

    inputs: tuple[str, ...]
    query: str


DERIVED: Mapping[str, Derived] = {
    "weather_hourly": Derived(inputs=("weather",), query=WEATHER_HOURLY),
    "origin_ops": Derived(inputs=("flights",), query=ORIGIN_OPS),
    "carrier_origin": Derived(inputs=("flights",), query=CARRIER_ORIGIN),
    "route_history": Derived(inputs=("flights",), query=ROUTE_HISTORY),
    "tail_last": Derived(inputs=("flights",), query=TAIL_LAST),
    "plane_facts": Derived(inputs=("planes",), query=PLANE_FACTS),
}


def derive(raw: Mapping[str, pa.Table], *, year: int) -> Tables:
    """Return the feature tables by name, from the ``raw`` tables of ``year`` (see `demo.data.load`)."""
    return {name: derive_one(name, raw, year=year) for name in DERIVED}


def derive_one(name: str, raw: Mapping[str, pa.Table], *, year: int) -> pa.Table:
    """Return the feature table called ``name``; only its inputs need to be in ``raw``."""
    derived = DERIVED[name]
    of = pa.table({"year": pa.array([year], pa.int64())})
    with session(of=of, **{table: raw[table] for table in derived.inputs}) as connection:
        rows = connection.sql(derived.query).to_arrow_table()
    return rows.cast(
        pa.schema(
            pa.field(field.name, INSTANT if pa.types.is_timestamp(field.type) else field.type)
            for field in rows.schema
        )
    )
