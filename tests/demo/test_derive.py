import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo.derive import DERIVED, derive
from tests.oracle.flights import VIEWS

GOLDEN = Path(__file__).parent / "golden"
ROWS = {
    2013: {
        "weather_hourly": 26_115,
        "origin_ops": 23_380,
        "carrier_origin": 284_827,
        "route_history": 75_547,
        "tail_last": 327_346,
        "plane_facts": 3_322,
    },
    2023: {
        "weather_hourly": 26_207,
        "origin_ops": 24_267,
        "carrier_origin": 242_007,
        "route_history": 86_634,
        "tail_last": 422_818,
        "plane_facts": 4_840,
    },
}
LAG = {
    "weather_hourly": timedelta(minutes=9),
    "origin_ops": timedelta(minutes=2),
    "carrier_origin": timedelta(minutes=2),
    "route_history": timedelta(minutes=30),
    "tail_last": timedelta(minutes=1),
    "plane_facts": timedelta(0),
}
COUNTS = ("dep_n_1h", "dep_n_3h", "arr_n_28d")


@pytest.mark.parametrize("year", [2013, 2023])
def test_every_table_has_the_rows_of_its_definition(year, request):
    derived = request.getfixturevalue(f"derived_{year}")
    assert {name: table.num_rows for name, table in derived.items()} == ROWS[year]


@pytest.mark.parametrize("name", DERIVED)
def test_values_can_be_read_a_fixed_lag_after_they_came_to_be(derived_2013, name):
    table = derived_2013[name]
    lags = pc.subtract(table.column("created_timestamp"), table.column("event_timestamp"))
    assert pc.unique(lags).to_pylist() == [LAG[name]]


@pytest.mark.parametrize("name", DERIVED)
def test_there_is_one_row_per_key_and_instant(derived_2013, name):
    table = derived_2013[name]
    keys = next(keys for dataset, keys, _ in VIEWS.values() if dataset == name)
    distinct = table.group_by([*keys, "event_timestamp"]).aggregate([]).num_rows
    repeats = {"tail_last": 1}  # N710TW is said to have landed twice in one minute of 18 April
    assert table.num_rows - distinct == repeats.get(name, 0)


def test_the_order_of_the_raw_rows_does_not_matter(raw_2013, derived_2013):
    order = list(range(raw_2013["flights"].num_rows))
    random.Random(7).shuffle(order)
    shuffled = raw_2013 | {"flights": raw_2013["flights"].take(order)}
    again = derive(shuffled, year=2013)
    assert all(again[name].equals(derived_2013[name]) for name in DERIVED)


def test_no_answer_is_from_after_the_question(spine_2013, times_2013):
    asked = spine_2013.column("event_timestamp")
    for view in VIEWS:
        answered = times_2013.column(f"{view}__event_timestamp")
        assert not pc.any(pc.greater(answered, asked)).as_py()


@pytest.mark.parametrize(
    "golden",
    json.loads((GOLDEN / "rolling_at_t60.json").read_text()),
    ids=lambda g: f"{g['carrier']}{g['flight']}",
)
def test_rolling_features_of_seven_flights_are_those_computed_by_a_scan(
    golden, spine_2013, times_2013
):
    flight = [
        pc.equal(spine_2013.column(name), golden[name]) for name in ("carrier", "flight", "origin")
    ]
    departure = datetime.fromisoformat(golden["sched_dep_ts"])
    at = pc.equal(
        spine_2013.column("sched_dep_ts"), pa.scalar(departure, pa.timestamp("us", "UTC"))
    )
    chosen = pc.and_(pc.and_(flight[0], flight[1]), pc.and_(flight[2], at))
    (asked,) = spine_2013.filter(chosen).to_pylist()
    (found,) = times_2013.filter(chosen).to_pylist()
    assert asked["event_timestamp"] == datetime.fromisoformat(golden["t"])
    for name in golden.keys() & found.keys():
        # A tick with nothing in its window has no row; the scan counts zero.
        assert (found[name] or 0 if name in COUNTS else found[name]) == golden[name], name
    arrived = golden["last_arr_ts"] and datetime.fromisoformat(golden["last_arr_ts"])
    assert found["tail_last__event_timestamp"] == arrived
    assert found["last_arr_epoch"] == (int(arrived.timestamp()) if arrived else None)


def departures(raw, *, begin, end, **keys):
    """Delays of the departures in (begin, end] with the keys, by a scan."""
    return [
        row["dep_delay"]
        for row in raw
        if row["dep_ts"]
        and begin < row["dep_ts"] <= end
        and all(row[k] == v for k, v in keys.items())
    ]


def test_windows_are_open_at_their_begin_and_closed_at_their_end(raw_2013, derived_2013):
    names = ["carrier", "origin", "dest", "dep_ts", "dep_delay"]
    flights = raw_2013["flights"].select(names)
    random_ticks = random.Random(7)
    for _ in range(8):
        tick = datetime(2013, 5, 1, tzinfo=UTC) + timedelta(hours=random_ticks.randrange(24 * 90))
        near = _between(flights, "dep_ts", tick - timedelta(hours=24), tick)
        for row in _at(derived_2013["origin_ops"], tick):
            for hours in (1, 3):
                delays = departures(
                    near, begin=tick - timedelta(hours=hours), end=tick, origin=row["origin"]
                )
                late = sum(delay >= 15 for delay in delays)
                assert row[f"dep_n_{hours}h"] == len(delays)
                assert row[f"dep_delay_mean_{hours}h"] == (
                    sum(delays) / len(delays) if delays else None
                )
                assert row[f"dep_late_share_{hours}h"] == (late / len(delays) if delays else None)
        found = _at(derived_2013["carrier_origin"], tick)
        assert {(r["carrier"], r["origin"]) for r in found} == {
            (r["carrier"], r["origin"]) for r in near
        }
        for row in found:
            delays = departures(
                near,
                begin=tick - timedelta(hours=24),
                end=tick,
                carrier=row["carrier"],
                origin=row["origin"],
            )
            assert (row["dep_n_24h"], row["dep_delay_mean_24h"]) == (
                len(delays),
                sum(delays) / len(delays),
            )


def test_routes_look_back_over_28_days(raw_2013, derived_2013):
    tick = datetime(2013, 7, 3, 8, tzinfo=UTC)
    flights = raw_2013["flights"].select(["origin", "dest", "arr_ts", "arr_delay"])
    arrived = {}
    for row in _between(flights, "arr_ts", tick - timedelta(days=28), tick):
        arrived.setdefault((row["origin"], row["dest"]), []).append(row["arr_delay"])
    found = {(row["origin"], row["dest"]): row for row in _at(derived_2013["route_history"], tick)}
    assert found.keys() == arrived.keys()
    for route, delays in arrived.items():
        assert found[route]["arr_n_28d"] == len(delays)
        assert found[route]["arr_delay_mean_28d"] == sum(delays) / len(delays)
        assert found[route]["arr_late_share_28d"] == sum(d >= 15 for d in delays) / len(delays)


def _between(table, name, begin, end):
    low, high = (pa.scalar(at, pa.timestamp("us", "UTC")) for at in (begin, end))
    column = table.column(name)
    return table.filter(pc.and_(pc.greater(column, low), pc.less_equal(column, high))).to_pylist()


def _at(table, tick):
    at = pa.scalar(tick, pa.timestamp("us", "UTC"))
    return table.filter(pc.equal(table.column("event_timestamp"), at)).to_pylist()
