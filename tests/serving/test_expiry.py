"""When rows that were pushed over HTTP vanish: as the definitions say, and as if they were materialised."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis

from provender.core.clock import utc_now
from provender.online.codec import key_prefix
from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from tests.online.views import T0, manifest, view
from tests.serving.conftest import Start

TTL = timedelta(hours=2)
WITH_TTL = view(
    {"temp": "float64"}, name="with_ttl", ttl=TTL, expires_with_ttl=True, push_sources=("push",)
)
AFTER = view(
    {"temp": "float64"}, name="after", expires_after=timedelta(minutes=10), push_sources=("push",)
)
NEVER = view({"temp": "float64"}, name="never", ttl=TTL, push_sources=("push",))


@pytest.fixture
def published(store: OnlineStore) -> OnlineStore:
    store.publish_manifest(manifest(WITH_TTL, AFTER, NEVER))
    return store


@contextmanager
def lives(valkey: EmbeddedServer) -> Iterator[Any]:
    """Give what tells the seconds that the only row of a view has left; -1: it stays."""
    with redis.Redis.from_url(valkey.url) as client:

        def left(name: str) -> int:
            [key] = list(client.scan_iter(match=key_prefix("flights", name) + b"{*"))
            return int(client.ttl(key))

        yield left


def row(at: str) -> dict[str, list[Any]]:
    return {"origin": ["JFK"], "temp": [1.0], "event_timestamp": [at]}


def test_a_pushed_row_vanishes_an_hour_after_it_is_older_than_its_ttl(
    published: OnlineStore, start: Start, valkey: EmbeddedServer
) -> None:
    running = start(clock="")
    at = (utc_now() - timedelta(minutes=30)).isoformat()
    answer = running.post("/push", {"push_source_name": "push", "df": row(at)})
    assert answer.status_code == 200, answer.text
    with lives(valkey) as left:
        assert 2.49 * 3600 < left("with_ttl") <= 2.5 * 3600
        assert 590 < left("after") <= 600
        assert left("never") == -1


def test_a_row_that_is_written_to_one_view_vanishes_likewise(
    published: OnlineStore, start: Start, valkey: EmbeddedServer
) -> None:
    running = start(clock="")
    for name in ("with_ttl", "after", "never"):
        body = {"feature_view_name": name, "df": row("2013-01-01T05:00:00Z")}
        assert running.post("/write-to-online-store", body).status_code == 200
    with lives(valkey) as left:
        assert 3500 < left("with_ttl") <= 3600, "it is told to be too old first"
        assert 590 < left("after") <= 600
        assert left("never") == -1


def test_while_old_data_is_replayed_nothing_vanishes_by_its_age(
    published: OnlineStore, start: Start, valkey: EmbeddedServer
) -> None:
    running = start()
    body = {"push_source_name": "push", "df": row(T0.isoformat())}
    assert running.post("/push", body).status_code == 200
    with lives(valkey) as left:
        assert left("with_ttl") == -1
        assert 590 < left("after") <= 600
