"""Walk 4: the running server, the SDK, plain Feast and Feast's remote client say the same."""

import json
import math
import os
import re
import runpy
import shutil
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from provender import bootstrap
from provender.cli import running
from provender.sdk import connect

NOW = datetime(2013, 12, 30, 18, 0, tzinfo=UTC)
SERVICE = "delay_v1"
ENTITIES = {
    "origin": ["EWR", "LGA", "JFK", "EWR"],
    "carrier": ["UA", "AA", "B6", "UA"],
    "dest": ["IAH", "ORD", "BOS", "IAH"],
    "tailnum": ["N14228", "N3EDAA", "N258JB", "NOBODY"],
    "departure_epoch": [int((NOW + timedelta(hours=1)).timestamp())] * 4,
}
KEYS = ("origin", "carrier", "dest", "tailnum")


@pytest.fixture(scope="module")
def at_the_end_of_2013(flights):
    """The same home with the clock of lookups held, and everything materialised until then."""
    from provender.feast_plugin import collaborators, runs

    settings = flights.model_copy(update={"clock": NOW})
    with closing(bootstrap.online(settings)) as store:
        for view in ("weather", "origin_ops", "carrier_origin", "route", "tail_last", "plane"):
            store.delete("flights", view)
        written = list(
            runs.materialize(
                settings.feature_repo, settings=settings, start=NOW - timedelta(days=365)
            )
        )
        assert {run.view: run.written for run in written}["weather"] == 3
        yield settings
    collaborators.close()


