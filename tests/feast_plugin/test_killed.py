"""`to_parquet` is killed at points all over: the file is the old or the new one, whole.

What else is left is named by `fsck`'s sweep, also beside the file, and removed by it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.tables.upkeep import Finding, Kind, sweep
from tests.stress import times

KILLS = times(2)
ROWS = 200_000
WORK = """
import os, sys, threading
from pathlib import Path
from provender.feast_plugin.offline import ProvenderOfflineStore
from feast import Entity, FeatureStore, FeatureView, FileSource, RepoConfig, ValueType

folder = Path(sys.argv[1])
config = RepoConfig(
    project="p", registry=str(folder / "registry.db"), provider="local", online_store=None,
    offline_store={
        "type": "provender.feast_plugin.offline.ProvenderOfflineStore",
        "temp_directory": str(folder / "spill"), "memory_limit": "100MB",
    },
    repo_path=folder, entity_key_serialization_version=3,
)
store = FeatureStore(config=config)
source = FileSource(path=str(folder / "rows.parquet"), timestamp_field="at")
key = Entity(name="key", value_type=ValueType.INT64)
store.apply([key, FeatureView(name="view", entities=[key], source=source)])

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        job = store.get_historical_features(str(folder / f"spine-{line.strip()}.parquet"), ["view:x"])
        print("ready", flush=True)
        job.to_parquet(folder / "out" / "set.parquet", allow_overwrite=True)
        print("done", flush=True)
        threading.Event().wait()  # its process id is its own until it is killed
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
"""Imports once, then forks a writer per line of its input and says when that one ended."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("killed")
    chance = np.random.default_rng(3)
    at = pa.array(chance.integers(0, 10**12, ROWS), pa.timestamp("us", "UTC"))
    keys = chance.integers(0, 1_000, ROWS)
    rows = pa.table({"key": keys, "at": at, "x": chance.normal(size=ROWS)})
    pq.write_table(rows, made / "rows.parquet")
    for number in range(2):
        spine = pa.table({"key": keys, "event_timestamp": at, "number": np.full(ROWS, number)})
        pq.write_table(spine, made / f"spine-{number}.parquet")
    (made / "out").mkdir()
    return made


@contextmanager
def writers(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORK, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write(process: subprocess.Popen[str], number: int, kill_after: float | None) -> float:
    """Let a child write spine ``number``, and kill it ``kill_after`` it was ready; return what it took."""
    assert process.stdin is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    child = int(said(process))
    assert said(process) == "ready"
    began = time.monotonic()
    if kill_after is None:
        assert said(process) == "done"
    else:
        time.sleep(kill_after)
    took = time.monotonic() - began
    os.kill(child, signal.SIGKILL)
    while said(process) != "ended":
        pass
    return took


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that is ours: Feast prints, too."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        word = line.strip()
        if word in ("ready", "done", "ended") or word.isdigit():
            return word
    raise AssertionError("the writers ended")


def found(folder: Path, *, clean: bool) -> list[Finding]:
    lake = folder / "lake"
    lake.mkdir(exist_ok=True)
    return sweep(lake, [folder / "spill"], list, clean=clean)


def test_a_killed_to_parquet_leaves_the_old_or_the_new_file_and_nothing_unnamed(
    folder: Path,
) -> None:
    chance = random.Random(11)
    target = folder / "out" / "set.parquet"
    with writers(folder) as process:
        whole = write(process, 0, None)
        for turn in range(KILLS):
            write(process, 1, whole * chance.uniform(turn, turn + 1) / KILLS)
            numbers = pq.read_table(target).column("number").to_pylist()
            assert len(numbers) == ROWS
            assert set(numbers) in ({0}, {1})
            named = {finding.path for finding in found(folder, clean=False)}
            beside = {path for path in target.parent.iterdir() if path != target}
            assert beside <= named
            left = found(folder, clean=True)
            assert all(finding.kind is Kind.ORPHAN and finding.removed for finding in left)
            assert list(target.parent.iterdir()) == [target]
            assert found(folder, clean=False) == []
        write(process, 1, None)
        assert set(pq.read_table(target).column("number").to_pylist()) == {1}
        assert found(folder, clean=False) == []
