"""Pushing to the offline store over HTTP: a real server, a real catalog, and the process between them."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from provender.core.policy import Action, Rule
from provender.online.embedded import EmbeddedServer
from provender.sdk import connect
from provender.sdk.workspace import Workspace
from provender.serving.pushes import GROUP_BYTES, GROUP_PUSHES, Offline, Waiting, take_group
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.plain import HOUR, NOON
from tests.serving.conftest import Running, child_of, starting

SERVER_MAY = Rule(id="server-publishes", actors=("service:online",), actions=(Action.PUBLISH,))
STARTING = 120
"""Seconds: the first push waits until Feast is imported."""


@pytest.fixture(scope="module")
def trips(valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that speaks as the steward, beside a repository on a governed dataset."""
    home, repo = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_HOME", str(home))
        patch.setenv("PROVENDER_REDIS_URL", valkey.url)
        patch.setenv("PROVENDER_ACTOR", governed.SAM)
        patch.setenv("IS_TEST", "True")
        rules = (*governed.GOVERNANCE.rules, SERVER_MAY)
        patch.setattr(governed, "GOVERNANCE", replace(governed.GOVERNANCE, rules=rules))
        settings = Settings(home=home, actor=governed.ANA, redis_url=valkey.url)
        governed.govern(settings)
        apply(governed.repository(repo), settings)
        clock = (NOON + 10 * HOUR).isoformat()
        with starting(home, valkey.url, project="trips", repo=str(repo), clock=clock) as running:
            running.home = home
            running.client.timeout = httpx.Timeout(STARTING)
            yield running


def apply(repo: Path, settings: Settings) -> None:
    from provender import bootstrap
    from provender.feast_plugin.repo import apply as apply_repo

    with bootstrap.catalog(settings) as catalog, bootstrap.online(settings) as online:
        apply_repo(repo, catalog, online, settings=settings)


@pytest.fixture
def workspace(trips: Running) -> Iterator[Workspace]:
    with connect(home=trips.home, actor=governed.ANA, purpose="research") as opened:
        yield opened


def frame(*rows: tuple[int, float, Any]) -> dict[str, list[Any]]:
    """Return pushed columns of (driver, hours after noon, value), as JSON has them."""
    at = [NOON + timedelta(hours=hours) for _, hours, _ in rows]
    return {
        "driver_id": [driver for driver, _, _ in rows],
        "event_timestamp": [instant.isoformat() for instant in at],
        "created_timestamp": [instant.replace(tzinfo=None).isoformat() for instant in at],
        "value": [value for _, _, value in rows],
        "rating": [0.5 for _ in rows],
        "home_address": ["somewhere" for _ in rows],
    }


def push(
    running: Running, columns: dict[str, list[Any]], to: str, key: str = "", **more: Any
) -> httpx.Response:
    body = {"push_source_name": "arrivals", "df": columns, "to": to, **more}
    headers = {"Idempotency-Key": key} if key else {}
    return running.client.post("/push", json=body, headers=headers)


def offline(workspace: Workspace, driver: int) -> list[Any]:
    table = workspace.read("shop.trips", ["driver_id", "value"])
    pairs = zip(table["driver_id"].to_pylist(), table["value"].to_pylist(), strict=True)
    return [value for known, value in pairs if known == driver]


def online(running: Running, driver: int) -> Any:
    found = running.features({"driver_id": [driver]}, features=["trips:value"])
    return found["results"][1]["values"][0]


@pytest.mark.slow
def test_a_push_to_both_is_a_version_of_the_dataset_and_served(
    trips: Running, workspace: Workspace
) -> None:
    before = workspace.version("shop.trips").number
    answer = push(trips, frame((100, 5, 2**53 + 1), (101, 5, None)), "online_and_offline")
    assert (answer.status_code, answer.content) == (200, b""), answer.text
    version = workspace.version("shop.trips")
    assert (version.number, version.published_by) == (before + 1, governed.SAM)
    assert (offline(workspace, 100), offline(workspace, 101)) == ([2**53 + 1], [None])
    assert online(trips, 100) == 2**53 + 1
    assert "provender_online_rows_appended_total 2.0" in trips.client.get("/metrics").text


@pytest.mark.slow
def test_a_push_to_offline_is_not_served(trips: Running, workspace: Workspace) -> None:
    assert push(trips, frame((110, 5, 7)), "offline").status_code == 200
    assert offline(workspace, 110) == [7]
    assert online(trips, 110) is None


@pytest.mark.slow
def test_a_push_with_the_key_of_one_before_is_not_written_again(
    trips: Running, workspace: Workspace
) -> None:
    for _ in range(2):
        assert push(trips, frame((120, 5, 7)), "online_and_offline", "k1").status_code == 200
    assert offline(workspace, 120) == [7]
    assert push(trips, frame((120, 6, 8)), "offline", "k2").status_code == 200
    assert offline(workspace, 120) == [7, 8]


@pytest.mark.slow
def test_the_key_of_other_rows_is_a_422_and_nothing_is_written(
    trips: Running, workspace: Workspace
) -> None:
    assert push(trips, frame((121, 5, 7)), "online_and_offline", "k3").status_code == 200
    answer = push(trips, frame((121, 6, 8)), "online_and_offline", "k3")
    assert answer.status_code == 422
    assert "the Idempotency-Key came with other rows before" in answer.text
    assert (offline(workspace, 121), online(trips, 121)) == ([7], 7)


