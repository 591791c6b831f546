"""What plain Feast calls may reach of governed data: pulled, looked up and pushed."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from provender import bootstrap
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.errors import Denied, InvalidInput
from provender.core.leases import LEASE
from provender.core.policy import Action
from provender.feast_plugin import gate
from provender.feast_plugin.offline import ProvenderOfflineStore
from provender.feast_plugin.online import ProvenderOnlineStore
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize, push
from provender.feast_plugin.source import CatalogSource
from provender.online.pump import Pump
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.governed import DEFINITIONS, FOUND_BY, MAX, SAM, TRIPS, repository
from tests.feast_plugin.plain import HOUR, NOON

Speak = Callable[[str], None]
ONE = [{"driver_id": 1}]


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch, applied: Path) -> Speak:
    def speak(actor: str) -> None:
        monkeypatch.setenv("PROVENDER_ACTOR", actor)
        bootstrap.settings.cache_clear()

    return speak


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let the gate's clock be ahead."""

    def later(ahead: timedelta) -> None:
        monkeypatch.setattr(gate, "utc_now", lambda: utc_now() + ahead)

    return later


def looked_up(folder: Path, *features: str) -> dict[str, list]:
    store = FeatureStore(repo_path=str(folder))
    return store.get_online_features(list(features or ["trips:value"]), ONE).to_dict()


def catalog_url(settings: Settings) -> str:
    return settings.catalog_url or f"sqlite:///{settings.home / 'catalog.db'}"


def asker(folder: Path, way: str) -> Callable[[], list[object]]:
    """Return what looks one feature up, by Feast's calls: all views at once, or by itself."""
    store = FeatureStore(repo_path=str(folder))
    if way == "call":
        return lambda: store.get_online_features(["trips:value"], ONE).to_dict()["value"]
    view, read = store.get_feature_view("trips"), ProvenderOnlineStore()
    driver = EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=1)])

    async def awaited() -> list[object]:
        try:
            found = await read.online_read_async(store.config, view, [driver], ["value"])
        finally:
            await read.close()
        return [one[0] for one in found]

    return lambda: asyncio.run(awaited())


def grant_serving(settings: Settings, to: str, **more: object) -> str:
    with governed.speaking_as(settings, SAM) as steward:
        return steward.records.grant(
            TRIPS, grantee=to, action=Action.SERVE, purposes=("serving",), reason="asked", **more
        ).id


@pytest.mark.parametrize("keys", [["driver_id"], ["home_address"], []])
def test_join_keys_and_timestamps_are_pulled_with_a_permit_only(
    applied: Path, speak: Speak, settings: Settings, keys: list[str]
) -> None:
    config = FeatureStore(repo_path=str(applied)).config
    source = CatalogSource(dataset="shop.trips")
    window = (NOON - HOUR, NOON + HOUR)
    speak(MAX)
    for job in (
        ProvenderOfflineStore.pull_all_from_table_or_query(
            config, source, keys, [], "event_timestamp", None, *window
        ),
        ProvenderOfflineStore.pull_latest_from_table_or_query(
            config, source, keys, [], "event_timestamp", None, *window
        ),
    ):
        with pytest.raises(Denied, match="person:max may not read"):
            job.to_arrow()
    with governed.speaking_as(settings, SAM) as steward:
        refused = steward.records.audit_events(kind=EventKind.ACCESS_DENY)
        assert [event.actor for event in refused] == [MAX, MAX]


def test_a_protected_join_key_is_closed_to_who_may_read_the_rest(applied: Path) -> None:
    config = FeatureStore(repo_path=str(applied)).config
    source = CatalogSource(dataset="shop.trips")
    pulled = {
        key: ProvenderOfflineStore.pull_all_from_table_or_query(
            config, source, [key], ["value"], "event_timestamp"
        )
        for key in ("driver_id", "home_address")
    }
    assert pulled["driver_id"].to_arrow().num_rows == 3
    with pytest.raises(Denied, match=r"home_address \(tagged personal\.address"):
        pulled["home_address"].to_arrow()


