"""A server that logs what it answers: what is written, and that nobody waits for it."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from provender.core.features import ServiceSpec
from provender.core.lookuplog import LogShape
from provender.core.names import FeatureRef
from provender.online.codec import KeyCodec
from provender.online.spool import SpoolFolder, read_segment
from provender.online.store import OnlineStore
from tests.online.views import manifest, view
from tests.serving.conftest import ROUTE, WIDE, Running, Start, flights
from tests.serving.test_metrics import scrape
from tests.serving.test_workers import wait_for, workers_of

ALL = {"rate": 1.0, "seconds": 3600.0}
DELAY = {"origin": ["JFK", "LGA", None], "dest": ["SFO", "SFO", "SFO"]}
EVERY = ServiceSpec(
    name="everything",
    features=tuple(FeatureRef("weather", column.name) for column in WIDE.columns),
)
Record = dict[str, Any]


def everything(**more: Any) -> Any:
    return manifest(WIDE, ROUTE, services=(EVERY, *flights().services), **more)


def ask(running: Running, service: str, entities: Any) -> dict[str, Any]:
    answer = running.post(
        "/get-online-features", {"feature_service": service, "entities": entities}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ended(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=20) == 0


def logged(home: Path, service: str = "delay") -> tuple[LogShape, list[Record]]:
    """Return what is in the closed segments of a service."""
    spool = SpoolFolder(home, "flights")
    spool.adopt()
    read = [found for path in spool.segments(service) if (found := read_segment(path))]
    assert read
    return read[0][0], [record for _, records in read for record in records]


def in_answer(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(answer["results"][answer["metadata"]["feature_names"].index(name)])


def test_every_lookup_of_a_service_is_logged_as_it_was_answered(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start(log=ALL)
    answers = [ask(running, "delay", DELAY) for _ in range(3)]
    running.features(DELAY, features=["weather:temp"])
    ended(running)
    shape, records = logged(tmp_path)
    assert [field.name for field in shape.given] == ["origin", "dest"]
    assert [feature.column for feature in shape.features] == ["weather__temp", "route__delay"]
    assert shape.manifest == flights().digest
    assert len(records) == 3
    assert len({record["id"] for record in records}) == 3
    for record, answer in zip(records, answers, strict=True):
        assert record["given"] == [DELAY["origin"], DELAY["dest"]]
        assert record["rows"] == 3
        for at, name in enumerate(("temp", "delay")):
            told = in_answer(answer, name)
            assert record["values"][at] == told["values"]
            assert record["statuses"][at] == told["statuses"]
        assert record["event_us"][0] == [1357016400000000, 1357016399001500, 0]


def test_a_worker_that_logs_loads_nothing_heavy(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start(log={**ALL, "hash_ids": True})
    ask(running, "delay", DELAY)
    deadline = time.monotonic() + 10
    while not scrape(running).get(("lookup_log_written_total",), 0):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    loaded = Path(f"/proc/{running.process.pid}/maps").read_text()
    assert "uvloop" in loaded
    for heavy in ("numpy", "pyarrow", "duckdb", "pandas", "sqlalchemy", "feast"):
        assert f"/{heavy}/" not in loaded


def test_services_are_logged_side_by_side(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    filled.publish_manifest(everything())
    running = start(log=ALL)
    for _ in range(3):
        ask(running, "everything", {"origin": ["JFK"]})
        ask(running, "delay", DELAY)
    deadline = time.monotonic() + 10
    while scrape(running).get(("lookup_log_written_total",), 0) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    spool = SpoolFolder(tmp_path, "flights")
    opened = sorted(path.parent.name for path in spool.path.rglob("*.open"))
    assert (opened, spool.segments()) == (["delay", "everything"], [])
    ended(running)
    assert [len(logged(tmp_path, name)[1]) for name in ("everything", "delay")] == [3, 3]


def test_values_of_every_kind_are_logged_exactly(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    filled.publish_manifest(everything())
    running = start(log=ALL)
    ask(running, "everything", {"origin": ["JFK", "LGA"]})
    ended(running)
    shape, [record] = logged(tmp_path, "everything")
    values = dict(zip([one.feature for one in shape.features], record["values"], strict=True))
    assert values == {
        "blob": ["AP8=", None],
        "count": [2**53 + 1, None],
        "ok": [True, False],
        "seen": ["2013-01-01T00:00:01.500000+00:00", None],
        "tags": [["a", None], []],
        "temp": [1.0, "NaN"],
        "word": ["ü", ""],
    }


def test_the_rate_of_a_service_goes_before_that_of_the_server_and_is_kept(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    often = ServiceSpec(name="often", features=(FeatureRef("weather", "temp"),), log_rate=0.5)
    never = ServiceSpec(name="never", features=(FeatureRef("weather", "temp"),), log_rate=0.0)
    filled.publish_manifest(manifest(WIDE, ROUTE, services=(*flights().services, often, never)))
    running = start(log={"rate": 0.1})
    for _ in range(200):
        for service in ("often", "never"):
            ask(running, service, {"origin": ["JFK"]})
        ask(running, "delay", DELAY)
    ended(running)
    assert 97 <= len(logged(tmp_path, "often")[1]) <= 103
    assert 18 <= len(logged(tmp_path, "delay")[1]) <= 22
    assert SpoolFolder(tmp_path, "flights").services() == ["delay", "often"]


def test_without_the_setting_only_services_that_say_so_are_logged(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    said = ServiceSpec(name="said", features=(FeatureRef("weather", "temp"),), log_rate=1.0)
    filled.publish_manifest(manifest(WIDE, ROUTE, services=(*flights().services, said)))
    running = start(log={})
    ask(running, "said", {"origin": ["JFK"]})
    ask(running, "delay", DELAY)
    ended(running)
    assert SpoolFolder(tmp_path, "flights").services() == ["said"]


def test_the_spool_is_for_its_owner_only(start: Start, filled: OnlineStore, tmp_path: Path) -> None:
    running = start(log=ALL)
    ask(running, "delay", DELAY)
    ended(running)
    for path in (tmp_path / "lookups").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("why", ["hashed in the store", "the setting"])
def test_hashed_ids_are_never_written_in_clear(
    start: Start, store: OnlineStore, tmp_path: Path, why: str
) -> None:
    in_store = why == "hashed in the store"
    people = view(
        {"score": "int64"}, keys={"who": "string"}, entity_ids="hashed" if in_store else "plain"
    )
    service = ServiceSpec(name="delay", features=(FeatureRef("weather", "score"),))
    secret = "nobody-would-guess-this"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_ENTITY_SECRET", secret)
        from provender.online.secrets import Keyring

        key = Keyring().key_id("flights") if in_store else ""
        store.publish_manifest(manifest(people, services=(service,), entity_key=key))
        running = start(log={**ALL, "hash_ids": not in_store})
        ask(running, "delay", {"who": ["erika.mustermann", "max", None, "erika.mustermann"]})
        ended(running)
        in_keys = KeyCodec("flights", replace(people, entity_ids="hashed")).key(
            ["erika.mustermann"]
        )
    shape, [record] = logged(tmp_path)
    assert shape.hashed == ("who",)
    [[erika, other, nobody, again]] = record["given"]
    assert nobody is None
    assert erika == again != other
    assert in_keys is not None
    assert in_keys.endswith(b"{%b}" % erika.encode())
    for path in (tmp_path / "lookups").rglob("*"):
        if path.is_file():
            assert b"mustermann" not in path.read_bytes()


def test_a_killed_worker_loses_only_what_it_had_not_written_and_nothing_twice(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start(log=ALL, workers=2)
    before = wait_for(running, 2)
    for _ in range(50):
        ask(running, "delay", DELAY)
    deadline = time.monotonic() + 10
    while scrape(running).get(("lookup_log_written_total",), 0) < 50:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    running.client.close()
    running.client = httpx.Client(base_url=running.address, timeout=20)
    deadline = time.monotonic() + 30
    while len(workers_of(running) - before) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wait_for(running, 2)
    ask(running, "delay", DELAY)
    ended(running)
    ids = [record["id"] for record in logged(tmp_path)[1]]
    assert len(ids) == len(set(ids)) == 51


def test_no_request_waits_for_a_spool_whose_disk_hangs(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    folder = SpoolFolder(tmp_path, "flights").of("delay")
    folder.mkdir(parents=True)
    os.mkfifo(folder / "0.open")  # whoever opens it to write waits until somebody reads
    running = start(log=ALL, limits={"deadline": 20.0})
    many = {"origin": ["JFK"] * 4000, "dest": ["SFO"] * 4000}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(running, "delay", many), range(50)))
    assert all(in_answer(answer, "temp")["values"][0] == 1.0 for answer in answers)
    found = scrape(running)
    assert found["lookup_log_dropped_total", "queue"] > 5
    assert ("lookup_log_written_total",) not in found or not found["lookup_log_written_total",]
    health = running.client.get("/health").json()["lookup_log"]
    assert health["dropped"] == found["lookup_log_dropped_total", "queue"]
    ended(running)


def test_a_spool_that_cannot_be_written_is_counted_and_told_and_harms_no_request(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    (tmp_path / "lookups").write_text("in the way")
    running = start(log=ALL)
    for _ in range(20):
        ask(running, "delay", DELAY)
    deadline = time.monotonic() + 10
    while scrape(running).get(("lookup_log_dropped_total", "spool"), 0) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    health = running.client.get("/health").json()
    assert health["status"] == "ok"
    assert "Not a directory" in health["lookup_log"]["problems"]["spool"]
    (tmp_path / "lookups").unlink()
    deadline = time.monotonic() + 10
    while not scrape(running).get(("lookup_log_written_total",), 0):
        ask(running, "delay", DELAY)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.client.get("/health").json()["lookup_log"]["problems"] == {}
    ended(running)


def test_the_spool_takes_no_more_than_it_may(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start(log={"rate": 1.0, "seconds": 0.2, "most_bytes": 100_000})
    for _ in range(40):
        ask(running, "delay", {"origin": ["JFK"] * 50, "dest": ["SFO"] * 50})
        time.sleep(0.05)
    spool = SpoolFolder(tmp_path, "flights")
    deadline = time.monotonic() + 10
    while any(spool.path.rglob("*.open")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.2)
    found = scrape(running)
    ended(running)
    kept = len(logged(tmp_path)[1])
    assert 0 < kept < 40
    assert kept + found["lookup_log_dropped_total", "limit"] == 40
    assert spool.size_bytes() <= 100_000


def test_a_server_that_logs_nothing_has_no_spool(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start()
    ask(running, "delay", DELAY)
    assert running.client.get("/health").json()["lookup_log"] is None
    assert not (tmp_path / "lookups").exists()


def shippers(home: Path) -> list[psutil.Process]:
    """The processes that publish from the spool in ``home``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if "ship" in (process.info["cmdline"] or []) and str(home) in str(process.environ()):
                found.append(process)
    return found


def test_why_nothing_is_published_is_told(
    start: Start, filled: OnlineStore, tmp_path: Path
) -> None:
    running = start(log={"rate": 1.0, "seconds": 0.05, "ship": True})
    ask(running, "delay", DELAY)
    deadline = time.monotonic() + 60
    most = 0
    while not (problems := running.client.get("/health").json()["lookup_log"]["problems"]):
        assert time.monotonic() < deadline
        most = max(most, len(shippers(tmp_path)))
        time.sleep(0.1)
    assert most == 1, "the next begins after the last has ended, however long it takes to begin"
    assert "project 'flights'" in problems["shipping"]
    ended(running)
    assert len(logged(tmp_path)[1]) == 1
