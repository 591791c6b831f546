"""Who may write rows of a view: only those who know its newest definition."""

from dataclasses import replace
from typing import Any

import pytest

from provender.core.errors import Conflict
from provender.online.embedded import EmbeddedServer
from provender.online.resp import Words
from provender.online.store import OnlineStore
from tests.online.views import field, manifest, view

VIEW = view({"x": "int64"}, keys={"id": "int64"})
OTHER = replace(VIEW, columns=(*VIEW.columns, field("y", "int64")))
NEWEST = replace(VIEW, columns=(*OTHER.columns, field("z", "int64")))


def test_who_knows_an_older_definition_than_was_applied_may_not_write(store: OnlineStore) -> None:
    store.claim("p", VIEW)
    store.publish_manifest(manifest(OTHER, project="p"))
    with pytest.raises(Conflict, match=r"p\.weather is defined otherwise by now"):
        store.claim("p", VIEW)
    with pytest.raises(Conflict):
        store.claim("p", VIEW, newest=True)
    store.claim("p", OTHER)
    store.claim("q", VIEW)
    store.declare("p", VIEW)
    store.claim("p", VIEW)
    with pytest.raises(Conflict):
        store.claim("p", replace(VIEW, name="weather_hourly"), OTHER)
    store.delete("p", "weather")
    store.claim("p", OTHER)


def test_where_none_was_applied_the_definition_that_was_just_read_goes_first(
    store: OnlineStore,
) -> None:
    store.claim("p", VIEW)
    with pytest.raises(Conflict):
        store.claim("p", OTHER)
    store.claim("p", OTHER, newest=True)
    store.claim("p", OTHER)
    with pytest.raises(Conflict):
        store.claim("p", VIEW)


def test_a_definition_that_is_applied_while_an_older_one_is_claimed_stays(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    store.claim("p", VIEW)

    class Overtaken(OnlineStore):
        def asked(self, deadline: float, *commands: Words) -> list[Any]:
            replies = super().asked(deadline, *commands)
            store.declare("p", NEWEST)
            return replies

    with Overtaken(server.url) as slow, pytest.raises(Conflict, match="defined otherwise by now"):
        slow.claim("p", OTHER, newest=True)
    store.claim("p", NEWEST)
    with pytest.raises(Conflict):
        store.claim("p", OTHER, newest=True)


def test_who_claims_a_view_that_is_deleted_meanwhile_has_it(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    store.claim("p", VIEW)

    class Emptied(OnlineStore):
        def asked(self, deadline: float, *commands: Words) -> list[Any]:
            replies = super().asked(deadline, *commands)
            store.delete("p", VIEW.name)
            return replies

    with Emptied(server.url) as slow:
        slow.claim("p", OTHER, newest=True)
    store.claim("p", OTHER)
    with pytest.raises(Conflict):
        store.claim("p", VIEW)


def test_who_hashes_entities_with_another_secret_may_not_write(
    store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = replace(VIEW, entity_ids="hashed")
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the first")
    store.claim("p", hashed)
    store.declare("p", hashed)
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the second")
    with pytest.raises(Conflict):
        store.claim("p", hashed)
