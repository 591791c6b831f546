"""Feast's own client against a running server: ``feast_client.py ADDRESS FOLDER WHAT``, writes JSON.

A process of its own, because Feast is heavy and warns at import.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_source import PushSource
from feast.errors import FeastError
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig
from feast.types import Float32, Float64, String


def repository(address: str, folder: Path) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project="flights",
            registry=str(folder / "registry.db"),
            provider="local",
            online_store={"type": "remote", "path": address, "connection_retries": 3},
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        )
    )
    pd.DataFrame({"origin": ["a"], "at": [pd.Timestamp(0, tz="UTC")]}).to_parquet(
        folder / "x.parquet"
    )
    source = FileSource(name="x", path=str(folder / "x.parquet"), timestamp_field="at")
    origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
    dest = Entity(name="dest", join_keys=["dest"], value_type=ValueType.STRING)
    also = FeatureView(
        name="also",
        entities=[origin],
        schema=[Field(name="temp", dtype=Float64), Field(name="origin", dtype=String)],
        source=PushSource(name="also_push", batch_source=source),
    )
    route = FeatureView(
        name="route",
        entities=[origin, dest],
        schema=[
            Field(name="delay", dtype=Float32),
            Field(name="origin", dtype=String),
            Field(name="dest", dtype=String),
        ],
        source=source,
    )
    visits = FeatureView(
        name="visits",
        entities=[origin],
        schema=[Field(name="count", dtype=Float64), Field(name="origin", dtype=String)],
        source=source,
    )
    service = FeatureService(name="delay", features=[route])
    store.apply([origin, dest, also, route, visits, service])
    return store


def key(**values: str) -> EntityKeyProto:
    """Return the key as Feast's generic code gives it to a store."""
    texts = [ValueProto(string_val=value) for value in values.values()]
    return EntityKeyProto(join_keys=list(values), entity_values=texts)


def online_read(store: FeatureStore, view: str, feature: str, *keys: EntityKeyProto) -> list:
    read = store._get_provider().online_read(
        store.config, store.get_feature_view(view), list(keys), [feature]
    )
    return [(when.isoformat(), values[feature].WhichOneof("val")) for when, values in read]


def failure(call: Callable[[], object]) -> list[str]:
    """Return class and message of the error that the call ends with."""
    try:
        call()
    except (FeastError, RuntimeError) as error:
        return [type(error).__name__, str(error)]
    return []


def main(address: str, folder: Path) -> dict:
    store = repository(address, folder)
    rows = [{"origin": "JFK", "dest": "SFO"}, {"origin": "LGA", "dest": "SFO"}]
    service = store.get_feature_service("delay")
    seen = {
        "list": store.get_online_features(["route:delay"], rows).to_dict(),
        "service": store.get_online_features(service, rows).to_dict(),
        "full": store.get_online_features(["route:delay"], rows, full_feature_names=True).to_dict(),
        "versions": store.get_online_features(
            ["route:delay"], rows, include_feature_view_version_metadata=True
        ).to_dict(),
    }
    noon = datetime(2013, 1, 1, 5, tzinfo=UTC)
    frame = pd.DataFrame({"origin": ["EWR"], "temp": [float("nan")], "at": [noon]})
    store.write_to_online_store("also", frame)
    frame = pd.DataFrame({"origin": ["LGA"], "temp": [2.0], "at": [noon]})
    store.write_to_online_store("also", frame)
    answer = store.get_online_features(["also:temp"], [{"origin": "LGA"}])
    seen["written"] = answer.to_dict()
    seen["type"] = str(answer.to_arrow().schema.field("temp").type)
    pushed = pd.DataFrame({"origin": ["BOS"], "temp": [3.0], "at": [noon]})
    store.push("also_push", pushed)
    seen["pushed"] = store.get_online_features(["also:temp"], [{"origin": "BOS"}]).to_dict()
    seen["read"] = online_read(store, "also", "temp", key(origin="LGA"), key(origin="nobody"))
    seen["part"] = failure(
        lambda: online_read(store, "route", "delay", key(dest="SFO", origin="JFK"))
    )
    seen["error"] = failure(lambda: store.get_online_features(["wether:temp"], rows))
    seen["documents"] = failure(
        lambda: store._get_provider().retrieve_online_documents_v2(
            store.config, store.get_feature_view("also"), ["temp"], [0.1], 3
        )
    )
    return seen


def materialize(address: str, folder: Path) -> dict:
    """Have the server at ``address`` materialise, as Feast does where the online store is remote."""
    store = repository(address, folder)
    start, end = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    store.materialize(start, end, feature_views=["visits"])
    store.materialize_incremental(datetime(2024, 7, 15, tzinfo=UTC), ["visits"], run_async=True)
    return {"conflict": failure(lambda: store.materialize(start, end, feature_views=["visits"]))}


if __name__ == "__main__":
    ask = {"ask": main, "materialize": materialize}[sys.argv[3]]
    sys.stdout.write(json.dumps(ask(sys.argv[1], Path(sys.argv[2]))) + "\n")
