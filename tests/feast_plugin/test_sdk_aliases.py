"""Training sets of services that rename views or join keys: the SDK's rows are Feast's, cell by cell."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from provender.catalog.local import LocalCatalog
from provender.core.errors import InvalidInput
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from tests.feast_plugin.governed import DEFINITIONS, repository
from tests.feast_plugin.plain import HOUR, NOON

SERVICES = """
def at(end, *names):
    return trips[list(names)].with_name(end).with_join_key_map({"driver_id": f"{end}_id"})


both_ends = FeatureService(
    name="both_ends", owner="team:models",
    features=[at("first", "value", "rating"), at("second", "value")],
)
by_other_keys = FeatureService(
    name="by_other_keys", owner="team:models",
    features=[trips.with_join_key_map({"driver_id": "second_id"})],
)
only_named = FeatureService(
    name="only_named", owner="team:models", features=[trips[["value"]].with_name("first")]
)
mixed = FeatureService(name="mixed", owner="team:models", features=[at("second", "value"), trips[["rating"]].with_name("third")])
computed = FeatureService(name="computed", owner="team:models", features=[at("first", "value"), scaled])
"""
SPINE = pa.table(
    {
        "driver_id": [1, 2, 3, 9, 1, None],
        "first_id": [1, 3, 2, 1, 9, 2],
        "second_id": [3, 3, 1, None, 2, 1],
        "factor": [1.0, 2.0, None, 4.0, 5.0, 6.0],
        "event_timestamp": pa.array(
            [NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + timedelta(2), NOON + HOUR],
            pa.timestamp("us", "UTC"),
        ),
    }
)


@pytest.fixture
def workspace(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> Iterator[Workspace]:
    repository(repo, definitions=DEFINITIONS + SERVICES)
    apply(repo, catalog, online, settings=settings)
    with connect(settings=settings, purpose="research") as opened:
        opened.settings = opened.settings.model_copy(update={"feature_repo": repo})
        yield opened


def feasts(workspace: Workspace, service: str, *, full: bool) -> pa.Table:
    """Return what Feast's own call gives for the service."""
    settings = workspace.settings
    with open_store(settings.feature_repo, settings) as store, collaborators.using(settings):
        job = store.get_historical_features(
            SPINE.to_pandas(integer_object_nulls=True),
            store.get_feature_service(service),
            full_feature_names=full,
        )
        return job.to_arrow()


CASES = [
    ("both_ends", True),
    ("by_other_keys", True),
    ("by_other_keys", False),
    ("only_named", True),
    ("only_named", False),
    ("mixed", False),
    ("mixed", True),
    ("computed", True),
]


def test_the_rows_are_those_of_feasts_own_call(workspace: Workspace) -> None:
    for service, full in CASES:
        made = workspace.training_set(SPINE, service=service, full_feature_names=full).arrow()
        theirs = feasts(workspace, service, full=full)
        features = made.column_names[len(SPINE.column_names) :]
        assert {name: made[name].to_pylist() for name in features} == {
            name: theirs[name].to_pylist() for name in features
        }, (service, full)
        assert any(value is not None for name in features for value in made[name].to_pylist())


def test_each_name_has_its_own_rows_and_the_set_can_be_cited(workspace: Workspace) -> None:
    made = workspace.training_set(SPINE, service="both_ends", full_feature_names=True)
    names = made.arrow().column_names[len(SPINE.column_names) :]
    assert sorted(names) == ["first__rating", "first__value", "second__value"]
    assert made.arrow()["first__value"].to_pylist() == [None, 2**53 + 1, None, 11, None, None]
    assert made.arrow()["second__value"].to_pylist() == [None, 2**53 + 1, 11, None, None, 11]
    assert set(made.manifest.known_later) == {"first", "second"}
    cited = workspace.catalog.records.training_set(made.id)
    assert (cited.id, cited.spec) == (made.id, made.manifest.spec)


def test_what_does_not_fit_the_names_of_a_service_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="'value' comes from both first and second"):
        workspace.training_set(SPINE, service="both_ends")
    with pytest.raises(InvalidInput, match="no column second_id"):
        workspace.training_set(SPINE.drop_columns(["second_id"]), service="by_other_keys")
    taken = SPINE.append_column("scaled_value", pa.array([1.0] * 6))
    with pytest.raises(InvalidInput, match="'scaled_value' comes from both the spine and scaled"):
        workspace.training_set(taken, features=["scaled:scaled_value"])
