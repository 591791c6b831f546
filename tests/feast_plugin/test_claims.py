"""What plain Feast calls record of the features they asked for, and what they are let read for that."""

from dataclasses import replace

import pytest
from feast import FeatureView, Field
from feast.types import Int64

from provender.core.errors import Denied
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.source import CatalogSource
from provender.sdk.workspace import Workspace
from tests.feast_plugin.governed import DATASET
from tests.feast_plugin.test_sdk_aliases import SPINE, feasts, workspace

__all__ = ["workspace"]


def test_views_are_recorded_by_the_names_they_have_themselves(workspace: Workspace) -> None:
    feasts(workspace, "both_ends", full=True)
    (made,) = workspace.catalog.records.training_sets().items
    assert {(one.alias, one.view) for one in made.spec.projections} == {
        ("first", "trips"),
        ("second", "trips"),
    }
    assert {ref.view for ref in made.spec.own_features} == {"trips"}
    assert made.repo_digest == workspace.catalog.repo("trips").digest


def test_features_that_were_never_applied_are_read_by_who_may_read_every_column(
    workspace: Workspace,
) -> None:
    settings = workspace.settings
    with open_store(settings.feature_repo, settings) as store, collaborators.using(settings):
        view = FeatureView(
            name="never_applied",
            entities=[store.get_entity("driver")],
            schema=[Field(name="value", dtype=Int64)],
            source=CatalogSource(dataset="shop.trips", timestamp_field="event_timestamp"),
        )
        store.apply([view])

        def asked() -> list[int | None]:
            frame = SPINE.to_pandas(integer_object_nulls=True)
            job = store.get_historical_features(frame, features=["never_applied:value"])
            found: list[int | None] = job.to_arrow()["value"].to_pylist()
            return found

        with pytest.raises(Denied, match=r"(?s)home_address.*all columns are asked for") as error:
            asked()
        assert "provender features apply" in str(error.value.hint)
        assert workspace.catalog.records.training_sets().items == ()
        workspace.catalog.desk.declare(replace(DATASET, column_tags={}))
        assert any(asked())
    (made,) = workspace.catalog.records.training_sets().items
    assert made.repo_digest == ""
