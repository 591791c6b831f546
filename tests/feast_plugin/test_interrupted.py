"""Runs that are killed, and stores that are emptied under them: what is online afterwards is whole."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import FeatureStore
from feast.infra.common.materialization_job import MaterializationTask

from provender.core.errors import Unavailable
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.online import store_of
from provender.online import runs
from provender.online.codec import key_prefix
from provender.online.upkeep import EPOCH, Materialized
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows, store, view, write
from tests.stress import times

COUNT, GROUP = 24_000, 2_000
KILLS = times(12)
END = NOON + HOUR


def source(path: Path) -> str:
    """Write two rows of each driver, the newer ones in an order of their own."""
    driver = np.concatenate([np.arange(COUNT), np.random.default_rng(1).permutation(COUNT)])
    at = np.repeat([int(NOON.timestamp()), int(NOON.timestamp()) + 60], COUNT) * 1_000_000
    table = pa.table(
        {
            "driver_id": driver,
            "event_timestamp": pa.array(at, pa.timestamp("us", "UTC")),
            "value": np.arange(2 * COUNT),
        }
    )
    pq.write_table(table, path, row_group_size=GROUP)
    return str(path)


@pytest.fixture
def repo(tmp_path: Path, valkey: str) -> Iterator[FeatureStore]:
    assert valkey
    made = store(tmp_path / "repo", project=f"p{uuid4().hex[:8]}")
    made.apply([DRIVER, view(source(tmp_path / "rows.parquet"))])
    yield made
    store_of(made.config).delete(made.project)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as opened:
        yield opened


def run(
    repo: FeatureStore, *, progress: Callable[[int], None] | None = None, seconds: float = 0.0
) -> Materialized:
    engine = repo.provider.batch_engine
    assert isinstance(engine, ProvenderEngine)
    engine.checkpoint_seconds = seconds
    task = MaterializationTask(
        project=repo.project,
        feature_view=repo.get_feature_view("stats"),
        start_time=EPOCH,
        end_time=END,
    )
    return engine.run(task, progress=progress)


def stored(client: redis.Redis, project: str) -> dict[bytes, bytes | None]:
    keys = list(client.scan_iter(key_prefix(project, "stats") + b"{*", 10_000))
    return dict(zip(keys, client.mget(keys), strict=True)) if keys else {}


def covered(repo: FeatureStore) -> bool:
    return store_of(repo.config).coverage(repo.project, "stats") is not None


def after(batches: int, act: Callable[[], object], *, again: bool = False) -> Callable[[int], None]:
    """Return a progress function that acts after so many batches, once or every time."""
    seen = 0

    def progress(_: int) -> None:
        nonlocal seen
        seen += 1
        if seen == batches or (again and seen % batches == 0):
            act()

    return progress


def test_a_store_that_is_emptied_under_a_run_is_filled_anew(
    repo: FeatureStore, client: redis.Redis
) -> None:
    done = run(repo, progress=after(7, client.flushall), seconds=60)
    assert len(stored(client, repo.project)) == COUNT
    assert done.restarts == 1
    assert covered(repo)


def test_a_store_that_is_emptied_again_and_again_is_not_said_to_be_covered(
    repo: FeatureStore, client: redis.Redis
) -> None:
    with pytest.raises(
        Unavailable, match="emptied, restarted or failed over while stats was written"
    ):
        run(repo, progress=after(7, client.flushall, again=True), seconds=60)
    assert not covered(repo)
    assert run(repo).written == COUNT


def test_rows_that_are_deleted_under_a_run_are_written_anew(
    repo: FeatureStore, client: redis.Redis
) -> None:
    gone = lambda: store_of(repo.config).delete(repo.project, "stats")  # noqa: E731
    run(repo, progress=after(7, gone), seconds=60)
    assert len(stored(client, repo.project)) == COUNT
    assert covered(repo)


def test_a_failover_under_a_run_starts_it_anew(repo: FeatureStore, client: redis.Redis) -> None:
    """A primary that is promoted, or restarted, has another replication id."""
    lived = store_of(repo.config).state()

    def promote() -> None:
        client.replicaof("127.0.0.1", "1")
        client.replicaof("NO", "ONE")

    done = run(repo, progress=after(7, promote), seconds=60)
    assert store_of(repo.config).state().epoch == lived.epoch
    assert done.restarts == 1
    assert covered(repo)


WORK = """
import os, sys, threading
from pathlib import Path
import provender.feast_plugin
from tests.feast_plugin.plain import store
from tests.feast_plugin import test_interrupted as here

