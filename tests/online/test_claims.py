"""Who may write rows of a view: only those who know its newest definition."""

from dataclasses import replace

import pytest

from provender.core.errors import Conflict
from provender.online.store import OnlineStore
from tests.online.views import field, manifest, view

VIEW = view({"x": "int64"}, keys={"id": "int64"})
OTHER = replace(VIEW, columns=(*VIEW.columns, field("y", "int64")))


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
