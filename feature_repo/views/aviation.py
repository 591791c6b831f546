"""Features of airports, airlines, routes and aircraft, as known before a departure."""

from datetime import timedelta

import sources
import transforms
from entities import OWNER, carrier, dest, origin, plane
from feast import FeatureView, Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

weather = FeatureView(
    name="weather",
    entities=[origin],
    ttl=timedelta(hours=3),
    source=sources.weather_hourly,
    schema=[
        Field(name="origin", dtype=String),
        Field(name="temp", dtype=Float64, description="Temperature, °F."),
        Field(name="dewp", dtype=Float64, description="Dew point, °F."),
        Field(name="humid", dtype=Float64, description="Relative humidity, percent."),
        Field(name="wind_dir", dtype=Float64, description="Wind direction, degrees."),
        Field(name="wind_speed", dtype=Float64, description="Wind speed, mph."),
        Field(name="wind_gust", dtype=Float64, description="Gust speed, mph."),
        Field(name="precip", dtype=Float64, description="Precipitation, inches."),
        Field(name="pressure", dtype=Float64, description="Sea-level pressure, millibars."),
        Field(name="visib", dtype=Float64, description="Visibility, miles."),
    ],
    description="Weather at the airport of departure in the last complete hour.",
    owner=OWNER,
)

origin_ops = FeatureView(
    name="origin_ops",
    entities=[origin],
    ttl=timedelta(hours=2),
    source=sources.origin_ops,
    schema=[
        Field(name="origin", dtype=String),
        Field(name="dep_n_1h", dtype=Int64, description="Departures in the last hour."),
        Field(name="dep_delay_mean_1h", dtype=Float64, description="Their mean delay, minutes."),
        Field(name="dep_late_share_1h", dtype=Float64, description="Share late by ≥ 15 minutes."),
        Field(name="dep_n_3h", dtype=Int64, description="Departures in the last three hours."),
        Field(name="dep_delay_mean_3h", dtype=Float64, description="Their mean delay, minutes."),
        Field(name="dep_late_share_3h", dtype=Float64, description="Share late by ≥ 15 minutes."),
    ],
    description="How busy and how late departures at the airport are; a tick every full hour.",
    owner=OWNER,
)

carrier_origin = FeatureView(
    name="carrier_origin",
    entities=[carrier, origin],
    ttl=timedelta(hours=24),
    source=sources.carrier_origin,
    schema=[
        Field(name="carrier", dtype=String),
        Field(name="origin", dtype=String),
        Field(name="dep_n_24h", dtype=Int64, description="Departures in the last 24 hours."),
        Field(name="dep_delay_mean_24h", dtype=Float64, description="Their mean delay, minutes."),
    ],
    description="How late departures of the airline at the airport are; a tick every full hour.",
    owner=OWNER,
)

route = FeatureView(
    name="route",
    entities=[origin, dest],
    ttl=timedelta(hours=48),
    source=sources.route_history,
    schema=[
        Field(name="origin", dtype=String),
        Field(name="dest", dtype=String),
        Field(name="arr_n_28d", dtype=Int64, description="Arrivals in the last 28 days."),
        Field(name="arr_delay_mean_28d", dtype=Float64, description="Their mean delay, minutes."),
        Field(name="arr_late_share_28d", dtype=Float64, description="Share late by ≥ 15 minutes."),
    ],
    description="How late arrivals on the route have been; a tick every day at 08:00 UTC.",
    owner=OWNER,
)

tail_last = FeatureView(
    name="tail_last",
    entities=[plane],
    ttl=timedelta(hours=24),
    source=sources.tail_arrivals,
    schema=[
        Field(name="tailnum", dtype=String),
        Field(name="last_arr_delay", dtype=Float64, description="Arrival delay, minutes."),
        Field(name="last_distance", dtype=Int64, description="Distance flown, miles."),
        Field(name="last_dest", dtype=String, description="Airport it arrived at."),
        Field(name="last_arr_epoch", dtype=Int64, description="Arrival, seconds since 1970 UTC."),
    ],
    description="The last arrival of the aircraft. Late arrivals can be pushed to it.",
    owner=OWNER,
)

plane_view = FeatureView(
    name="plane",
    entities=[plane],
    ttl=timedelta(0),
    source=sources.plane_facts,
    schema=[
        Field(name="tailnum", dtype=String),
        Field(name="plane_age", dtype=Int64, description="Years since it was built."),
        Field(name="seats", dtype=Int64, description="Number of seats."),
        Field(name="engines", dtype=Int64, description="Number of engines."),
    ],
    description="What is known of the aircraft; null where the registry does not have it.",
    owner=OWNER,
)

departure = on_demand_feature_view(
    name="departure",
    sources=[sources.schedule, tail_last[["last_arr_epoch"]]],
    mode="python",
    # Feast 0.67 refuses an on-demand field that has a description: it compares it with an
    # inferred one. What each field is, `transforms.departure` says.
    schema=[
        Field(name="departure_hour", dtype=Int64),
        Field(name="departure_minute", dtype=Int64),
        Field(name="departure_weekday", dtype=Int64),
        Field(name="minutes_since_arrival", dtype=Float64),
    ],
    description="What the schedule says, and how long the aircraft has been on the ground.",
    owner=OWNER,
)(transforms.departure)
