"""The contenders that are called through Feast: our store, and Feast's own DuckDB store.

Both get the same feature views and the same call, `get_historical_features` with a pandas
spine; the frame is written as each store's job can.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contender import Ready, Task, write
from benchmarks.workload import View, Workload
from provender.feast_plugin.typechecks import hasten

STORES = {"ours": "provender.feast_plugin.offline.ProvenderOfflineStore", "feast": "duckdb"}


def prepare(task: Task) -> Ready:
    """Return the retrieval, with everything defined."""
    store = _feature_store(task)
    features = [f"{view.name}:{name}" for view in task.workload.views for name in view.features]

    def job() -> Any:
        return store.get_historical_features(entity_df=_spine(task), features=features)

    if task.workload.answer == "pandas":
        return Ready(lambda: job().to_df(), lambda frame: write(_arrow(frame), task.frame))
    if task.kind == "ours":
        return Ready(lambda: job().to_parquet(task.frame))
    return Ready(lambda: write(job().to_arrow(), task.frame))


def _spine(task: Task) -> Any:
    path = Path(task.workload.spine)
    if task.kind == "ours" and task.workload.spine_as == "file":
        return path
    return pq.read_table(path).to_pandas()


def _arrow(frame: Any) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _feature_store(task: Task) -> Any:
    hasten()
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    folder = task.frame.parent / f"repo-{task.frame.stem}"
    folder.mkdir(exist_ok=True)
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store=_offline_store(task),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    store.apply(definitions(task.workload, governed=task.kind == "ours"))
    return store


def _offline_store(task: Task) -> dict[str, Any]:
    options: dict[str, Any] = {"type": STORES[task.kind]}
    if task.kind == "ours" and task.workload.memory_limit:
        options["memory_limit"] = task.workload.memory_limit
    if task.kind == "ours" and task.workload.pins:
        options["pins"] = dict(task.workload.pins)
    return options


def definitions(workload: Workload, *, governed: bool) -> list[Any]:
    """Return the entities and feature views of ``workload``, in Feast's terms."""
    from feast import Entity

    schemas = {view.name: pq.read_schema(view.path) for view in workload.views}
    kinds = {
        key: _value_type(schemas[view.name].field(key).type)
        for view in workload.views
        for key in view.keys
    }
    entities = {key: Entity(name=key, join_keys=[key], value_type=kinds[key]) for key in kinds}
    views = [
        _view(view, schemas[view.name], entities, governed=governed) for view in workload.views
    ]
    return [*entities.values(), *views]


def _view(view: View, schema: pa.Schema, entities: dict[str, Any], *, governed: bool) -> Any:
    from feast import FeatureView, Field
    from feast.types import from_value_type

    fields = [
        Field(name=name, dtype=from_value_type(_value_type(schema.field(name).type)))
        for name in (*view.features, *view.keys)
    ]
    return FeatureView(
        name=view.name,
        entities=[entities[key] for key in view.keys],
        ttl=timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
        schema=fields,
        source=_source(view, governed=governed),
    )


def _source(view: View, *, governed: bool) -> Any:
    names = {
        "timestamp_field": "event_timestamp",
        "created_timestamp_column": "created_timestamp" if view.created else "",
    }
    if governed and view.dataset:
        from provender.feast_plugin.source import CatalogSource

        return CatalogSource(name=view.name, dataset=view.dataset, **names)
    from feast import FileSource

    return FileSource(name=view.name, path=view.path, **names)


def _value_type(kind: pa.DataType) -> Any:
    from feast.type_map import pa_to_feast_value_type

    return pa_to_feast_value_type(str(kind))
