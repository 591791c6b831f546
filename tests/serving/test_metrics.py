import os
import signal
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from provender.online.store import OnlineStore
from provender.serving.metrics import Metrics
from tests.serving.conftest import Running, Start
from tests.serving.test_workers import answers, wait_for

BODY = {"features": ["weather:temp"], "entities": {"origin": ["JFK", "EWR"]}}
Samples = dict[tuple[str, ...], float]


def parsed(page: str) -> Samples:
    """Return the samples of a page by name and labels, as Prometheus itself would read it."""
    return {
        (sample.name.removeprefix("provender_online_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def scrape(running: Running) -> Samples:
    answer = running.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


def test_requests_keys_and_times_are_counted(start: Start, filled: OnlineStore) -> None:
    running = start()
    for _ in range(3):
        assert running.post("/get-online-features", BODY).status_code == 200
    assert running.post("/get-online-features", {}).status_code == 422
    frame = {"origin": ["a"], "dest": ["b"], "delay": [1.0], "event_timestamp": ["2013-01-01"]}
    written = {"feature_view_name": "route", "df": frame}
    assert running.post("/write-to-online-store", written).status_code == 200
    assert running.client.post("/push", content=b" " * (9 << 20)).status_code == 413
    found = scrape(running)
    assert found["requests_total", "/get-online-features", "200"] == 3
    assert found["requests_total", "/get-online-features", "422"] == 1
    assert found["rejected_total", "413"] == 1
    assert (found["keys_total",], found["missing_keys_total",]) == (6, 3)
    assert found["rows_pushed_total",] == 1
    assert found["lookup_seconds_count",] == found["lookup_seconds_bucket", "+Inf"] == 4
    assert found["store_seconds_count",] == 3
    assert 0 < found["store_seconds_sum",] < found["lookup_seconds_sum",] < 20
    assert (found["store_up",], found["workers",], found["in_flight",]) == (1, 1, 1)
    assert found["snapshot_age_seconds",] > 0


def test_any_worker_tells_the_numbers_of_all_and_they_never_go_down(
    start: Start, filled: OnlineStore
) -> None:
    running = start(workers=2)
    workers = wait_for(running, 2)
    for _ in range(40):
        assert answers(running)
    key = ("requests_total", "/get-online-features", "200")
    deadline = time.monotonic() + 10
    while (before := scrape(running).get(key, 0)) < 40:
        assert time.monotonic() < deadline
    os.kill(min(workers), signal.SIGKILL)
    time.sleep(0.1)
    running.client.close()
    wait_for(running, 2, but=min(workers))
    for _ in range(10):
        with_new_connections = Running(running.process, running.address)
        found = scrape(with_new_connections)
        with_new_connections.client.close()
        assert found[key] >= before
        before = found[key]
    assert found["workers",] == 2


def test_numbers_survive_in_their_file_and_gauges_do_not(tmp_path: Path) -> None:
    first = Metrics(tmp_path / "0.json")
    first.count("requests", "/push", "200", by=5)
    first.took("lookup_seconds", 0.003)
    first.keep(in_flight=7)
    again = Metrics(tmp_path / "0.json")
    again.count("requests", "/push", "200")
    other = Metrics(tmp_path / "1.json")
    other.took("lookup_seconds", 2.0)
    other.keep(in_flight=2)
    found = parsed(again.page(in_flight=1).decode())
    assert found["requests_total", "/push", "200"] == 6
    assert (found["in_flight",], found["workers",]) == (3, 2)
    assert found["lookup_seconds_bucket", "0.005"] == 1
    assert found["lookup_seconds_bucket", "1.0"] == 1
    assert found["lookup_seconds_bucket", "+Inf"] == 2
    assert found["lookup_seconds_sum",] == 2.003
