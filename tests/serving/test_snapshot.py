"""What is served while manifests come and go: whole ones only, compiled before, the last good one."""

import json
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from provender.core.errors import InvalidInput, Misconfigured
from provender.core.features import OnDemandSpec, ServiceSpec
from provender.core.names import FeatureRef
from provender.core.serving import MANIFEST_FORMAT, ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer
from provender.online.plan import Transform
from provender.online.store import OnlineStore
from provender.serving import snapshot
from provender.serving.snapshot import Snapshot, Snapshots
from provender.serving.wire import FeaturesRequest
from provender.values import to_json
from tests.online.views import T0, covering, manifest, view
from tests.serving.conftest import Start, flights

COVERED = {one.name: covering(one) for one in flights().views}


@pytest.fixture
def client(valkey: EmbeddedServer) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(valkey.url) as opened:
        yield opened


@pytest.fixture
def snapshots(store: OnlineStore, tmp_path: Path) -> Snapshots:
    return opened(store, tmp_path)


def opened(store: OnlineStore, folder: Path) -> Snapshots:
    return Snapshots(store, "flights", folder, lambda spec: lambda columns: columns)


def asking(*features: str, service: str = "", full: bool = False) -> FeaturesRequest:
    return FeaturesRequest({}, features, service, full, version_metadata=False)


def test_services_and_lists_asked_for_last_are_compiled_before_the_swap(
    snapshots: Snapshots, store: OnlineStore
) -> None:
    snapshots.refresh()
    first = snapshots.current
    assert ("delay", (), True) in first._plans
    assert ("delay", (), False) in first._plans
    first.plan(asking("weather:count"))
    store.publish_manifest(flights(closed={"route:delay": "no rule"}))
    assert snapshots.refresh()
    second = snapshots.current
    assert second is not first
    assert ("", ("weather:count",), False) in second._plans
    assert ("delay", (), True) not in second._plans  # closed: refused when it is asked for
    assert list(first.plan(asking(service="delay")).versions) == ["weather", "route"]


