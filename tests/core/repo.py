"""A small feature repository that is in order, for tests to break in one place."""

from datetime import UTC, datetime, timedelta

from provender.core.datasets import DatasetVersion, Format, Manifest
from provender.core.features import (
    EntitySpec,
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    ServiceSpec,
    ViewSpec,
)
from provender.core.names import DatasetRef, FeatureRef
from provender.core.schema import Column, Schema
from provender.core.tags import Tag, Taxonomy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = FieldSpec(name="origin", type="string")
TEMP = FieldSpec(name="temp", type="float64")
WIND = FieldSpec(name="wind", type="float64", column="wind_speed", tags=("quality.raw",))
WEATHER = ViewSpec(
    name="weather",
    entities=("airport",),
    join_keys=(ORIGIN,),
    features=(TEMP, WIND),
    dataset=DatasetRef("aviation", "weather"),
    event_timestamp="event_timestamp",
    created_timestamp="created_timestamp",
    ttl=timedelta(hours=2),
    push_sources=("weather_push",),
    owner="team:ops",
)
CHILL = OnDemandSpec(
    name="chill",
    inputs=(FeatureRef("weather", "temp"), FeatureRef("weather", "wind")),
    request=(),
    features=(FieldSpec(name="chill", type="float64"),),
    module="transforms",
    function="chill",
    code_digest="sha256:0",
    owner="team:ops",
)
DELAY = ServiceSpec(
    name="delay",
    features=(FeatureRef("chill", "chill"), FeatureRef("weather", "temp")),
    owner="team:ml",
)
REPO = RepoSpec(
    project="flights",
    entities=(EntitySpec(name="airport", join_key="origin", type="string"),),
    views=(WEATHER,),
    on_demand=(CHILL,),
    services=(DELAY,),
)
SCHEMA = Schema(
    (
        Column(name="origin", type="string"),
        Column(name="temp", type="float64"),
        Column(name="wind_speed", type="float32"),
        Column(name="event_timestamp", type="timestamp", nullable=False),
        Column(name="created_timestamp", type="timestamp"),
    )
)
SCHEMAS = {"aviation.weather": SCHEMA}
TAXONOMY = Taxonomy((Tag(name="quality.raw"),))
VERSION = DatasetVersion(
    ref=DatasetRef("aviation", "weather", 2),
    manifest=Manifest(
        format=Format.DELTA, location="aviation/weather/delta", files=(), schema=SCHEMA,
        row_count=1, logical_digest="sha256:0", native_snapshot="1",
    ),
    published_at=NOW,
    published_by="person:ana",
)  # fmt: skip
VERSIONS = {"aviation.weather": VERSION}