@pytest.mark.slow
def test_many_small_pushes_make_few_versions_and_files(
    trips: Running, workspace: Workspace
) -> None:
    assert push(trips, frame((130, 4, 0)), "offline").status_code == 200
    before = workspace.version("shop.trips")
    with ThreadPoolExecutor(50) as threads:
        answers = list(
            threads.map(lambda n: push(trips, frame((130, 5, n)), "offline"), range(1, 201))
        )
    assert {answer.status_code for answer in answers} == {200}
    after = workspace.version("shop.trips")
    assert sorted(offline(workspace, 130)) == list(range(201))
    assert after.number - before.number <= 20
    assert len(after.manifest.files) - len(before.manifest.files) == after.number - before.number


@pytest.mark.slow
def test_a_push_that_does_not_fit_keeps_no_other_out(trips: Running, workspace: Workspace) -> None:
    good = [frame((140, 5, n)) for n in range(4)]
    timeless = frame((140, 5, 90)) | {"event_timestamp": [None]}
    wordy = frame((140, 5, "many"))
    narrow = {k: v for k, v in frame((140, 5, 91)).items() if k != "home_address"}
    wide = frame((140, 5, 92)) | {"more": [1]}
    with ThreadPoolExecutor(8) as threads:
        asked = [*good, timeless, wordy, narrow, wide]
        answers = list(threads.map(lambda columns: push(trips, columns, "offline"), asked))
    assert [answer.status_code for answer in answers] == [200] * 4 + [422] * 4
    told = [answer.json() for answer in answers[4:]]
    assert "event_timestamp" in told[0]
    assert "value is int64, and 'many' is not" in told[1]
    assert "lack home_address" in told[2]
    assert "have more besides" in told[3]
    assert sorted(offline(workspace, 140)) == [0, 1, 2, 3]


@pytest.mark.slow
def test_what_does_not_fit_online_is_not_written_offline(
    trips: Running, workspace: Workspace
) -> None:
    future = frame((150, 5, 7)) | {"event_timestamp": ["2100-01-01T00:00:00Z"]}
    before = workspace.version("shop.trips").number
    answer = push(trips, future, "online_and_offline")
    assert answer.status_code == 422, answer.text
    assert workspace.version("shop.trips").number == before


@pytest.mark.slow
def test_a_process_killed_at_work_is_a_503_and_a_retry_writes_the_rows(
    trips: Running, workspace: Workspace
) -> None:
    assert push(trips, frame((160, 4, 0)), "offline", "before").status_code == 200
    writer = child_of(trips, b"pusher")
    os.kill(writer, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        told = thread.submit(push, trips, frame((160, 5, 1)), "online_and_offline", "killed")
        time.sleep(1.5)
        assert not told.done()
        os.kill(writer, signal.SIGKILL)
        answer = told.result()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "the same Idempotency-Key" in answer.text
    assert online(trips, 160) is None
    assert trips.client.get("/health").status_code == 200
    again = push(trips, frame((160, 5, 1)), "online_and_offline", "killed")
    assert again.status_code == 200, again.text
    assert push(trips, frame((160, 4, 0)), "offline", "before").status_code == 200
    assert (sorted(offline(workspace, 160)), online(trips, 160)) == ([0, 1], 1)


@pytest.mark.slow
def test_what_cannot_be_pushed_is_refused_as_feast_does(trips: Running) -> None:
    body = {"push_source_name": "arivals", "df": {}, "to": "offline"}
    assert trips.error("/push", body)[:2] == (422, "PushSourceNotFoundException")
    ragged = frame((1, 5, 7)) | {"value": [1, 2]}
    assert push(trips, ragged, "offline").status_code == 422
    assert push(trips, frame((1, 5, 7)), "nowhere").status_code == 422
    assert push(trips, frame((1, 5, 7)), "offline", "k" * 257).status_code == 422


@pytest.mark.slow
def test_the_process_that_writes_ends_with_the_server(
    valkey: EmbeddedServer, trips: Running, tmp_path: Path
) -> None:
    writer = child_of(trips, b"pusher")
    trips.process.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{writer}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_groups_are_of_one_source_in_their_order_and_bounded() -> None:
    async def walk() -> None:
        sizes = [("a", 1), ("b", 1), ("a", 2), ("a", GROUP_BYTES), ("b", 3)]
        waiting = deque(Waiting(Offline(name, b" " * size, 0)) for name, size in sizes)
        taken = []
        while waiting:
            taken.append([(one.push.source, one.push.size_bytes) for one in take_group(waiting)])
        assert taken == [[("a", 1), ("a", 2)], [("b", 1), ("b", 3)], [("a", GROUP_BYTES)]]
        waiting = deque(Waiting(Offline("a", b"", 0)) for _ in range(GROUP_PUSHES + 1))
        assert [len(take_group(waiting)), len(take_group(waiting))] == [GROUP_PUSHES, 1]

    asyncio.run(walk())


def test_a_push_that_is_larger_than_a_group_goes_alone() -> None:
    async def walk() -> None:
        waiting = deque(Waiting(Offline("a", b" " * size, 0)) for size in (GROUP_BYTES + 1, 1))
        assert [one.push.size_bytes for one in take_group(waiting)] == [GROUP_BYTES + 1]
        assert [one.push.size_bytes for one in take_group(waiting)] == [1]

    asyncio.run(walk())