def test_plans_used_last_are_kept(snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.refresh()
    current = snapshots.current
    monkeypatch.setattr(snapshot, "PLANS", 3)
    current._plans.clear()
    often = current.plan(asking("weather:count"))
    for feature in ("ok", "seen", "temp", "word"):
        assert current.plan(asking(f"weather:{feature}"))
        assert current.plan(asking("weather:count")) is often
    assert len(current._plans) == 3
    assert current.asked_last(2) == [
        ("", ("weather:word",), False),
        ("", ("weather:count",), False),
    ]


def test_plans_are_kept_by_their_features_not_by_their_number(
    snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots.refresh()
    current = snapshots.current
    monkeypatch.setattr(snapshot, "OUTPUTS", 5)
    current._plans.clear()
    current.plan(asking("weather:ok", "weather:seen"))
    current.plan(asking("weather:count", "weather:ok"))
    current.plan(asking("weather:word"))
    assert len(current._plans) == 3
    current.plan(asking("weather:temp"))
    assert len(current._plans) == 3
    long = asking("weather:count", "weather:ok", "weather:seen", "weather:temp", "weather:word")
    assert current.plan(long) is current.plan(long)
    assert len(current._plans) == 1
    more = asking("weather:blob", *long.features)
    assert current.plan(more) is current.plan(more)


def test_a_refusal_that_is_told_again_and_again_does_not_grow() -> None:
    def load(spec: OnDemandSpec) -> Transform:
        raise InvalidInput(f"{spec.name} cannot be loaded", hint="correct it")

    refuse = Snapshot.of(flights(), load).transforms["departure"]
    lengths = []
    for _ in range(3):
        with pytest.raises(InvalidInput, match="departure cannot be loaded") as refusal:
            refuse({})
        lengths.append(len(traceback.extract_tb(refusal.value.__traceback__)))
    assert len(set(lengths)) == 1


def test_another_secret_of_entity_ids_is_noticed(
    snapshots: Snapshots, store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the first")
    people = manifest(view({"temp": "float64"}, entity_ids="hashed"))
    store.publish_manifest(people)
    snapshots.refresh()
    assert snapshots.current.plan(asking("weather:temp"))
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the second")
    store.publish_manifest(people)
    monkeypatch.setenv("PROVENDER_ENTITY_SECRET", "the first")
    assert snapshots.refresh()
    with pytest.raises(Misconfigured, match="hashed with the secret"):
        snapshots.current.plan(asking("weather:temp"))


def test_a_manifest_of_a_newer_format_changes_nothing(
    snapshots: Snapshots, store: OnlineStore, tmp_path: Path, client: "redis.Redis[bytes]"
) -> None:
    snapshots.refresh()
    good = snapshots.current
    newer = json.loads(to_json(flights(closed={"weather:temp": "x"})))
    newer |= {"format": MANIFEST_FORMAT + 1, "masks": {"weather:word": "hash"}}
    fields = {"digest": "sha256:1", "manifest": json.dumps(newer)}
    client.hset("provender:manifest:flights", mapping=fields)
    assert not snapshots.refresh()
    assert snapshots.current is good
    assert f"format {MANIFEST_FORMAT + 1}" in snapshots.problem
    restarted = opened(store, tmp_path)
    assert restarted.refresh()
    assert restarted.current.digest == good.digest
    store.publish_manifest(flights())
    snapshots.refresh()
    assert snapshots.problem == ""


def test_a_manifest_without_a_format_is_of_the_first(
    snapshots: Snapshots, client: "redis.Redis[bytes]"
) -> None:
    old = json.loads(to_json(flights()))
    del old["format"]
    client.hset("provender:manifest:flights", "manifest", json.dumps(old))
    assert snapshots.refresh()


def test_whatever_goes_wrong_is_told_and_the_last_good_one_goes_on(
    store: OnlineStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken: list[Exception] = []

    def load(spec: OnDemandSpec) -> Transform:
        for error in broken:
            raise error
        return lambda columns: columns

    snapshots = Snapshots(store, "flights", tmp_path, load)
    snapshots.refresh()
    served = snapshots.current
    broken.append(ZeroDivisionError("nobody thought of it"))
    store.publish_manifest(flights(closed={"route:delay": "no rule"}))
    for _ in range(3):
        assert not snapshots.refresh()
    assert "ZeroDivisionError: nobody thought of it" in snapshots.problem
    assert len(caplog.records) == 1
    assert snapshots.current is served
    broken[0] = InvalidInput("it cannot be imported", hint="repair it")
    assert [snapshots.refresh() for _ in range(3)] == [True, False, False]
    assert (snapshots.problem, list(snapshots.current.problems)) == ("", ["departure"])
    assert len(caplog.records) == 2
    broken.clear()
    assert [snapshots.refresh() for _ in range(2)] == [True, False]


def test_a_view_is_incomplete_until_it_was_materialised_and_again_after_its_rows_were_lost(
    snapshots: Snapshots, store: OnlineStore, tmp_path: Path, client: "redis.Redis[bytes]"
) -> None:
    snapshots.refresh()
    plan = snapshots.current.plan(asking("route:delay", "also:temp"))
    assert snapshots.incomplete(plan) == ["route", "also"]
    for name, coverage in COVERED.items():
        store.keep_coverage("flights", name, coverage)
    snapshots.refresh()
    assert (snapshots.lost, snapshots.incomplete(plan)) == (frozenset(), [])
    client.flushall()
    snapshots.refresh()
    assert snapshots.lost == set(COVERED)
    store.publish_manifest(flights())
    store.keep_coverage("flights", "weather", COVERED["weather"])
    for one in (snapshots, opened(store, tmp_path)):
        one.refresh()
        assert one.lost == set(COVERED) - {"weather"}
        assert one.incomplete(plan) == ["route", "also"]


def test_a_view_whose_layout_changed_is_incomplete_until_it_is_materialised_in_it(
    snapshots: Snapshots, store: OnlineStore
) -> None:
    narrow = view({"temp": "float64"})
    wide = view({"temp": "float64", "wind": "float64"})
    store.keep_coverage("flights", "weather", covering(narrow))
    store.publish_manifest(manifest(narrow))
    snapshots.refresh()
    assert snapshots.lost == frozenset()
    for other in (wide, view({"temp": "float64"}, keys={"origin": "int64"})):
        store.publish_manifest(manifest(other))
        snapshots.refresh()
        assert snapshots.lost == {"weather"}
        store.doubt_coverage("flights", "weather")
        snapshots.refresh()
        assert snapshots.lost == {"weather"}
    store.publish_manifest(manifest(wide))
    store.keep_coverage("flights", "weather", covering(wide))
    snapshots.refresh()
    assert snapshots.lost == frozenset()


def test_a_view_that_is_written_anew_in_its_layout_is_not_incomplete(
    snapshots: Snapshots, store: OnlineStore
) -> None:
    one = view({"temp": "float64"})
    store.publish_manifest(manifest(one))
    store.keep_coverage("flights", "weather", covering(one))
    store.doubt_coverage("flights", "weather")
    snapshots.refresh()
    assert snapshots.lost == frozenset()


def eventually(found: Any, wanted: Any) -> None:
    deadline = time.monotonic() + 10
    while (last := found()) != wanted:
        assert time.monotonic() < deadline, last
        time.sleep(0.05)


def test_answers_of_an_emptied_store_say_that_rows_may_be_missing(
    start: Start, filled: OnlineStore, client: "redis.Redis[bytes]"
) -> None:
    running = start()
    body = {"entities": {"origin": ["JFK"]}, "features": ["weather:temp", "also:temp"]}
    body["full_feature_names"] = True
    answer = running.features(**body)
    assert "incomplete" not in answer["metadata"]
    client.flushall()
    emptied = running.features(**body)
    assert emptied["metadata"]["incomplete"] == ["weather", "also"], (
        "not even the first one says it"
    )
    assert emptied["results"][1]["statuses"] == ["NOT_FOUND"]
    assert running.client.get("/health").json()["incomplete"] == sorted(COVERED)
    filled.publish_manifest(flights())
    for name, coverage in COVERED.items():
        filled.keep_coverage("flights", name, coverage)
    eventually(lambda: running.features(**body)["metadata"].get("incomplete"), None)


def generation(number: int) -> ServingManifest:
    """A manifest whose view, service and values all tell which one it is."""
    served = view({f"x{number}": "float64", "y": "int64"}, name=f"v{number}")
    refs = (FeatureRef(f"v{number}", f"x{number}"), FeatureRef(f"v{number}", "y"))
    return manifest(served, services=(ServiceSpec(name="s", features=refs),), project="swapping")


def test_no_answer_mixes_two_manifests(start: Start, store: OnlineStore) -> None:
    for number in (1, 2):
        [served] = generation(number).views
        rows = {"origin": ["JFK"], f"x{number}": [float(number)], "y": [number * 10]}
        encoder = ColumnEncoder("swapping", served)
        store.write(encoder.encode({**rows, "event_timestamp": [T0 - timedelta(minutes=number)]}))
    store.publish_manifest(generation(1))
    running = start(project="swapping")
    until = time.monotonic() + 5

    def ask(_: int) -> list[tuple[Any, ...]]:
        seen: list[tuple[Any, ...]] = []
        while time.monotonic() < until:
            answer = running.features({"origin": ["JFK"]}, feature_service="s")
            values = [result["values"][0] for result in answer["results"]]
            stamps = [result["event_timestamps"][0] for result in answer["results"][1:]]
            seen.append((*answer["metadata"]["feature_names"], *values, *stamps))
        return seen

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(ask, number) for number in range(4)]
        published = 1
        while time.monotonic() < until:
            time.sleep(0.6)
            published = 3 - published
            store.publish_manifest(generation(published))
        seen = {answer for future in asked for answer in future.result()}
    assert seen == {
        ("origin", "x1", "y", "JFK", 1.0, 10, *["2013-01-01T04:59:00Z"] * 2),
        ("origin", "x2", "y", "JFK", 2.0, 20, *["2013-01-01T04:58:00Z"] * 2),
    }
