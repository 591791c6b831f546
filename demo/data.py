"""The raw tables of one year, with the same columns and types for both years.

Every column of the packages is kept as it is. `flights` gains three instants, because the
packages only have wall-clock readings and, in 2023, a ``time_hour`` that is New York wall time
labelled as UTC:

* ``sched_dep_ts`` from year, month, day and ``sched_dep_time`` in New York;
* ``dep_ts``, that plus the departure delay (null when cancelled);
* ``arr_ts``, the scheduled arrival at the destination's clock plus the arrival delay (null when
  cancelled or diverted). ``arr_time`` at the destination's clock says the same but for 15 flights
  of both years, 14 of them in the nights in which clocks change; there it contradicts the time
  in the air.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from demo import archives
from demo.archives import Archive

Tables = dict[str, pa.Table]

NAMES = ("flights", "weather", "planes", "airports", "carriers")
FILES = {name: name for name in NAMES} | {"carriers": "airlines"}
ABSENT_ZONES = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
"""Destinations that the airports of 2013 lack."""

INSTANT = pa.timestamp("us", tz="UTC")
TYPES: Mapping[str, Mapping[str, pa.DataType]] = {
    "flights": {
        "year": pa.int64(),
        "month": pa.int64(),
        "day": pa.int64(),
        "dep_time": pa.int64(),
        "sched_dep_time": pa.int64(),
        "dep_delay": pa.int64(),
        "arr_time": pa.int64(),
        "sched_arr_time": pa.int64(),
        "arr_delay": pa.int64(),
        "carrier": pa.string(),
        "flight": pa.int64(),
        "tailnum": pa.string(),
        "origin": pa.string(),
        "dest": pa.string(),
        "air_time": pa.int64(),
        "distance": pa.int64(),
        "hour": pa.int64(),
        "minute": pa.int64(),
        "time_hour": INSTANT,
    },
    "weather": {
        "origin": pa.string(),
        "year": pa.int64(),
        "month": pa.int64(),
        "day": pa.int64(),
        "hour": pa.int64(),
        "temp": pa.float64(),
        "dewp": pa.float64(),
        "humid": pa.float64(),
        "wind_dir": pa.int64(),
        "wind_speed": pa.float64(),
        "wind_gust": pa.float64(),
        "precip": pa.float64(),
        "pressure": pa.float64(),
        "visib": pa.float64(),
        "time_hour": INSTANT,
    },
    "planes": {
        "tailnum": pa.string(),
        "year": pa.int64(),
        "type": pa.string(),
        "manufacturer": pa.string(),
        "model": pa.string(),
        "engines": pa.int64(),
        "seats": pa.int64(),
        "speed": pa.int64(),
        "engine": pa.string(),
    },
    "airports": {
        "faa": pa.string(),
        "name": pa.string(),
        "lat": pa.float64(),
        "lon": pa.float64(),
        "alt": pa.float64(),
        "tz": pa.int64(),
        "dst": pa.string(),
        "tzone": pa.string(),
    },
    "carriers": {"carrier": pa.string(), "name": pa.string()},
}

INSTANTS = """
WITH zoned AS (
    SELECT
        flights.*,
        coalesce(airports.tzone, absent.tzone) AS zone,
        timezone('America/New_York', make_timestamp(
            year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0
        )) AS sched_dep_ts,
        to_minutes(60 * (sched_arr_time // 100) + sched_arr_time % 100) AS sched_arr_clock
    FROM flights
    LEFT JOIN airports ON airports.faa = flights.dest
    LEFT JOIN absent ON absent.faa = flights.dest
), candidates AS (
    SELECT
        *,
        timezone(zone, local_midnight + sched_arr_clock) AS same_day,
        timezone(zone, local_midnight + INTERVAL 1 DAY + sched_arr_clock) AS next_day
    FROM (SELECT *, CAST(timezone(zone, sched_dep_ts) AS DATE) AS local_midnight FROM zoned)
)
SELECT
    sched_dep_ts,
    sched_dep_ts + to_minutes(dep_delay) AS dep_ts,
    CASE WHEN same_day > sched_dep_ts THEN same_day ELSE next_day END
        + to_minutes(arr_delay) AS arr_ts
FROM candidates
ORDER BY position
"""


def load(year: int, folder: Path = archives.FOLDER) -> Tables:
    """Return the raw tables of ``year`` by name: flights, weather, planes, airports, carriers.

    Rows are in the order of the package. Instants are microseconds, UTC.

    Raises:
        NotFound: there are no flights of that year.
        Unavailable: the archive is not in ``folder``.
        Corrupt: it is not the pinned file.
    """
    archive = archives.archive_of(year)
    path = archives.verified(archive, folder)
    read = _read_csv if archive.year == 2013 else _read_parquet
    tables = {name: read(archive, path, name) for name in NAMES}
    return tables | {"flights": with_instants(tables["flights"], tables["airports"])}


def with_instants(flights: pa.Table, airports: pa.Table) -> pa.Table:
    """Return ``flights`` with ``sched_dep_ts``, ``dep_ts`` and ``arr_ts``; the rows keep their order."""
    absent = pa.table({"faa": list(ABSENT_ZONES), "tzone": list(ABSENT_ZONES.values())})
    numbered = flights.append_column("position", pa.array(range(flights.num_rows), pa.int64()))
    with session(flights=numbered, airports=airports, absent=absent) as connection:
        instants = connection.sql(INSTANTS).to_arrow_table()
    for name in instants.column_names:
        flights = flights.append_column(name, instants.column(name).cast(INSTANT))
    return flights


def session(**tables: pa.Table) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection in UTC that knows ``tables`` by name; close it after use."""
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        connection.register(name, table)
    return connection


def _read_csv(archive: Archive, path: Path, name: str) -> pa.Table:
    file = f"{FILES[name]}.csv"
    if name == "flights":
        data = archives.unzipped(archives.member(archive, path, f"{file}.zip"), file)
    else:
        data = archives.member(archive, path, file)
    return pa_csv.read_csv(
        pa.py_buffer(data),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(TYPES[name]), null_values=["NA", ""], strings_can_be_null=True
        ),
    ).cast(_schema(name))


def _read_parquet(archive: Archive, path: Path, name: str) -> pa.Table:
    data = archives.member(archive, path, f"{FILES[name]}.parquet")
    return pq.read_table(io.BytesIO(data)).select(list(TYPES[name])).cast(_schema(name))


def _schema(name: str) -> pa.Schema:
    return pa.schema(list(TYPES[name].items()))
