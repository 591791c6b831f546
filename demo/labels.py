"""The spine: one row per scheduled flight, what is asked for it, when, and how it turned out."""

import pyarrow as pa

from demo.data import INSTANT, session

LATE_MINUTES = 15
LEAD_MINUTES = 60

SPINE = f"""
SELECT
    carrier, flight, origin, dest, tailnum, distance, sched_dep_ts,
    sched_dep_ts - INTERVAL {LEAD_MINUTES} MINUTE AS event_timestamp,
    CAST(epoch(sched_dep_ts) AS BIGINT) AS departure_epoch,
    arr_delay >= {LATE_MINUTES} AS late,
    arr_delay
FROM flights
ORDER BY position
"""
LABELS = ("late", "arr_delay")
"""Columns that are known only after the flight: never an input of a model."""


def spine(flights: pa.Table) -> pa.Table:
    """Return one row per row of ``flights`` (see `demo.data.load`), in its order.

    ``event_timestamp`` is 60 minutes before the scheduled departure; ``departure_epoch`` is the
    request data of the on-demand view, in seconds. ``late`` says whether the flight arrived 15
    minutes late or more; null, as ``arr_delay`` is, when it was cancelled or diverted.
    """
    numbered = flights.append_column("position", pa.array(range(flights.num_rows), pa.int64()))
    with session(flights=numbered) as connection:
        rows = connection.sql(SPINE).to_arrow_table()
    for name in ("sched_dep_ts", "event_timestamp"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, rows.column(name).cast(INSTANT))
    return rows
