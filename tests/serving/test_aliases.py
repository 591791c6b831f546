"""A service that asks for one view under two names, by other join keys."""

import pytest

from provender.core.features import FieldSpec, ServiceSpec
from provender.core.names import FeatureRef
from provender.core.projections import ProjectionSpec
from provender.core.serving import ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.views import T0, manifest, view
from tests.serving.conftest import Running, Start

PLACES = view(
    {"temp": "float64", "word": "string"}, keys={"place": "string"}, push_sources=("places",)
)
BOTH_ENDS = ServiceSpec(
    name="both_ends",
    features=(
        FeatureRef("origin", "temp"),
        FeatureRef("origin", "word"),
        FeatureRef("destination", "temp"),
        FeatureRef("weather", "temp"),
    ),
    projections=(
        ProjectionSpec(alias="origin", view="weather", join_keys=(("place", "from"),)),
        ProjectionSpec(alias="destination", view="weather", join_keys=(("place", "to"),)),
    ),
)
CLOSED = {"weather:word": "service:online may not serve places.word"}
FROM_TO = {"from": ["JFK", "LGA"], "to": ["LGA", "X"], "place": ["X", "JFK"]}


def served(**more: object) -> ServingManifest:
    return manifest(PLACES, services=(BOTH_ENDS,), **more)


@pytest.fixture
def server(store: OnlineStore, start: Start) -> Running:
    store.publish_manifest(served())
    rows = {"place": ["JFK", "LGA"], "temp": [1.0, 2.0], "word": ["a", "b"]}
    store.write(ColumnEncoder("flights", PLACES).encode({**rows, "event_timestamp": [T0] * 2}))
    return start()


def test_each_alias_is_looked_up_by_its_own_join_keys(server: Running) -> None:
    answer = server.features(FROM_TO, feature_service="both_ends", full_feature_names=True)
    values = {
        name: result["values"]
        for name, result in zip(answer["metadata"]["feature_names"], answer["results"], strict=True)
    }
    assert values == {
        "from": ["JFK", "LGA"],
        "to": ["LGA", "X"],
        "place": ["X", "JFK"],
        "origin__temp": [1.0, 2.0],
        "origin__word": ["a", "b"],
        "destination__temp": [2.0, None],
        "weather__temp": [None, 1.0],
    }


def test_short_names_of_two_aliases_collide(server: Running) -> None:
    status, _, message = server.error(
        "/get-online-features", {"entities": FROM_TO, "feature_service": "both_ends"}
    )
    assert status == 422
    assert "'temp' comes from both origin:temp and destination:temp" in message


def test_a_renamed_join_key_has_to_be_given_under_its_new_name(server: Running) -> None:
    body = {"entities": {"place": ["JFK"], "from": ["JFK"]}, "feature_service": "both_ends"}
    status, _, message = server.error("/get-online-features", {**body, "full_feature_names": True})
    assert status == 422
    assert "no join key 'to'" in message


def test_aliases_are_names_of_the_service_only(server: Running) -> None:
    status, kind, _ = server.error(
        "/get-online-features", {"entities": FROM_TO, "features": ["origin:temp"]}
    )
    assert (status, kind) == (404, "FeatureViewNotFoundException")


def test_what_is_closed_is_closed_under_every_name(store: OnlineStore, start: Start) -> None:
    store.publish_manifest(served(closed=CLOSED))
    status, kind, message = start().error(
        "/get-online-features",
        {"entities": FROM_TO, "feature_service": "both_ends", "full_feature_names": True},
    )
    assert (status, kind) == (403, "FeastPermissionError")
    assert "weather:word is closed" in message


def test_a_service_names_what_its_features_are_called_by_their_views() -> None:
    assert BOTH_ENDS.own_features == (
        FeatureRef("weather", "temp"),
        FeatureRef("weather", "word"),
        FeatureRef("weather", "temp"),
        FeatureRef("weather", "temp"),
    )
    assert PLACES.join_keys == (FieldSpec(name="place", type="string"),)
