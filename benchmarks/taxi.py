"""Trips and two tables of windows in the shape of New York's taxi data, of any length.

What the Hopsworks paper (SIGMOD 2024) joins, made up rather than downloaded: 14 million trips a
month between 263 zones; per zone and quarter of an hour the mean fare and the count of pick-ups,
per zone and half an hour the count of drop-offs. Source of the shape: featurestoreorg,
featurestore-benchmarks, point-in-time-join-perf.
"""

from pathlib import Path

from benchmarks.tables import Entities, made
from benchmarks.workload import Workload, view_of

ZONES = Entities(263)
TRIPS_PER_SECOND = 5.4
BEGIN = "TIMESTAMPTZ '2023-01-01 00:00:00+00'"
PAYMENT = "['card', 'cash', 'none', 'dispute']"
BOROUGHS = "['Manhattan', 'Queens', 'Brooklyn', 'Bronx', 'Staten Island', 'EWR']"


def join(folder: Path, trips: int) -> Workload:
    """Return the join of ``trips`` trips: their own group by trip, pick-ups and drop-offs by zone."""
    raw = _trips(folder, trips)
    return Workload(
        spine=str(_spine(folder, trips, raw)),
        views=(
            view_of("trips", _group(folder, trips, raw), keys=("row_id",)),
            view_of("pickups", _pickups(folder, trips, raw), keys=("pu_location_id",)),
            view_of("dropoffs", _dropoffs(folder, trips, raw), keys=("do_location_id",)),
        ),
        answer="pandas",
    )


def _trips(folder: Path, trips: int) -> Path:
    picked = f"{BEGIN} + to_seconds((r / {TRIPS_PER_SECOND})::BIGINT)"

    def money(seed: int) -> str:
        return f"(hash(r * {seed}) % 10000) / 100.0"

    return made(
        folder / f"taxi-{trips}.parquet",
        f"""
        SELECT r AS row_id, {ZONES.drawn("r * 3")} AS pu_location_id,
               {ZONES.drawn("r * 5")} AS do_location_id,
               {picked} AS event_timestamp,
               {picked} + to_seconds((hash(r * 7) % 3600)::BIGINT) AS dropped_at,
               (hash(r * 11) % 2)::BIGINT AS vendor, (hash(r * 13) % 6)::BIGINT AS passengers,
               {money(17)} AS distance, (hash(r * 19) % 5)::BIGINT AS rate_code,
               {PAYMENT}[1 + (hash(r * 23) % 4)::INTEGER] AS payment,
               {money(29)} AS fare, {money(31)} AS extra, {money(37)} AS tax, {money(41)} AS tip,
               {money(43)} AS tolls, {money(47)} AS total, {money(53)} AS congestion
        FROM range({trips}) t(r)
        """,
    )


def _spine(folder: Path, trips: int, raw: Path) -> Path:
    columns = "row_id, pu_location_id, do_location_id, event_timestamp"
    return made(folder / f"taxi-spine-{trips}.parquet", f"SELECT {columns} FROM '{raw}'")


def _group(folder: Path, trips: int, raw: Path) -> Path:
    columns = "* EXCLUDE (pu_location_id, do_location_id, dropped_at)"
    return made(folder / f"taxi-trips-{trips}.parquet", f"SELECT {columns} FROM '{raw}'")


def _pickups(folder: Path, trips: int, raw: Path) -> Path:
    return made(
        folder / f"taxi-pickups-{trips}.parquet",
        f"""
        SELECT pu_location_id, {_window("event_timestamp", 15)} AS event_timestamp,
               {BOROUGHS}[1 + (pu_location_id % 6)::INTEGER] AS pickup_borough,
               avg(fare) AS mean_fare_15m, count(*) AS pickups_15m
        FROM '{raw}' GROUP BY ALL ORDER BY ALL
        """,
    )


def _dropoffs(folder: Path, trips: int, raw: Path) -> Path:
    return made(
        folder / f"taxi-dropoffs-{trips}.parquet",
        f"""
        SELECT do_location_id, {_window("dropped_at", 30)} AS event_timestamp,
               {BOROUGHS}[1 + (do_location_id % 6)::INTEGER] AS dropoff_borough,
               count(*) AS dropoffs_30m, any_value(dayofweek(dropped_at)) IN (0, 6) AS weekend
        FROM '{raw}' GROUP BY ALL ORDER BY ALL
        """,
    )


def _window(column: str, minutes: int) -> str:
    return f"time_bucket(INTERVAL {minutes} MINUTES, {column})"
