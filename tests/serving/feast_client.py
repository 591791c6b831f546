"""Feast's own client against a running server: ``feast_client.py ADDRESS FOLDER``, writes JSON.

A process of its own, because Feast is heavy and warns at import.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.errors import FeatureViewNotFoundException
from feast.repo_config import RepoConfig
from feast.types import Float32, Float64, String


def repository(address: str, folder: Path) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project="flights",
            registry=str(folder / "registry.db"),
            provider="local",
            online_store={"type": "remote", "path": address, "connection_retries": 0},
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
        source=source,
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
    service = FeatureService(name="delay", features=[route])
    store.apply([origin, dest, also, route, service])
    return store


def main(address: str, folder: Path) -> dict:
    store = repository(address, folder)
    rows = [{"origin": "JFK", "dest": "SFO"}, {"origin": "LGA", "dest": "SFO"}]
    by_list = store.get_online_features(["route:delay"], rows).to_dict()
    by_service = store.get_online_features(store.get_feature_service("delay"), rows).to_dict()
    noon = datetime(2013, 1, 1, 5, tzinfo=UTC)
    frame = pd.DataFrame({"origin": ["EWR"], "temp": [float("nan")], "at": [noon]})
    store.write_to_online_store("also", frame)
    frame = pd.DataFrame({"origin": ["LGA"], "temp": [2.5], "at": [noon]})
    store.write_to_online_store("also", frame)
    written = store.get_online_features(["also:temp"], [{"origin": "LGA"}]).to_dict()
    try:
        store.get_online_features(["wether:temp"], rows)
        error = ""
    except FeatureViewNotFoundException as found:
        error = str(found)
    return {"list": by_list, "service": by_service, "written": written, "error": error}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))) + "\n")
