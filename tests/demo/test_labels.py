from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from demo.labels import LABELS


def test_there_is_one_row_per_flight_in_its_order(raw_2013, spine_2013):
    flights = raw_2013["flights"]
    names = [
        "carrier",
        "flight",
        "origin",
        "dest",
        "tailnum",
        "distance",
        "sched_dep_ts",
        "arr_delay",
    ]
    assert spine_2013.select(names).equals(flights.select(names))


def test_features_are_asked_for_an_hour_before_departure(spine_2013):
    ahead = pc.subtract(spine_2013.column("sched_dep_ts"), spine_2013.column("event_timestamp"))
    assert pc.unique(ahead).to_pylist() == [timedelta(minutes=60)]
    first = spine_2013.slice(0, 1).to_pylist()[0]
    assert first["event_timestamp"] == datetime(2013, 1, 1, 9, 15, tzinfo=UTC)
    assert first["departure_epoch"] == int(datetime(2013, 1, 1, 10, 15, tzinfo=UTC).timestamp())


def test_late_is_fifteen_minutes_or_more_and_null_without_an_arrival(spine_2013):
    late, delay = (spine_2013.column(name).to_pylist() for name in LABELS)
    assert late == [None if minutes is None else minutes >= 15 for minutes in delay]
    assert spine_2013.column("late").null_count == 8_255 + 1_175
