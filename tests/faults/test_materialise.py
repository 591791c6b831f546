"""The store is killed and comes back empty while a view is materialised, under 200 requests a second."""

import time
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pyarrow as pa
from feast.infra.common.materialization_job import MaterializationTask

from provender.core.errors import Unavailable
from provender.feast_plugin.online import store_of
from tests.faults.traffic import MISSING, REFUSED, only
from tests.feast_plugin.plain import DRIVER, NOON, store, view, write
from tests.stress import times

ROWS = 150_000
"""More than two batches."""


def table():
    at = pa.array(np.full(ROWS, int(NOON.timestamp()) * 1_000_000), pa.timestamp("us", "UTC"))
    columns = {"driver_id": np.arange(ROWS), "event_timestamp": at, "value": np.arange(ROWS) * 7}
    return pa.table(columns)


def test_after_a_loss_during_a_run_the_next_run_leaves_no_row_missing(
    redis_server, scene, say, tmp_path, monkeypatch
):
    play = scene(redis_server.url)
    monkeypatch.setenv("PROVENDER_REDIS_URL", redis_server.url)
    online = {"connection_string": f"127.0.0.1:{redis_server.port}"}
    for _ in range(times(1)):
        repo = store(tmp_path / uuid4().hex, project=f"p{uuid4().hex[:8]}", online=online)
        repo.apply([DRIVER, view(write(tmp_path / "rows.parquet", table()))])
        killed = []

        def kill_once(rows, killed=killed):
            if not killed:
                killed.append(time.perf_counter())
                redis_server.kill()
                play.oracle.forget()
                redis_server.start()

        runs = 1
        while True:
            try:
                run(repo, kill_once)
            except Unavailable:
                runs += 1
                continue
            break
        run(repo, kill_once)
        assert store_of(repo.config).count(repo.project) == ROWS
        asked = [{"driver_id": number} for number in range(0, ROWS, 997)]
        found = repo.get_online_features(["stats:value"], asked).to_dict()
        assert found["value"] == [number * 7 for number in range(0, ROWS, 997)]
        play.traffic.steady(time.perf_counter())
    say(play.traffic.report(f"store emptied during a run, whole after {runs} runs", killed[0]))
    only(play.traffic, REFUSED, MISSING)
    assert play.traffic.lost_seconds(killed[0]) < 10


def run(repo, progress):
    """Run as ``materialize_incremental`` would: from where rows are known to be, until noon."""
    engine, applied = repo.provider.batch_engine, repo.get_feature_view("stats")
    task = MaterializationTask(
        project=repo.project,
        feature_view=applied,
        start_time=engine.resume(applied),
        end_time=NOON + timedelta(seconds=1),
    )
    return engine.run(task, progress=progress)
