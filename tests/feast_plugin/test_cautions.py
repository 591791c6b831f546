"""What readers are told of a version that is deprecated or recalled: by Feast, by training, by reading."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureStore

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.cautions import CautionWarning
from provender.core.errors import Recalled
from provender.core.lifecycle import Severity, Step
from provender.feast_plugin.repo import apply
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.settings import Settings
from tests.feast_plugin.governed import SAM, TRIPS
from tests.feast_plugin.plain import NOON

SPINE = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON]})


@pytest.fixture
def steward(settings: Settings, catalog: LocalCatalog) -> Iterator[LocalCatalog]:
    with bootstrap.catalog(settings.model_copy(update={"actor": SAM})) as made:
        yield made


def test_training_and_reading_are_warned_of_a_deprecated_version_and_refused_a_recalled_one(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    steward: LocalCatalog,
) -> None:
    apply(repo, catalog, online, settings=settings)
    latest = catalog.resolve(TRIPS)
    store = FeatureStore(repo_path=str(repo))
    view = store.list_feature_views()[0]
    asked = [f"{view.name}:{view.features[0].name}"]

    def by_feast() -> None:
        store.get_historical_features(SPINE, features=asked).to_df()

    with connect(settings=settings, purpose="research") as workspace:

        def by_training() -> None:
            workspace.training_set(SPINE, features=asked)

        def by_reading() -> None:
            workspace.read(str(TRIPS), [latest.manifest.schema.names[0]])

        readers = (by_feast, by_training, by_reading)
        with warnings.catch_warnings():
            warnings.simplefilter("error", CautionWarning)
            for read in readers:
                read()
        steward.desk.step(latest.ref, Step.DEPRECATE, reason="a new one is coming")
        for read in readers:
            with pytest.warns(CautionWarning, match=r"was deprecated by .*a new one is coming"):
                read()
        for release in steward.finder.releases(TRIPS).items:
            steward.desk.step(
                release.version.ref, Step.RECALL, reason="wrong", severity=Severity.REFUSE
            )
        with pytest.raises(Recalled, match="wrong"):
            workspace.read(str(latest.ref))
