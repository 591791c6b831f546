"""What an answer over HTTP tells of stale views, and of views whose rows may not be all there."""

from datetime import timedelta
from typing import Any

import pytest

from provender.core.features import ServiceSpec
from provender.core.freshness import OnStale
from provender.core.names import FeatureRef
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.online.views import T0, TICK, manifest, view
from tests.serving.conftest import Running, Start

MINUTE = timedelta(minutes=1)
VIEWS = [
    view({"temp": "float64"}, name=str(on_stale), max_staleness=MINUTE, on_stale=on_stale)
    for on_stale in OnStale
] + [view({"temp": "float64"}, name="plain")]
SERVICE = ServiceSpec(name="all", features=tuple(FeatureRef(v.name, "temp") for v in VIEWS))


def serving(store: OnlineStore, start: Start, *, at: timedelta) -> Running:
    """A server with rows that were written ``at`` before the time of its clock."""
    served = manifest(*VIEWS, services=(SERVICE,))
    store.publish_manifest(served)
    rows = {"origin": ["JFK"], "temp": [1.5], "event_timestamp": [T0 - at]}
    for one in VIEWS:
        store.write(ColumnEncoder("flights", one).encode(rows))
    return start()


def asked(server: Running, name: str) -> dict[str, Any]:
    return server.features({"origin": ["JFK", "LGA"]}, features=[f"{name}:temp"])


def test_at_the_limit_nothing_is_stale(store: OnlineStore, start: Start) -> None:
    server = serving(store, start, at=MINUTE)
    for name in OnStale:
        answer = asked(server, name)
        assert answer["results"][1]["values"] == [1.5, None]
        assert answer["metadata"]["freshness"] == {
            name: {"oldest_seconds": 60.0, "stale_rows": 0, "on_stale": name}
        }
    assert "freshness" not in asked(server, "plain")["metadata"]


def test_a_tick_over_it_each_view_does_as_it_says(store: OnlineStore, start: Start) -> None:
    server = serving(store, start, at=MINUTE + TICK)
    warned, nulled = asked(server, "warn"), asked(server, "null")
    assert warned["results"][1]["values"] == [1.5, None]
    assert warned["results"][1]["statuses"] == ["PRESENT", "NOT_FOUND"]
    assert nulled["results"][1]["values"] == [None, None]
    assert nulled["results"][1]["statuses"] == ["OUTSIDE_MAX_AGE", "NOT_FOUND"]
    for name, answer in (("warn", warned), ("null", nulled)):
        assert answer["metadata"]["freshness"] == {
            name: {"oldest_seconds": 60.000001, "stale_rows": 1, "on_stale": name}
        }


@pytest.mark.parametrize("what", [{"features": ["refuse:temp"]}, {"feature_service": "all"}])
def test_a_refusal_is_of_the_whole_request_and_not_to_be_retried(
    store: OnlineStore, start: Start, what: dict[str, Any]
) -> None:
    server = serving(store, start, at=MINUTE + TICK)
    body = {"entities": {"origin": ["LGA", "JFK"]}, "full_feature_names": True, **what}
    status, kind, message = server.error("/get-online-features", body)
    assert (status, kind) == (409, "FeastError")
    assert "1 row of feature view refuse" in message
    body["entities"] = {"origin": ["LGA"]}
    assert server.post("/get-online-features", body).status_code == 200
