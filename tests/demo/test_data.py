"""The raw tables, and the traps in them: each is a number that a careless loader gets wrong."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo import archives
from demo.data import NAMES, load

NEW_YORK = ZoneInfo("America/New_York")
ROWS = {
    2013: {
        "flights": 336_776,
        "weather": 26_115,
        "planes": 3_322,
        "airports": 1_458,
        "carriers": 16,
    },
    2023: {
        "flights": 435_352,
        "weather": 26_207,
        "planes": 4_840,
        "airports": 1_255,
        "carriers": 14,
    },
}


@pytest.fixture(params=[2013, 2023])
def year(request):
    return request.param


@pytest.fixture
def raw(year, request):
    return request.getfixturevalue(f"raw_{year}")


def texts_2013(name):
    """The cells of a CSV file of 2013 as text, by the standard library."""
    archive = archives.archive_of(2013)
    path = archives.verified(archive)
    data = (
        archives.unzipped(archives.member(archive, path, "flights.csv.zip"), "flights.csv")
        if name == "flights"
        else archives.member(archive, path, f"{name}.csv")
    )
    return list(csv.DictReader(io.StringIO(data.decode())))


def count(condition):
    return pc.sum(condition).as_py() or 0


def nulls(table, name):
    return table.column(name).null_count


def wall(row):
    """The scheduled departure of a row, from its local date and clock, in UTC."""
    hour, minute = divmod(row["sched_dep_time"], 100)
    local = datetime(row["year"], row["month"], row["day"], hour, minute, tzinfo=NEW_YORK)
    return local.astimezone(UTC)


def test_every_row_is_there(raw, year):
    assert {name: raw[name].num_rows for name in NAMES} == ROWS[year]


def test_both_years_have_the_same_columns_and_types(raw_2013, raw_2023):
    for name in NAMES:
        assert raw_2013[name].schema == raw_2023[name].schema


def test_loading_twice_gives_the_same_rows(raw_2013):
    again = load(2013)
    assert all(again[name].equals(raw_2013[name]) for name in NAMES)


@pytest.mark.parametrize("name", ["weather", "planes", "airports"])
def test_numbers_are_exactly_those_that_are_written(raw_2013, name):
    """Parsers that are one unit in the last place off exist: 12.658579999999999 is the proof."""
    table, texts = raw_2013[name], texts_2013(name)
    for column in table.schema:
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            continue
        read = float if pa.types.is_floating(column.type) else int
        written = [None if row[column.name] == "NA" else read(row[column.name]) for row in texts]
        assert table.column(column.name).to_pylist() == written
    if name == "weather":
        assert 12.658579999999999 in table.column("wind_speed").to_pylist()


def test_scheduled_departure_is_the_clock_of_new_york(raw):
    flights = raw["flights"]
    names = ["year", "month", "day", "sched_dep_time", "sched_dep_ts"]
    distinct = flights.select(names).group_by(names).aggregate([]).to_pylist()
    wrong = [row for row in distinct if row["sched_dep_ts"] != wall(row)]
    assert wrong == []


def test_time_hour_is_utc_in_2013_and_wall_time_labelled_utc_in_2023(raw, year):
    flights = raw["flights"]
    early = pc.subtract(
        pc.floor_temporal(flights.column("sched_dep_ts"), unit="hour"), flights.column("time_hour")
    )
    hours = Counter(gap // timedelta(hours=1) for gap in early.to_pylist())
    assert set(hours) == ({0} if year == 2013 else {4, 5})


def test_the_coldest_hour_shows_that_weather_is_utc_in_both_years(raw):
    weather = raw["weather"]
    hours = pc.hour(weather.column("time_hour"))
    means = pa.table({"hour": hours, "temp": weather.column("temp")}).group_by("hour")
    coldest = min(means.aggregate([("temp", "mean")]).to_pylist(), key=lambda row: row["temp_mean"])
    assert coldest["hour"] in (9, 10)


def test_weather_of_2013_has_gaps_and_ends_early(raw_2013):
    stamps = {}
    for row in raw_2013["weather"].select(["origin", "time_hour"]).to_pylist():
        stamps.setdefault(row["origin"], set()).add(row["time_hour"])
    hour = timedelta(hours=1)
    missing = {}
    for origin, known in stamps.items():
        span = int((max(known) - min(known)) / hour) + 1
        missing[origin] = span - len(known)
        assert max(known) == datetime(2013, 12, 30, 23, tzinfo=UTC)
        for first in (datetime(2013, 10, 26, tzinfo=UTC), datetime(2013, 11, 3, tzinfo=UTC)):
            assert not known & {first + n * hour for n in range(5)}
    assert missing == {"EWR": 27, "JFK": 24, "LGA": 24}


def test_flights_without_weather_at_their_exact_hour(raw_2013):
    known = {
        (row["origin"], row["time_hour"])
        for row in raw_2013["weather"].select(["origin", "time_hour"]).to_pylist()
    }
    flights = raw_2013["flights"].select(["origin", "time_hour"]).to_pylist()
    assert sum((row["origin"], row["time_hour"]) not in known for row in flights) == 1_556


def test_clocks_change_twice_in_weather_of_2013(raw_2013):
    names = ["origin", "month", "day", "hour"]
    local = Counter(tuple(row.values()) for row in raw_2013["weather"].select(names).to_pylist())
    assert sorted(key for key, n in local.items() if n > 1) == [
        (origin, 11, 3, 1) for origin in ("EWR", "JFK", "LGA")
    ]
    assert not [key for key in local if key[1:] == (3, 10, 2)]


def test_one_wind_speed_is_absurd_and_kept(raw_2013):
    weather = raw_2013["weather"]
    fast = weather.filter(pc.greater(weather.column("wind_speed"), 100.0)).to_pylist()
    assert [(r["origin"], r["time_hour"], round(r["wind_speed"], 2)) for r in fast] == [
        ("EWR", datetime(2013, 2, 12, 8, tzinfo=UTC), 1048.36)
    ]


def test_gusts_change_their_meaning_between_the_years(raw_2013, raw_2023):
    weather = raw_2023["weather"].to_pylist()
    ratios = [
        row["wind_gust"] / row["wind_speed"]
        for row in weather
        if row["wind_gust"] and row["wind_speed"]
    ]
    assert ratios == pytest.approx([1.15078] * len(ratios), rel=1e-5)
    weather = raw_2013["weather"]
    assert nulls(weather, "wind_gust") / weather.num_rows == pytest.approx(0.796, abs=0.0005)


def test_aircraft_and_airports_that_are_missing(raw_2013, raw_2023):
    flights, planes = raw_2013["flights"], raw_2013["planes"]
    assert nulls(flights, "tailnum") == 2_512
    assert nulls(flights.filter(pc.is_null(flights.column("tailnum"))), "dep_time") == 2_512
    listed = pc.is_in(flights.column("tailnum"), planes.column("tailnum").combine_chunks())
    assert count(pc.invert(listed)) == 52_606
    airports = raw_2013["airports"].column("faa").combine_chunks()
    absent = flights.filter(pc.invert(pc.is_in(flights.column("dest"), airports)))
    assert absent.num_rows == 7_602
    assert set(absent.column("dest").to_pylist()) == {"BQN", "PSE", "SJU", "STT"}
    assert {"BQN", "PSE", "SJU", "STT"} <= set(raw_2023["airports"].column("faa").to_pylist())


def test_cancelled_and_diverted_flights_have_no_arrival(raw, year):
    flights = raw["flights"]
    cancelled = pc.is_null(flights.column("dep_time"))
    diverted = pc.and_(
        pc.is_valid(flights.column("dep_time")), pc.is_null(flights.column("arr_delay"))
    )
    assert (count(cancelled), count(diverted)) == {2013: (8_255, 1_175), 2023: (10_738, 1_796)}[
        year
    ]
    assert nulls(flights, "dep_ts") == count(cancelled)
    assert nulls(flights, "arr_ts") == count(cancelled) + count(diverted)


def test_a_flight_is_named_by_its_origin_too(raw_2013):
    names = ["carrier", "flight", "year", "month", "day"]
    flights = raw_2013["flights"]
    assert _repeats(flights.select(names)) == 24
    assert _repeats(flights.select([*names, "origin"])) == 0


def _repeats(table):
    return table.num_rows - table.group_by(table.column_names).aggregate([]).num_rows


def test_no_flight_lands_before_it_has_left(raw):
    flights = raw["flights"]
    names = ["sched_dep_ts", "dep_ts", "arr_ts", "dep_delay", "air_time"]
    landed = flights.filter(pc.is_valid(flights.column("arr_ts"))).select(names)
    minute = timedelta(minutes=1)
    for row in landed.slice(0, 50_000).to_pylist():
        assert row["dep_ts"] == row["sched_dep_ts"] + row["dep_delay"] * minute
    in_the_air = pc.subtract(landed.column("arr_ts"), landed.column("dep_ts"))
    minutes = pc.divide(in_the_air.cast(pa.int64()), 60_000_000)
    assert count(pc.less(minutes, landed.column("air_time"))) == 0


def test_arrival_agrees_with_the_clock_at_the_destination(raw, raw_2023, year):
    """Arrival is told twice, as a delay and as a clock: they disagree where clocks change."""
    zones = zones_of(raw_2023) | zones_of(raw)
    landed = raw["flights"].filter(pc.is_valid(raw["flights"].column("arr_ts")))
    columns = (landed.column(name).to_pylist() for name in ("arr_ts", "arr_time", "dest"))
    nights = Counter()
    for arrived, clock, dest in zip(*columns, strict=True):
        local = arrived.astimezone(zones[dest])
        if 100 * local.hour + local.minute != clock % 2400:
            nights[local.month, local.day] += 1
    assert nights == {2013: {(3, 10): 1}, 2023: {(3, 12): 12, (10, 25): 1, (11, 5): 1}}[year]


def zones_of(raw):
    """The time zone of each airport that has one."""
    columns = (raw["airports"].column(name).to_pylist() for name in ("faa", "tzone"))
    return {code: ZoneInfo(zone) for code, zone in zip(*columns, strict=True) if zone}
