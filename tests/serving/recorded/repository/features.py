"""A view with a feature of every type, and one of every shape of lookup."""

from data import HOUR, KINDS
from edition import EDITION
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.data_source import PushSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from transforms import scaled

OWNER = "team:platform"
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, owner=OWNER)
place = Entity(name="place", join_keys=["place"], value_type=ValueType.STRING, owner=OWNER)
customer = Entity(
    name="customer", join_keys=["customer_id"], value_type=ValueType.INT64, owner=OWNER
)
KEYS = {
    "driver": ("driver_id", Int64),
    "place": ("place", String),
    "customer": ("customer_id", Int64),
}


def source(name):
    return FileSource(
        name=f"{name}_file", path=f"{name}.parquet", timestamp_field="event_timestamp"
    )


def view(name, entities, ttl=None, reads=None, **features):
    keys = [Field(name=KEYS[e.name][0], dtype=KEYS[e.name][1]) for e in entities]
    return FeatureView(
        name=name,
        entities=entities,
        ttl=ttl,
        schema=[*keys, *(Field(name=n, dtype=dtype) for n, dtype in features.items())],
        source=reads or source(name),
        owner=OWNER,
    )


kinds = view("kinds", [driver], **{name: dtype for name, (dtype, _, _) in KINDS.items()})
pairs = view("pairs", [place, customer], spent=Float64)
world = view("world", [], rides=Int64)
aged = view("aged", [driver], ttl=HOUR, level=Float64)
grown = view("grown", [driver], first=Int64, **({"second": String} if EDITION > 1 else {}))
pushes = PushSource(name="pushes", batch_source=source("pushed"))
pushed = view("pushed", [driver], reads=pushes, count=Int64, share=Float64, word=String)
wanted = RequestSource(name="wanted", schema=[Field(name="factor", dtype=Float64)])
computed = on_demand_feature_view(
    name="computed",
    sources=[kinds[["ratio"]], wanted],
    schema=[Field(name="scaled", dtype=Float64)],
    mode="python",
    owner=OWNER,
)(scaled)
mixed = FeatureService(
    name="mixed", features=[grown, kinds[["text", "whole"]], computed], owner=OWNER
)
both_ends = FeatureService(
    name="both_ends",
    features=[
        aged.with_name("first").with_join_key_map({"driver_id": "first_id"}),
        grown[["first"]].with_name("other").with_join_key_map({"driver_id": "second_id"}),
    ],
    owner=OWNER,
)
