"""Materialise, push and serve: the same values over HTTP and in process."""

import json
import os
import socket
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from demo.cast import ANA, REPLAY_AT, SERVICE
from demo.stage import Stage
from provender.core.serving import SERVER
from provender.sdk import connect


def materialise(stage: Stage) -> None:
    """Fill the online store from the latest versions, then push arrivals."""
    from provender import bootstrap
    from provender.feast_plugin import runs

    settings = bootstrap.settings()
    with closing(bootstrap.online(settings)) as store:
        with connect(actor=ANA) as workspace:
            project = workspace.repo()
        for view in project.views:  # a replay: what was looked up later must not be there yet
            store.delete(project.project, view.name)
        with stage.working("materialising"):
            for run in runs.materialize(
                settings.feature_repo, settings=settings, start=REPLAY_AT - timedelta(days=365)
            ):
                stage.fact(
                    f"{run.view:16} {run.written:>7,} rows written, {run.kept:,} kept newer ones, "
                    f"{run.skipped:,} without a key  {run.seconds:.1f} s"
                )
        late = arrivals()
        with stage.working("pushing late arrivals"):
            server = settings.model_copy(update={"actor": SERVER})
            runs.push(settings.feature_repo, "tail_arrivals", late, settings=server)
        stage.fact(f"pushed {late.num_rows} late arrivals to tail_last through tail_arrivals")


def arrivals() -> pa.Table:
    """Return made-up arrivals of three real planes a moment before the story's clock."""
    tails = ["N14228", "N925AN", "N338AA"]
    when = [REPLAY_AT - timedelta(minutes=minutes) for minutes in (50, 35, 20)]
    instant = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "tailnum": tails,
            "event_timestamp": pa.array(when, instant),
            "created_timestamp": pa.array([w + timedelta(minutes=1) for w in when], instant),
            "last_arr_delay": [42.0, 18.0, -5.0],
            "last_distance": pa.array([1400, 733, 2475], pa.int64()),
            "last_dest": ["IAH", "ORD", "LAX"],
            "last_arr_epoch": pa.array([int(w.timestamp()) for w in when], pa.int64()),
        }
    )


QUESTION: Mapping[str, list[Any]] = {
    "origin": ["EWR", "LGA", "JFK"],
    "carrier": ["UA", "AA", "AA"],
    "dest": ["IAH", "ORD", "LAX"],
    "tailnum": ["N14228", "N925AN", "N338AA"],
    "departure_epoch": [int((REPLAY_AT + timedelta(minutes=60)).timestamp())] * 3,
}


def serve(stage: Stage) -> None:
    """Ask the server and the in-process lookup the same, and compare."""
    from provender.cli import running

    home = Path(os.environ["PROVENDER_HOME"])
    with connect(actor=ANA) as workspace:
        port = _free_port()
        server = running.start(
            home, "online", ["serve", "online", "--port", str(port)], health="/ready"
        )
        body = json.dumps({"feature_service": SERVICE, "entities": QUESTION}).encode()
        try:
            served = _post(f"{server.url}/get-online-features", body)
            began = time.perf_counter()
            for _ in range(100):
                _post(f"{server.url}/get-online-features", body)
            http_ms = (time.perf_counter() - began) * 10
        finally:
            running.stop(home, "online")
        lookup = workspace.online(SERVICE)
        in_process = lookup(QUESTION).to_dict()
        began = time.perf_counter()
        for _ in range(100):
            lookup(QUESTION)
        local_ms = (time.perf_counter() - began) * 10
    names = served["metadata"]["feature_names"]
    over_http = {n: r["values"] for n, r in zip(names, served["results"], strict=True)}
    differing = sum(over_http[name] != values for name, values in in_process.items())
    for name in ("temp", "dep_delay_mean_1h", "last_arr_delay", "minutes_since_arrival"):
        if name in over_http:
            stage.fact(f"{name:22} {over_http[name]}")
    stage.fact(
        f"{len(names)} columns x 3 flights: HTTP {http_ms:.1f} ms, in process {local_ms:.2f} ms a request, "
        f"{differing} columns differ"
    )


def _post(url: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        return dict(json.load(response))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
