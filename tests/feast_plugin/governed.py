"""A small governed world: one dataset in two versions, who may do what, and a repository on it."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag
from provender.settings import Settings
from provender.tables.versions import write_version
from tests.feast_plugin.plain import HOUR, NOON

ANA, SAM, MAX = "person:ana", "person:sam", "person:max"
FOUND_BY = ("driver_id", "event_timestamp", "created_timestamp")
TRIPS = DatasetRef("shop", "trips")
DATASET = Dataset(
    ref=TRIPS,
    description="Trips per driver.",
    owner="team:trips",
    stewards=(SAM,),
    format=Format.PARQUET,
    column_tags={"home_address": ("personal.address",)},
    event_timestamp="event_timestamp",
)
GOVERNANCE = Governance(
    domains=(Domain(name="shop", owner="team:trips"),),
    teams=("team:trips", "team:models"),
    people=(
        Person(id=ANA, teams=("team:models",)),
        Person(id=SAM, teams=("team:trips",)),
        Person(id=MAX),
        Person(id="service:online"),
    ),
    tags=(Tag(name="personal.address", protected=True), Tag(name="quality.gold")),
    purposes={"research": "To learn.", "serving": "To serve.", "fun": "No."},
    rules=(
        Rule(id="models-govern", actors=("team:models",), actions=(Action.GOVERN,)),
        Rule(id="models-define", actors=("team:models",), actions=(Action.DEFINE,)),
        Rule(id="all-discover", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(
            id="models-read",
            actors=("team:models",),
            actions=(Action.READ,),
            purposes=("research",),
        ),
        Rule(
            id="untagged-is-served",
            actors=("team:models", "service:online"),
            actions=(Action.SERVE,),
            purposes=("serving",),
        ),
    ),
    datasets=(DATASET,),
)
CONFIGURATION = """
project: trips
provider: local
registry:
  registry_type: sql
  path: sqlite:///${PROVENDER_HOME}/registry.db
  serve_features_while_materializing: true
offline_store:
  type: provender.feast_plugin.offline.ProvenderOfflineStore
  purpose: research
online_store:
  type: provender.feast_plugin.online.ProvenderOnlineStore
batch_engine:
  type: provender.feast_plugin.engine.ProvenderEngine
entity_key_serialization_version: 3
"""
DEFINITIONS = """
from datetime import timedelta

import transforms
from feast import Entity, FeatureService, FeatureView, Field, PushSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

from provender.feast_plugin.source import CatalogSource

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, owner="team:models")
trips_source = CatalogSource(
    dataset="shop.trips",
    timestamp_field="event_timestamp",
    created_timestamp_column="created_timestamp",
)
arrivals = PushSource(name="arrivals", batch_source=trips_source)
trips = FeatureView(
    name="trips",
    entities=[driver],
    ttl=timedelta(days=2),
    schema=[Field(name="value", dtype=Int64), Field(name="rating", dtype=Float64)],
    source=arrivals,
    owner="team:models",
    tags={"tags": "quality.gold", "colour": "blue"},
)
wanted = RequestSource(name="wanted", schema=[Field(name="factor", dtype=Float64)])
scaled = on_demand_feature_view(
    sources=[trips[["value"]], wanted],
    schema=[Field(name="scaled_value", dtype=Float64)],
    mode="python",
    name="scaled",
    owner="team:models",
)(transforms.scale)
service = FeatureService(name="service_v1", features=[trips, scaled], owner="team:models")
"""
TRANSFORMS = '''
def scale(inputs):
    """Return the value times the factor."""
    pairs = zip(inputs["value"], inputs["factor"], strict=True)
    return {"scaled_value": [None if v is None or f is None else v * f for v, f in pairs]}
'''


def rows(*values: tuple[int | None, int, int | None], hours: int = 0) -> pa.Table:
    """Return rows of the dataset from (driver, hours after noon, value)."""
    at = [NOON + timedelta(hours=hours + hour) for _, hour, _ in values]
    return pa.table(
        {
            "driver_id": pa.array([driver for driver, _, _ in values], pa.int64()),
            "event_timestamp": pa.array(at, pa.timestamp("us", "UTC")),
            "created_timestamp": pa.array([t + HOUR for t in at], pa.timestamp("us", "UTC")),
            "value": pa.array([value for _, _, value in values], pa.int64()),
            "rating": pa.array([value and value / 2 for _, _, value in values], pa.float64()),
            "home_address": pa.array(["somewhere"] * len(values), pa.string()),
        }
    )


VERSION_1 = rows((1, 0, 10), (2, 0, 20), (None, 0, 99))
VERSION_2 = rows((1, 1, 11), (2, 1, None), (3, 1, 2**53 + 1))


def speaking_as(settings: Settings, actor: str) -> LocalCatalog:
    """Return the catalog of the settings for another actor."""
    return bootstrap.catalog(settings.model_copy(update={"actor": actor}))


def publish(settings: Settings, table: pa.Table) -> int:
    """Publish a version as the dataset's steward; return its number."""
    with speaking_as(settings, SAM) as catalog:
        manifest = write_version(settings.lake, DATASET, table)
        return catalog.publish(TRIPS, manifest).number


def govern(settings: Settings) -> None:
    """Set the catalog up, with both versions of the dataset."""
    with speaking_as(settings, ANA) as catalog:
        catalog.desk.apply(GOVERNANCE)
    assert [publish(settings, table) for table in (VERSION_1, VERSION_2)] == [1, 2]


def repository(
    folder: Path,
    *,
    definitions: str = DEFINITIONS,
    transforms: str = TRANSFORMS,
    configuration: str = CONFIGURATION,
) -> Path:
    """Write a feature repository and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(configuration)
    (folder / "definitions.py").write_text(definitions)
    (folder / "transforms.py").write_text(transforms)
    return folder
