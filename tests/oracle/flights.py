"""The features of every flight by hand: sorted lists and bisection, no SQL and no join.

For a spine row at ``t`` the answer of a view is, of the rows with its keys, the one with the
greatest event timestamp ≤ t; among equals the latest created, then the greatest values in
column order. It counts if it is not older than the TTL (inclusive). A null key has no answer.
With ``known_by_then`` only rows created by ``t`` are asked.
"""

from bisect import bisect_right
from datetime import timedelta

import pyarrow as pa

HOUR = timedelta(hours=1)
VIEWS = {
    "weather": ("weather_hourly", ("origin",), 3 * HOUR),
    "origin_ops": ("origin_ops", ("origin",), 2 * HOUR),
    "carrier_origin": ("carrier_origin", ("carrier", "origin"), 24 * HOUR),
    "route": ("route_history", ("origin", "dest"), 48 * HOUR),
    "tail_last": ("tail_last", ("tailnum",), 24 * HOUR),
    "plane": ("plane_facts", ("tailnum",), None),
}
"""View: (derived table, keys, TTL)."""
TIMES = ("event_timestamp", "created_timestamp")


def frame_oracle(spine, derived, *, views=VIEWS, with_times=False, known_by_then=False):
    """Return the expected features, one row per row of ``spine`` and in its order.

    Columns are those of each view in turn, named as in its table. ``with_times`` adds
    ``<view>__event_timestamp``, the instant of the row that answered.
    """
    columns = {}
    for view, (table_name, keys, ttl) in views.items():
        table = derived[table_name]
        rows = answers(spine, table, keys, ttl, known_by_then=known_by_then)
        for name in features_of(table, keys):
            columns[name] = table.column(name).take(rows)
        if with_times:
            columns[f"{view}__event_timestamp"] = table.column("event_timestamp").take(rows)
    return pa.table(columns)


def features_of(table, keys):
    """The columns of a derived table that are features, in order."""
    return [name for name in table.column_names if name not in (*keys, *TIMES)]


def answers(spine, table, keys, ttl, *, known_by_then=False):
    """For each row of ``spine`` the number of the row of ``table`` in force, else null."""
    instants, numbers = history(table, keys)
    created = micros(table, "created_timestamp")
    oldest = None if ttl is None else ttl // timedelta(microseconds=1)
    found = []
    for key, t in zip(keys_of(spine, keys), micros(spine, "event_timestamp"), strict=True):
        known, rows = instants.get(key, ()), numbers.get(key, ())
        place = bisect_right(known, t) - 1
        while known_by_then and place >= 0 and not is_by(created[rows[place]], t):
            place -= 1
        if place < 0 or (oldest is not None and t - known[place] > oldest):
            found.append(None)
        else:
            found.append(rows[place])
    return pa.array(found, pa.int64())


def is_by(created, t):
    """Whether a row created then was there at ``t``; one without a created timestamp was not."""
    return created is not None and created <= t


def history(table, keys):
    """Per key: its instants in order, and which row holds the values of each; best of equals last."""
    features = [table.column(name).to_pylist() for name in features_of(table, keys)]
    events, created = micros(table, "event_timestamp"), micros(table, "created_timestamp")

    def rank(row):
        return (events[row], _null_first(created[row]), [_null_first(f[row]) for f in features])

    rows_of = {}
    for row, key in enumerate(keys_of(table, keys)):
        if None not in key and events[row] is not None:
            rows_of.setdefault(key, []).append(row)
    for rows in rows_of.values():
        rows.sort(key=rank)
    return {key: [events[row] for row in rows] for key, rows in rows_of.items()}, rows_of


def keys_of(table, keys):
    """The key of each row, as a tuple."""
    return list(zip(*(table.column(key).to_pylist() for key in keys), strict=True))


def micros(table, name):
    """An instant column as whole microseconds since 1970."""
    return table.column(name).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()


def _null_first(value):
    return (0, 0) if value is None else (1, value)
