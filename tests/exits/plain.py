"""Plain Feast over the world: a repository of whoever asks, with our stores or those of Feast itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
from feast.types import Float64, String

from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.settings import Settings

OURS = {
    "offline": "provender.feast_plugin.offline.ProvenderOfflineStore",
    "online": "provender.feast_plugin.online.ProvenderOnlineStore",
}
NAMES = {"fare": Float64, "remark": String, "plate": String, "address": String}


@contextmanager
def feast(
    folder: Path,
    settings: Settings,
    *,
    offline: str = "ours",
    online: str = "ours",
    timestamp_field: str = "event_timestamp",
    created_timestamp_column: str = "",
) -> Iterator[FeatureStore]:
    """A store whose calls ask by ``settings``, with one view of all that the dataset has."""
    config = RepoConfig(
        project="visits",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        offline_store={"type": OURS["offline"] if offline == "ours" else offline},
        online_store={"type": OURS["online"] if online == "ours" else online},
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    folder.mkdir(parents=True, exist_ok=True)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    source = CatalogSource(
        dataset="shop.visits",
        timestamp_field=timestamp_field,
        created_timestamp_column=created_timestamp_column,
    )
    view = FeatureView(
        name="visits",
        entities=[driver],
        schema=[Field(name=name, dtype=kind) for name, kind in NAMES.items()],
        source=source,
    )
    with collaborators.using(settings):
        store = FeatureStore(config=config)
        store.apply([driver, source, view])
        yield store
    collaborators.close()