repo = store(Path(sys.argv[1]), project=sys.argv[2])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        left = int(line)
        def wrote(rows):
            global left
            print("wrote", flush=True)
            left -= 1
            if left < 0:
                threading.Event().wait()  # it is about to be killed, and must not end before
        here.run(repo, progress=wrote)
        print("done", flush=True)
        threading.Event().wait()  # its process id is its own until it is killed
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
"""Imports once, then forks a run per line of its input and says when that one ended."""


@contextmanager
def workers(folder: Path, project: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORK, str(folder), project],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said(process: "subprocess.Popen[str]") -> str:
    """Return the next line that is ours: Feast prints, too."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        word = line.strip()
        if word in ("wrote", "done", "ended") or word.isdigit():
            return word
    raise AssertionError("the workers ended")


def work(process: "subprocess.Popen[str]", kill_after: int) -> None:
    """Let a child run, and kill it when it has written so many batches."""
    assert process.stdin is not None
    process.stdin.write(f"{kill_after}\n")
    process.stdin.flush()
    child = int(said(process))
    for _ in range(kill_after):
        assert said(process) == "wrote"
    os.kill(child, signal.SIGKILL)
    while said(process) != "ended":
        pass


def test_a_run_that_is_killed_is_gone_on_with(
    repo: FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    chance = random.Random(7)
    run(repo)
    whole = stored(client, repo.project)
    assert len(whole) == COUNT
    with workers(tmp_path / "repo", repo.project) as process:
        for turn in range(KILLS):
            store_of(repo.config).delete(repo.project)
            batches = 1 + turn % (COUNT // GROUP - 2)
            work(process, batches)
            if chance.random() < 0.3:
                work(process, 1)
            assert not covered(repo)
            done = run(repo)
            assert done.resumed >= (batches - 1) * GROUP  # the last one may not be noted yet
            assert done.read == COUNT - done.resumed
            assert stored(client, repo.project) == whole
            assert covered(repo)
            assert runs.unfinished(store_of(repo.config), repo.project, "stats") is None


def test_what_was_written_is_not_gone_on_with_from_a_file_that_changed(
    repo: FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    stop(repo)
    write(tmp_path / "rows.parquet", rows((1, NOON, 7), (COUNT + 1, NOON, 8)))
    done = run(repo)
    assert (done.resumed, done.written + done.kept) == (0, 2)


def test_a_run_that_ends_later_finishes_the_one_before_first(
    repo: FeatureStore, client: redis.Redis, tmp_path: Path
) -> None:
    stop(repo)
    engine = repo.provider.batch_engine
    assert isinstance(engine, ProvenderEngine)
    task = MaterializationTask(
        project=repo.project,
        feature_view=repo.get_feature_view("stats"),
        start_time=EPOCH,
        end_time=END + HOUR,
    )
    done = engine.run(task)
    assert done.resumed >= 2 * GROUP
    assert done.read == COUNT - done.resumed
    assert len(stored(client, repo.project)) == COUNT
    known = store_of(repo.config).coverage(repo.project, "stats")
    assert known is not None
    assert known.end == END + HOUR


class Stopped(Exception):
    pass


def stop(repo: FeatureStore) -> None:
    """Begin a run and give it up in the midst."""

    def give_up() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        run(repo, progress=after(5, give_up))
