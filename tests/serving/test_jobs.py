"""Materialising over HTTP: real jobs of a real Feast repository in processes of their own."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.errors import Denied, Unavailable
from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from provender.serving import wire
from provender.serving.jobs import _failure, _options
from tests.serving.conftest import Running, child_of, starting
from tests.serving.test_feast_client import client

CONFIGURATION = """
project: shop
provider: local
registry: {registry_type: sql, path: "sqlite:///${PROVENDER_HOME}/registry.db"}
offline_store: {type: provender.feast_plugin.offline.ProvenderOfflineStore}
online_store: {type: provender.feast_plugin.online.ProvenderOnlineStore}
batch_engine: {type: provender.feast_plugin.engine.ProvenderEngine}
entity_key_serialization_version: 3
"""
DEFINITIONS = """
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Int64, String

shopper = Entity(name="shopper", join_keys=["shopper"], value_type=ValueType.STRING)
visits = FeatureView(
    name="visits",
    entities=[shopper],
    owner="person:me",
    schema=[Field(name="shopper", dtype=String), Field(name="count", dtype=Int64)],
    source=FileSource(name="visits_source", path="PATH", timestamp_field="at"),
)
"""
JUNE = datetime(2024, 6, 1, tzinfo=UTC)
JULY = {"start_ts": "2024-06-01T00:00:00", "end_ts": "2024-07-01T00:00:00"}


@pytest.fixture(scope="module")
def shop(valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server beside an applied repository whose only view has a row per month."""
    home, repo = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("repo")
    rows = {
        "shopper": ["ana", "ben", "ana"],
        "count": [1, 2, 3],
        "at": [JUNE, JUNE.replace(day=2), JUNE.replace(month=7, day=2)],
    }
    pq.write_table(pa.table(rows), repo / "visits.parquet")
    (repo / "feature_store.yaml").write_text(CONFIGURATION)
    (repo / "definitions.py").write_text(DEFINITIONS.replace("PATH", str(repo / "visits.parquet")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_HOME", str(home))
        patch.setenv("PROVENDER_REDIS_URL", valkey.url)
        command = [sys.executable, "-m", "provender.cli.main", "features", "apply", str(repo)]
        subprocess.run(command, check=True, capture_output=True)
        with starting(
            home, valkey.url, project="shop", repo=str(repo), clock="2024-08-01T00:00:00+00:00"
        ) as running:
            running.home = home
            yield running


def count(running: Running, shopper: str) -> Any:
    answer = running.features({"shopper": [shopper]}, features=["visits:count"])
    return answer["results"][1]["values"][0]


def lock_of(running: Running) -> Path:
    path = Path(running.home / "run" / "materialize" / "shop.visits.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def is_running(running: Running) -> bool:
    with lock_of(running).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@pytest.mark.slow
def test_a_window_is_materialised_and_then_the_rest(shop: Running) -> None:
    assert count(shop, "ana") is None
    answer = shop.client.post("/materialize", json=JULY, timeout=120)
    assert (answer.status_code, answer.text) == (200, "null"), answer.text
    assert [count(shop, "ana"), count(shop, "ben")] == [1, 2]
    later = {"end_ts": "2024-07-15T00:00:00Z", "feature_views": ["visits"]}
    answer = shop.client.post("/materialize-incremental?async=true", json=later, timeout=120)
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"status": "accepted", "feature_views": ["visits"]}
    second = shop.client.post("/materialize", json=JULY)
    assert second.status_code == 409
    assert second.json()["feature_views"] == ["visits"]
    deadline = time.monotonic() + 120
    while count(shop, "ana") != 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_feasts_own_client_has_the_server_materialise(shop: Running, tmp_path: Path) -> None:
    wait_until_free(shop)
    seen = client(shop.address, tmp_path, "materialize")
    assert seen["conflict"][0] == "RuntimeError"
    assert "(409): feature views are being materialised already: visits" in seen["conflict"][1]
    assert [count(shop, "ana"), count(shop, "ben")] == [3, 2]


def wait_until_free(running: Running) -> None:
    deadline = time.monotonic() + 60
    while is_running(running):
        assert time.monotonic() < deadline
        time.sleep(0.1)


CONFIGURED = """
# A window may be the wrong way round, and its view may be taken, or as many jobs run as may.
[checks.positive_data_acceptance]
expected-statuses = ["200", "202", "409", "422", "503"]
"""


def fuzzed(running: Running, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Return what schemathesis says of the two routes that start jobs."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURED)
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(configuration), "run", f"{running.address}/openapi.json"]
    command += ["--include-path-regex", "^/materialize", "--checks", "all", *options]
    command += ["--generation-deterministic", "--request-timeout", "120"]
    command += ["--max-response-time", "120"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def jobs_of(running: Running) -> int:
    """Return how many materialisations run below the server."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    return sum(b"materialize" in line for line in lines)


@pytest.mark.slow
def test_every_request_for_a_taken_view_has_an_answer_and_starts_no_job(
    shop: Running, tmp_path: Path
) -> None:
    wait_until_free(shop)
    with lock_of(shop).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        done = fuzzed(shop, tmp_path, "--max-examples", "10")
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "Tested: 2" in done.stdout
        assert jobs_of(shop) == 0
        assert shop.post("/materialize?async=true", JULY).status_code == 409


@pytest.mark.slow
def test_every_request_that_starts_a_job_has_an_answer_and_jobs_do_not_pile_up(
    shop: Running, tmp_path: Path
) -> None:
    wait_until_free(shop)
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most.append(jobs_of(shop))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        done = fuzzed(
            shop,
            tmp_path,
            "--phases",
            "fuzzing",
            "--max-examples",
            "2",
            "--max-time",
            "30",
            "--workers",
            "2",
        )
    finally:
        over.set()
        watching.join()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert max(most) == 1, "one view has one job at a time"
    wait_until_free(shop)
    assert shop.client.get("/ready").status_code == 200


@pytest.mark.slow
def test_a_killed_job_leaves_no_lock_and_a_good_server(
    shop: Running,
) -> None:
    wait_until_free(shop)
    for _ in range(5):  # a job may end before it is found, where the machine is busy
        answer = shop.client.post("/materialize?async=true", json={"disable_event_timestamp": True})
        assert answer.status_code == 202
        if kill_job(shop):
            break
        wait_until_free(shop)
    else:
        raise AssertionError("every job ended before it could be killed")
    wait_until_free(shop)
    assert shop.client.get("/health").status_code == 200


def kill_job(running: Running) -> bool:
    """Kill the job below the server while it holds its lock; say whether it still did."""
    try:
        pid = child_of(running, b"materialize")
        os.kill(pid, signal.SIGSTOP)
        held = is_running(running)
        os.kill(pid, signal.SIGKILL)
    except (AssertionError, OSError):  # it ended meanwhile
        return False
    return held


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**JULY, "feature_views": ["visit"]}, (404, "FeatureViewNotFoundException")),
        ({"end_ts": "2024-07-01"}, (422, "FeastError")),
        ({**JULY, "version": "v2"}, (422, "FeastError")),
    ],
)
@pytest.mark.slow
def test_a_window_that_makes_no_sense_is_refused(
    shop: Running, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert shop.error("/materialize", body)[:2] == expected


@pytest.mark.slow
def test_a_window_that_cannot_be_read_is_a_422(shop: Running) -> None:
    answer = shop.post("/materialize", {**JULY, "end_ts": "tomorrow"})
    assert answer.json()["detail"][0]["loc"] == ["body", "end_ts"]
    assert shop.post("/materialize-incremental", {}).status_code == 422


def test_without_a_repository_there_is_nothing_to_materialise(
    shared: Running, store: OnlineStore
) -> None:
    for path in ("/materialize", "/materialize-incremental"):
        status, kind, message = shared.error(path, JULY)
        assert (status, kind, "/" in message) == (501, "FeastError", False)


def test_what_a_job_ends_with_is_told_as_the_server_tells_it() -> None:
    words = json.dumps({"error": "denied", "message": "service:online may not", "hint": "ask"})
    error = _failure(4, f"a warning\n{words}\n")
    assert (type(error), error.message, error.hint) == (Denied, "service:online may not", "ask")
    assert wire.failure(error)[0] == 403
    assert isinstance(_failure(-9, ""), Unavailable)
    assert wire.failure(_failure(1, "Traceback…"))[0] == 500


ENDS_OF_TIME = {"start_ts": "0001-01-01T00:00:00Z", "end_ts": "9999-12-31T23:59:59.9Z"}


@pytest.mark.slow
def test_a_window_from_the_first_to_the_last_instant_is_materialised(shop: Running) -> None:
    wait_until_free(shop)
    answer = shop.client.post("/materialize", json=ENDS_OF_TIME, timeout=120)
    assert (answer.status_code, answer.text) == (200, "null")
    assert [count(shop, "ana"), count(shop, "ben")] == [3, 2]


def test_the_ends_of_time_are_options_that_can_be_read() -> None:
    window = wire.parse_window(json.dumps(ENDS_OF_TIME).encode())
    options = ["--start", "0001-01-01T00:00:00", "--end", "9999-12-31T23:59:59"]
    assert _options(window) == options


def test_a_window_loses_no_row_to_whole_seconds() -> None:
    body = {"start_ts": "2024-06-01T02:00:00.9+02:00", "end_ts": "2024-06-01T00:00:01.1Z"}
    window = wire.parse_window(json.dumps(body).encode())
    options = ["--start", "2024-06-01T00:00:00", "--end", "2024-06-01T00:00:02"]
    assert _options(window) == options