def test_a_protected_join_key_is_not_written_online(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    keyed = DEFINITIONS.replace(
        'join_keys=["driver_id"], value_type=ValueType.INT64',
        'join_keys=["home_address"], value_type=ValueType.STRING',
    )
    repository(repo, definitions=keyed)
    applied = apply(repo, catalog, online, settings=settings)
    assert "home_address" in applied.manifest.closed["trips:value"]
    with pytest.raises(Denied, match=r"may not serve shop\.trips\.home_address"):
        list(materialize(repo, settings=settings))
    assert online.count("trips") == 0


def test_who_may_not_serve_may_not_look_up(applied: Path, speak: Speak, settings: Settings) -> None:
    list(materialize(applied, settings=settings))
    assert looked_up(applied)["value"] == [None]  # older than the TTL, and no refusal
    speak(MAX)
    with pytest.raises(Denied, match=r"person:max may not serve shop\.trips\."):
        looked_up(applied)
    grant_serving(settings, MAX, columns=("value",))
    with pytest.raises(
        Denied, match=r"may not serve .*created_timestamp, driver_id, event_timestamp"
    ):
        looked_up(applied)  # which row is found tells of them, and their values come with it
    grant_serving(settings, MAX, columns=FOUND_BY)
    assert looked_up(applied)["value"] == [None]
    with pytest.raises(Denied, match=r"shop\.trips\.rating"):
        looked_up(applied, "trips:value", "trips:rating")


def test_the_async_lookup_asks_too(applied: Path, speak: Speak) -> None:
    async def walk() -> None:
        store = FeatureStore(repo_path=str(applied))
        try:
            await store.get_online_features_async(["trips:value"], ONE)
        finally:
            await store.provider.close()

    asyncio.run(walk())
    speak(MAX)
    with pytest.raises(Denied, match="person:max"):
        asyncio.run(walk())


def test_a_yes_is_over_within_a_second_of_its_revocation_where_nobody_carries_the_policy(
    applied: Path, speak: Speak, settings: Settings
) -> None:
    grant = grant_serving(settings, MAX)
    speak(MAX)
    looked_up(applied)
    with governed.speaking_as(settings, SAM) as steward:
        steward.records.revoke(grant)
    time.sleep(LEASE.total_seconds())
    with pytest.raises(Denied, match=r"person:max may not serve shop\.trips\."):
        looked_up(applied)


@pytest.mark.parametrize("way", ["call", "awaited view"])
def test_a_yes_is_over_with_the_word_that_comes_with_the_rows(
    applied: Path, speak: Speak, settings: Settings, online: OnlineStore, way: str
) -> None:
    """The word is carried once after the revoke, and nothing else tells of it: no time passes."""
    grants = [
        grant_serving(settings, MAX, columns=names) for names in (("value", *FOUND_BY), ("rating",))
    ]
    speak(MAX)
    with LocalCatalog(catalog_url(settings), actor="service:online") as server:
        pump = Pump(online, server.records, "trips")
        pump.renew(utc_now())
        ask = asker(applied, way)
        assert ask() == [None]
        with governed.speaking_as(settings, SAM) as steward:
            steward.records.revoke(grants[1])
        pump.renew(utc_now())
        assert ask() == [None]  # the policy is another one, and the yes another yes
        with governed.speaking_as(settings, SAM) as steward:
            steward.records.revoke(grants[0])
        pump.renew(utc_now())
        with pytest.raises(Denied, match=r"person:max may not serve shop\.trips\."):
            ask()


def test_a_yes_of_when_features_were_applied_is_good_for_a_minute(
    applied: Path, speak: Speak, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVENDER_ONLINE_POLICY", "applied")
    grant = grant_serving(settings, MAX)
    speak(MAX)
    looked_up(applied)
    with governed.speaking_as(settings, SAM) as steward:
        steward.records.revoke(grant)
    time.sleep(LEASE.total_seconds())
    assert looked_up(applied)["value"] == [None]
    monkeypatch.setattr(gate, "_PASSES", {})
    with pytest.raises(Denied):
        looked_up(applied)


def test_a_yes_ends_with_its_grant(
    applied: Path, speak: Speak, settings: Settings, later: Callable[[timedelta], None]
) -> None:
    grant = grant_serving(settings, MAX, until=utc_now() + timedelta(seconds=30))
    speak(MAX)
    looked_up(applied)
    with governed.speaking_as(settings, SAM) as steward:
        steward.records.revoke(grant)
    later(timedelta(seconds=31))
    with pytest.raises(Denied):
        looked_up(applied)


def test_what_is_closed_for_serving_is_closed_to_plain_feast(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    leaking = DEFINITIONS.replace(
        'Field(name="rating", dtype=Float64)', 'Field(name="home_address", dtype=String)'
    )
    repository(repo, definitions=leaking)
    apply(repo, catalog, online, settings=settings)
    assert looked_up(repo)["value"] == [None]
    with pytest.raises(Denied, match="trips:home_address is closed for serving: service:online"):
        looked_up(repo, "trips:home_address")


def test_what_was_open_for_a_time_is_closed_afterwards(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    later: Callable[[timedelta], None],
) -> None:
    leaking = DEFINITIONS.replace(
        'Field(name="rating", dtype=Float64)', 'Field(name="home_address", dtype=String)'
    )
    repository(repo, definitions=leaking)
    until = utc_now() + timedelta(hours=1)
    for actor in ("service:online", governed.ANA):
        grant_serving(settings, actor, columns=("home_address",), until=until)
    apply(repo, catalog, online, settings=settings)
    assert looked_up(repo, "trips:home_address")["home_address"] == [None]
    later(timedelta(hours=2))
    with pytest.raises(Denied, match="was open for serving until"):
        looked_up(repo, "trips:home_address")


@pytest.mark.parametrize("to", ["online", "offline", "both"])
def test_who_may_not_publish_may_not_push(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore, to: str
) -> None:
    with pytest.raises(Denied, match=r"person:ana may not publish shop\.trips"):
        push(applied, "arrivals", governed.rows((1, 5, 6)), settings=settings, to=to)
    assert online.count("trips") == 0
    assert catalog.resolve(TRIPS).number == 2


def test_feasts_own_push_and_write_ask_as_well(
    applied: Path, speak: Speak, online: OnlineStore
) -> None:
    frame = governed.rows((1, 5, 6)).to_pandas()
    store = FeatureStore(repo_path=str(applied))
    for write in (
        lambda: store.push("arrivals", frame),
        lambda: store.write_to_online_store("trips", frame),
    ):
        with pytest.raises(Denied, match="may not publish"):
            write()
    assert online.count("trips") == 0
    speak(SAM)
    store.push("arrivals", frame)
    assert online.count("trips") == 1


def test_pushes_are_written_down(applied: Path, settings: Settings, speak: Speak) -> None:
    sam = settings.model_copy(update={"actor": SAM})
    rows = governed.rows((1, 5, 6), (2, 5, 7), (None, 5, 8))
    push(applied, "arrivals", rows, settings=sam, to="both")
    speak(SAM)
    store = FeatureStore(repo_path=str(applied))
    store.push("arrivals", governed.rows((1, 4, 6)).to_pandas())
    with governed.speaking_as(settings, SAM) as steward:
        second, first = steward.records.audit_events(kind=EventKind.FEATURES_PUSH)
    assert (first.actor, first.subject) == (SAM, "shop.trips")
    assert first.detail == {"project": "trips", "view": "trips", "read": 3, "written": 2}
    assert second.detail == {"project": "trips", "view": "trips", "read": 1, "written": 0}


def test_a_push_to_both_that_does_not_fit_one_reaches_neither(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    sam = settings.model_copy(update={"actor": SAM})
    rows = governed.rows((1, 5, 6))
    for wrong in (rows.append_column("more", rows.column("value")), rows.drop_columns(["value"])):
        with pytest.raises(InvalidInput, match=r"have more|'value' is missing"):
            push(applied, "arrivals", wrong, settings=sam, to="both")
        assert online.count("trips") == 0
        assert catalog.resolve(TRIPS).number == 2
    push(applied, "arrivals", rows, settings=sam, to="both")
    assert online.count("trips") == 1
    assert catalog.resolve(TRIPS).number == 3
