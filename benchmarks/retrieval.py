"""One contender of `benchmarks.flagship`, in a process of its own: ``retrieval CONTENDER FOLDER``."""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TTL_HOURS = {
    "weather_hourly": 3,
    "origin_ops": 2,
    "carrier_origin": 24,
    "route_history": 48,
    "tail_last": 24,
}
KEYS = {
    "weather_hourly": ("origin",),
    "origin_ops": ("origin",),
    "carrier_origin": ("carrier", "origin"),
    "route_history": ("origin", "dest"),
    "tail_last": ("tailnum",),
    "plane_facts": ("tailnum",),
}
STORES = {"ours": "provender.feast_plugin.offline.ProvenderOfflineStore", "feast": "duckdb"}
SYSTEM = ("event_timestamp", "created_timestamp")


def main(contender: str, folder: Path) -> None:
    """Run, and print seconds and peak memory as one line of JSON."""
    seconds = floor(folder) if contender == "floor" else retrieve(contender, folder)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


def retrieve(contender: str, folder: Path) -> float:
    """Time the retrieval and the writing of the frame."""
    store, features = feature_store(STORES[contender], folder)
    spine = pq.read_table(folder / "spine.parquet").to_pandas()
    began = time.perf_counter()
    frame = store.get_historical_features(entity_df=spine, features=features).to_arrow()
    pq.write_table(frame, folder / f"frame-{contender}.parquet")
    return time.perf_counter() - began


def floor(folder: Path) -> float:
    """Time reading the needed columns of every source and writing a finished frame."""
    frame = pq.read_table(folder / "frame-ours.parquet")
    began = time.perf_counter()
    for name in KEYS:
        pq.read_table(folder / f"{name}.parquet")
    pq.write_table(frame, folder / "frame-floor.parquet")
    return time.perf_counter() - began


def feature_store(offline_type: str, folder: Path) -> tuple[Any, list[str]]:
    """Return a Feast store over the files of ``folder``, and every feature in it."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.repo_config import RepoConfig
    from feast.type_map import pa_to_feast_value_type
    from feast.types import from_value_type

    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"registry-{offline_type.rpartition('.')[2]}.db"),
        offline_store={"type": offline_type},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    names = dict.fromkeys(key for keys in KEYS.values() for key in keys)
    entities = {n: Entity(name=n, join_keys=[n], value_type=ValueType.STRING) for n in names}
    views, features = [], []
    for name, keys in KEYS.items():
        schema = pq.read_schema(folder / f"{name}.parquet")
        fields = [
            Field(name=f.name, dtype=from_value_type(pa_to_feast_value_type(str(f.type))))
            for f in schema
            if f.name not in (*SYSTEM, *keys)
        ]
        hours = TTL_HOURS.get(name)
        views.append(
            FeatureView(
                name=name,
                entities=[entities[key] for key in keys],
                ttl=timedelta(hours=hours) if hours else None,
                schema=[
                    *fields,
                    *(Field(name=k, dtype=from_value_type(ValueType.STRING)) for k in keys),
                ],
                source=FileSource(
                    path=str(folder / f"{name}.parquet"),
                    timestamp_field="event_timestamp",
                    created_timestamp_column="created_timestamp",
                ),
            )
        )
        features += [f"{name}:{field.name}" for field in fields]
    store.apply([*entities.values(), *views])
    return store, features


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