@pytest.fixture(scope="module")
def server(at_the_end_of_2013, tmp_path_factory):
    settings = at_the_end_of_2013
    environment = {
        "PROVENDER_HOME": str(settings.home),
        "PROVENDER_CLOCK": NOW.isoformat(),
        "PROVENDER_FEATURE_REPO": str(settings.feature_repo),
        "PROVENDER_ACTOR": "service:online",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        started = running.start(
            settings.home, "online", ["serve", "online", "--port", "0"], health="/health"
        )
    yield started
    stopped = running.stop(settings.home, "online")
    assert stopped == started
    assert running.running(settings.home, "online") is None


def ask(server, **body):
    return httpx.post(f"{server.url}/get-online-features", json=body, timeout=10)


@pytest.fixture(scope="module")
def served(server):
    answer = ask(server, feature_service=SERVICE, entities=ENTITIES)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_answer_has_feasts_shape(served):
    names = served["metadata"]["feature_names"]
    assert names[: len(KEYS)] == list(KEYS)
    assert len(names) == len(served["results"]) == len(KEYS) + 31
    for result in served["results"]:
        assert (
            len(result["values"]) == len(result["statuses"]) == len(result["event_timestamps"]) == 4
        )
    column = dict(zip(names, served["results"], strict=True))
    assert column["origin"]["event_timestamps"] == ["1970-01-01T00:00:00Z"] * 4
    assert column["temp"]["statuses"] == ["PRESENT"] * 4
    assert column["temp"]["event_timestamps"][0] == "2013-12-30T17:51:00Z"
    assert column["last_arr_delay"]["statuses"][3] == "NOT_FOUND"


def test_the_sdk_looks_up_the_same(served, at_the_end_of_2013):
    with connect(settings=at_the_end_of_2013) as workspace:
        local = workspace.online(SERVICE)(ENTITIES)
    over_http = {
        n: r["values"]
        for n, r in zip(served["metadata"]["feature_names"], served["results"], strict=True)
    }
    statuses = {
        n: r["statuses"]
        for n, r in zip(served["metadata"]["feature_names"], served["results"], strict=True)
    }
    assert local.to_dict() == over_http
    assert local.statuses == statuses


def test_plain_feast_looks_up_the_same(served, as_ana, at_the_end_of_2013, monkeypatch):
    from feast import FeatureStore

    from provender.feast_plugin import collaborators

    with collaborators.using(at_the_end_of_2013):
        store = FeatureStore(repo_path=str(as_ana.feature_repo))
        rows = [
            dict(zip(ENTITIES, row, strict=True)) for row in zip(*ENTITIES.values(), strict=True)
        ]
        feasts = store.get_online_features(
            features=store.get_feature_service(SERVICE), entity_rows=rows
        ).to_dict()
    over_http = {
        n: r["values"]
        for n, r in zip(served["metadata"]["feature_names"], served["results"], strict=True)
    }
    for name, values in over_http.items():
        assert [_none(v) for v in feasts[name]] == values, name


def _none(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def test_what_is_served_is_what_training_saw(served, at_the_end_of_2013):
    """The offline answer at the clock's instant: training and serving cannot differ."""
    spine = pa.table(ENTITIES).append_column(
        "event_timestamp", pa.array([NOW] * 4, pa.timestamp("us", tz="UTC"))
    )
    with connect(settings=at_the_end_of_2013) as workspace:
        offline = workspace.training_set(spine, service=SERVICE).arrow()
    over_http = {
        n: r["values"]
        for n, r in zip(served["metadata"]["feature_names"], served["results"], strict=True)
    }
    features = [name for name in over_http if name not in KEYS]
    assert {n: offline.column(n).to_pylist() for n in features} == {
        n: over_http[n] for n in features
    }


def test_feasts_remote_client_reads_it(server, served, tmp_path, flights):
    from feast import FeatureStore

    text = (flights.feature_repo / "feature_store.yaml").read_text()
    before, _, after = text.partition(
        "online_store:\n  type: provender.feast_plugin.online.ProvenderOnlineStore\n"
    )
    assert after
    remote = f"online_store:\n  type: remote\n  path: {server.url}\n"
    (tmp_path / "feature_store.yaml").write_text(
        (before + remote + after).replace("${PROVENDER_HOME}", str(flights.home))
    )
    store = FeatureStore(repo_path=str(tmp_path))
    rows = [dict(zip(ENTITIES, row, strict=True)) for row in zip(*ENTITIES.values(), strict=True)]
    answer = store.get_online_features(
        features=store.get_feature_service(SERVICE), entity_rows=rows
    ).to_dict()
    over_http = {
        n: r["values"]
        for n, r in zip(served["metadata"]["feature_names"], served["results"], strict=True)
    }
    assert {n: [_none(v) for v in answer[n]] for n in over_http} == over_http


def test_curl_reads_it(server, served):
    curl = shutil.which("curl")
    if curl is None and os.environ.get("CI") != "true":
        pytest.skip("curl is not installed: apt-get install curl")
    assert curl, "in CI nothing is skipped: install curl"
    body = json.dumps({"feature_service": SERVICE, "entities": ENTITIES})
    done = subprocess.run(
        [curl, "--silent", "--fail", "--data", body, f"{server.url}/get-online-features"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == served


def test_the_server_process_has_neither_feast_nor_a_database(server):
    """What it has mapped says what it imported."""
    mapped = Path(f"/proc/{server.pid}/maps").read_text()
    for heavy in ("pyarrow", "duckdb", "pandas", "numpy", "sqlalchemy", "grpc"):
        assert f"/{heavy}/" not in mapped


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"features": ["weather:tmp"], "entities": {"origin": ["EWR"]}}, 404, "tmp"),
        ({"features": ["wether:temp"], "entities": {"origin": ["EWR"]}}, 404, "wether"),
        ({"feature_service": "delay_v9", "entities": {}}, 404, "delay_v9"),
        ({"features": ["weather:temp"], "entities": {}}, 422, "origin"),
        ({"features": ["weather:temp"], "entities": {"origin": "EWR"}}, 422, "origin"),
        ({"features": ["route:arr_n_28d"], "entities": {"origin": ["EWR", "LGA"], "dest": ["IAH"]}}, 422, "dest"),
        ({"feature_service": SERVICE, "entities": {k: v for k, v in ENTITIES.items() if k != "departure_epoch"}}, 422, "departure_epoch"),
    ],
)  # fmt: skip
def test_mistakes_are_the_callers_and_said_in_feasts_form(server, body, status, says):
    answer = ask(server, **body)
    assert answer.status_code == status
    assert says in answer.text


def test_a_pushed_arrival_is_served_at_once(server):
    arrival = {
        "tailnum": ["N14228"], "event_timestamp": ["2013-12-30T17:30:00"], "created_timestamp": ["2013-12-30T17:31:00"],
        "last_arr_delay": [77.0], "last_distance": [1400], "last_dest": ["EWR"], "last_arr_epoch": [1388424600],
    }  # fmt: skip
    pushed = httpx.post(
        f"{server.url}/push",
        json={"push_source_name": "tail_arrivals", "df": arrival, "to": "online"},
    )
    assert pushed.status_code == 200, pushed.text
    answer = ask(
        server, features=["tail_last:last_arr_delay"], entities={"tailnum": ["N14228"]}
    ).json()
    assert answer["results"][1]["values"] == [77.0]
    assert answer["results"][1]["event_timestamps"] == ["2013-12-30T17:30:00Z"]


def test_the_example_in_the_readme_runs_as_it_stands(flights, tmp_path, monkeypatch):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = tmp_path / "example.py"
    example.write_text(re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1])
    monkeypatch.setenv("PROVENDER_HOME", str(flights.home))
    monkeypatch.setenv("PROVENDER_FEATURE_REPO", str(flights.feature_repo))
    made = runpy.run_path(str(example))["training"]
    bootstrap.settings.cache_clear()
    assert made.manifest.row_count == 1
