"""Plain Feast repositories: FileSources of Parquet, no catalog, our stores."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import FeastType, Int64, String

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
KEY_TYPES = {ValueType.INT64: Int64, ValueType.STRING: String}
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
CUSTOMER = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)


def store(
    folder: Path, *, project: str = "plain", registry: str = "registry.db", **options: Any
) -> FeatureStore:
    """Return a Feast store in ``folder``; ``options`` go to the offline store's configuration.

    But ``online`` goes to the online store's, ``registering`` to the registry's, and
    ``batch_engine`` names what materialises.
    """
    online = options.pop("online", {})
    registering = options.pop("registering", {})
    engine = options.pop("batch_engine", "provender.feast_plugin.engine.ProvenderEngine")
    folder.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=project,
        provider="local",
        registry={"path": str(folder / registry), **registering},
        offline_store={"type": "provender.feast_plugin.offline.ProvenderOfflineStore", **options},
        online_store={"type": "provender.feast_plugin.online.ProvenderOnlineStore", **online},
        batch_engine={"type": engine},
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    return FeatureStore(config=config)


def write(path: Path, rows: pd.DataFrame | pa.Table | list[dict[str, Any]]) -> str:
    """Write a Parquet file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(rows, list):
        rows = pd.DataFrame(rows)
    if isinstance(rows, pd.DataFrame):
        rows.to_parquet(path)
    else:
        pq.write_table(rows, path)
    return str(path)


def view(
    path: str,
    *features: str,
    name: str = "stats",
    entities: Sequence[Entity] = (DRIVER,),
    ttl: timedelta | None = None,
    dtype: FeastType = Int64,
    created: str = "",
    timestamp: str = "event_timestamp",
    **source: Any,
) -> FeatureView:
    """Return a feature view over one Parquet file, with features of one type."""
    return FeatureView(
        name=name,
        entities=list(entities),
        ttl=ttl,
        schema=[
            *(
                Field(name=entity.join_key, dtype=KEY_TYPES[entity.value_type])
                for entity in entities
            ),
            *(Field(name=feature, dtype=dtype) for feature in features or ("value",)),
        ],
        source=FileSource(
            name=f"{name}_source",
            path=path,
            timestamp_field=timestamp,
            created_timestamp_column=created,
            **source,
        ),
    )


def rows(
    *values: tuple[Any, ...], columns: str = "driver_id event_timestamp value"
) -> pd.DataFrame:
    """Return a data frame; ``columns`` are separated by spaces."""
    return pd.DataFrame(list(values), columns=columns.split())
