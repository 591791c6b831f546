"""What goes wrong without point-in-time correctness: two mistakes, made on purpose.

A model trained on such columns looks better on paper and is worse in service, where the
future is not there to be read. Nothing but the demonstration may use them.
"""

from collections.abc import Mapping

import pyarrow as pa

from demo.data import session
from demo.model import WEATHER

CURRENT_HOUR = ("dep_n_1h", "dep_delay_mean_1h", "dep_late_share_1h")

HOUR_STAMP = """
SELECT position, {columns}
FROM frame ASOF LEFT JOIN (
    SELECT * REPLACE (event_timestamp - INTERVAL {early} MINUTE AS event_timestamp) FROM source
) AS stamped
    ON frame.origin = stamped.origin AND frame.sched_dep_ts >= stamped.event_timestamp
ORDER BY position
"""
"""The row whose *hour* holds the scheduled departure: that hour is not over, so it is the future."""


def weather_by_hour_stamp(frame: pa.Table, derived: Mapping[str, pa.Table]) -> pa.Table:
    """Return ``frame`` with the weather of the hour of departure.

    The stamp of a row is the start of its hour, but it holds what was measured until minute 51.
    """
    return _replaced(frame, derived["weather_hourly"], WEATHER, early=51)


def delays_of_current_hour(frame: pa.Table, derived: Mapping[str, pa.Table]) -> pa.Table:
    """Return ``frame`` with the departure delays of the hour of departure, this flight's included."""
    return _replaced(frame, derived["origin_ops"], CURRENT_HOUR, early=60)


def _replaced(frame: pa.Table, source: pa.Table, names: tuple[str, ...], *, early: int) -> pa.Table:
    asked = frame.select(["origin", "sched_dep_ts"])
    asked = asked.append_column("position", pa.array(range(frame.num_rows), pa.int64()))
    query = HOUR_STAMP.format(columns=", ".join(names), early=early)
    with session(frame=asked, source=source) as connection:
        found = connection.sql(query).to_arrow_table()
    for name in names:
        frame = frame.set_column(frame.schema.get_field_index(name), name, found.column(name))
    return frame
