"""Saved datasets that are kept in the catalog: each persisting is a version, and none is rewritten."""

from dataclasses import replace
from pathlib import Path

import pytest
from feast import FeatureStore

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.errors import Denied, NotFound
from provender.core.lifecycle import State
from provender.core.names import DatasetRef
from provender.core.policy import Action, Rule
from provender.feast_plugin.storage import CatalogStorage
from provender.settings import Settings
from tests.catalog.world import versions_of
from tests.feast_plugin import governed
from tests.feast_plugin.plain import HOUR, NOON, rows

SETS = DatasetRef("shop", "training_sets")
MAY_PUBLISH = Rule(
    id="models-publish", actors=("team:models",), actions=(Action.PUBLISH,), datasets=(str(SETS),)
)


def declare(catalog: LocalCatalog, *rules: Rule) -> None:
    dataset = replace(governed.DATASET, ref=SETS, column_tags={})
    world = governed.GOVERNANCE
    catalog.desk.apply(
        replace(world, datasets=(*world.datasets, dataset), rules=(*world.rules, *rules))
    )


@pytest.fixture
def store(applied: Path) -> FeatureStore:
    return FeatureStore(repo_path=str(applied))


def job(store: FeatureStore, label: str):
    spine = rows((1, NOON + HOUR), (2, NOON + HOUR), columns="driver_id event_timestamp")
    return store.get_historical_features(spine.assign(label=label), features=["trips:value"])


def test_each_persisting_is_a_version_that_stays(
    store: FeatureStore, catalog: LocalCatalog
) -> None:
    declare(catalog, MAY_PUBLISH)
    for label in ("first", "second"):
        saved = store.create_saved_dataset(
            job(store, label), "mine", CatalogStorage(str(SETS)), allow_overwrite=True
        )
        assert list(saved.to_df()["label"]) == [label, label]
    versions = versions_of(catalog, SETS)
    assert [version.number for version in versions] == [1, 2]
    assert [str(ref) for ref in versions[0].manifest.inputs] == ["shop.trips@2"]
    again = FeatureStore(repo_path=str(store.repo_path)).get_saved_dataset("mine").to_df()
    assert list(again["label"]) == ["second", "second"]
    assert again["value"].tolist()[:1] == [11]


def test_who_may_not_publish_leaves_no_version(store: FeatureStore, catalog: LocalCatalog) -> None:
    declare(catalog)
    with pytest.raises(Denied):
        job(store, "x").persist(CatalogStorage(str(SETS)))
    assert versions_of(catalog, SETS) == []


def test_a_dataset_that_is_not_declared_is_said(store: FeatureStore) -> None:
    with pytest.raises(NotFound, match=r"shop\.nowhere"):
        job(store, "x").persist(CatalogStorage("shop.nowhere"))


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: sets
version: 1.0.0
status: active
schema:
  - name: training_sets
    properties:
      - {name: driver_id, required: true}
      - name: label
        quality: [{metric: invalidValues, arguments: {validValues: [good]}, mustBe: 0}]
"""


def test_what_is_persisted_is_counted_for_the_contract_of_its_dataset(
    store: FeatureStore, catalog: LocalCatalog, settings: Settings
) -> None:
    declare(catalog, MAY_PUBLISH)
    with bootstrap.catalog(settings.model_copy(update={"actor": "person:sam"})) as steward:
        steward.desk.attach(SETS, CONTRACT.encode(), expected=0)
    for label in ("good", "bad"):
        store.create_saved_dataset(
            job(store, label), "mine", CatalogStorage(str(SETS)), allow_overwrite=True
        )
    good, bad = (catalog.release(SETS.at(number)).standing.state for number in (1, 2))
    assert (good, bad) == (State.PUBLISHED, State.QUARANTINED)
    assert catalog.resolve(SETS).number == 1
