"""Where the features come from: datasets of the catalog, never files."""

from entities import OWNER
from feast import Field, PushSource, RequestSource
from feast.types import Int64

from provender.feast_plugin.source import CatalogSource


def derived(name: str, description: str) -> CatalogSource:
    """Return the source of the feature table ``aviation.name``."""
    return CatalogSource(
        dataset=f"aviation.{name}",
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        description=description,
        owner=OWNER,
    )


weather_hourly = derived("weather_hourly", "Weather by hour, from the minute it was complete.")
origin_ops = derived("origin_ops", "Departures and delays at an airport, by hour.")
carrier_origin = derived("carrier_origin", "Departures of an airline at an airport, by hour.")
route_history = derived("route_history", "Arrivals of the last 28 days on a route, by day.")
plane_facts = derived("plane_facts", "What is known of an aircraft.")
tail_last = derived("tail_last", "Arrivals by aircraft, from the instant they happened.")

tail_arrivals = PushSource(
    name="tail_arrivals",
    batch_source=tail_last,
    description="Arrivals as they are reported.",
    owner=OWNER,
)
schedule = RequestSource(
    name="schedule",
    schema=[
        Field(
            name="departure_epoch",
            dtype=Int64,
            description="Scheduled departure, seconds since 1970 UTC.",
        )
    ],
    description="What the caller knows of the flight.",
    owner=OWNER,
)
