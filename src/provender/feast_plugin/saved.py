"""What was saved with Feast: no file defines it, its registry alone knows."""

from dataclasses import replace
from datetime import datetime

from feast import FeatureStore
from feast.saved_dataset import SavedDataset

from provender.core.clock import to_utc
from provender.core.features import RepoSpec, SavedDatasetSpec
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.core.protocols import Library
from provender.feast_plugin.storage import CatalogStorage
from provender.feast_plugin.translation import own_tags


def saved_datasets(store: FeatureStore) -> tuple[SavedDatasetSpec, ...]:
    """Return the saved datasets that Feast's registry holds for the store's project, by name."""
    held = store.registry.list_saved_datasets(store.project)
    return tuple(sorted(map(_spec, held), key=lambda saved: saved.name))


def synced(catalog: Library, recorded: RepoSpec, found: tuple[SavedDatasetSpec, ...]) -> RepoSpec:
    """Return the definitions recorded last with what was saved since, recorded if the actor may."""
    if recorded.saved == found or recorded.whole:
        return recorded
    wanted = replace(recorded, saved=found)
    for action, names in ((Action.DEFINE, wanted.datasets), (Action.PUBLISH, wanted.kept)):
        if not catalog.records.decide(action, map(ColumnRef, sorted(names))).allowed:
            return recorded
    catalog.record(wanted)
    return catalog.repo(recorded.project)


def _spec(saved: SavedDataset) -> SavedDatasetSpec:
    return SavedDatasetSpec(
        name=saved.name,
        features=tuple(map(FeatureRef.parse, saved.features)),
        join_keys=tuple(saved.join_keys),
        service=saved.feature_service_name or "",
        full_feature_names=saved.full_feature_names,
        dataset=saved.storage.ref if isinstance(saved.storage, CatalogStorage) else None,
        earliest=_instant(saved.min_event_timestamp),
        latest=_instant(saved.max_event_timestamp),
        description=saved.description,
        tags=own_tags(saved.tags),
    )


def _instant(value: datetime | None) -> datetime | None:
    return to_utc(value) if value is not None else None
