"""`optimize` and `offline_write_batch` are killed at points all over: there is the old or the new version.

What else is left is named by `fsck`, and removed by it; then the same work is done to its end.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from provender import bootstrap
from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from provender.tables.rows import logical_digest
from provender.tables.upkeep import Kind
from tests.stress import times

KILLS = times(2)
ROWS, ADDED = times(15_000), times(5_000)
ME = "person:ana"
GOVERNANCE = Governance(
    domains=(Domain(name="a", owner=ME),),
    people=(Person(id=ME),),
    purposes={"training": ""},
    rules=(Rule(id="all", actors=(ME,), actions=tuple(Action)),),
    datasets=tuple(
        Dataset(
            ref=DatasetRef("a", str(fmt)),
            description="Rows.",
            owner=ME,
            format=fmt,
            event_timestamp="t",
        )
        for fmt in (Format.PARQUET, Format.DELTA)
    ),
)
WORK = """
import os, signal, sys
from feast import Entity, FeatureView, RepoConfig, ValueType
from provender.feast_plugin.offline import ProvenderOfflineStore
from provender.feast_plugin.source import CatalogSource
from provender.sdk import connect
from tests.tables.test_crash_offline import ADDED, ROWS, table

def config():
    return RepoConfig(
        project="p",
        registry=os.path.join(os.environ["PROVENDER_HOME"], "registry.db"),
        provider="local",
        offline_store={"type": "provender.feast_plugin.offline.ProvenderOfflineStore"},
        online_store=None,
        entity_key_serialization_version=3,
    )

def optimize(seed, fmt):
    with connect() as workspace:
        workspace.publish(f"a.{fmt}", table(ROWS, seed))
        print("ready", flush=True)
        workspace.optimize(f"a.{fmt}", keys=["k"])

def append(seed, fmt):
    source = CatalogSource(dataset=f"a.{fmt}", timestamp_field="t")
    view = FeatureView(name="v", entities=[Entity(name="k", value_type=ValueType.INT64)], source=source)
    rows = table(ADDED, seed)
    print("ready", flush=True)
    ProvenderOfflineStore.offline_write_batch(config(), view, rows, None)

for line in sys.stdin:
    work, seed, fmt, home = line.split(maxsplit=3)
    child = os.fork()
    if child == 0:
        os.environ["PROVENDER_HOME"] = home.rstrip()
        {"optimize": optimize, "append": append}[work](int(seed), fmt)
        print("done", flush=True)
        signal.pause()  # its process id is its own until it is killed
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
"""Imports once, then forks a worker per line of its input and says when that one ended."""


def table(rows: int, seed: int) -> pa.Table:
    numbers = [(n * 7919 + seed) % 1_000_003 for n in range(rows)]
    return pa.table(
        {
            "k": pa.array([n % 997 for n in numbers], pa.int64()),
            "t": pa.array([n * 1_000_000 for n in numbers], pa.timestamp("us", "UTC")),
            "x": pa.array([n / 7 for n in numbers], pa.float64()),
        }
    )


@pytest.fixture(scope="module")
def forking() -> Iterator["subprocess.Popen[str]"]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PROVENDER_")}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PROVENDER_ACTOR": ME},
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


def work(
    forking: "subprocess.Popen[str]", home: Path, task: str, *, kill_after: float | None
) -> tuple[bool, float]:
    """Return whether ``task`` was done before it was killed, and after how many seconds that was."""
    assert forking.stdin is not None
    assert forking.stdout is not None
    print(task, home, file=forking.stdin, flush=True)
    child = int(forking.stdout.readline())
    assert forking.stdout.readline() == "ready\n"
    started = time.monotonic()
    line = ""
    if kill_after is None:
        line = forking.stdout.readline()
    else:
        time.sleep(kill_after)
    took = time.monotonic() - started
    os.kill(child, signal.SIGKILL)
    line = line or forking.stdout.readline()
    if done := line == "done\n":
        line = forking.stdout.readline()
    assert line == "ended\n"
    return done, took


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    settings = Settings(home=home, actor=ME, purpose="training")  # type: ignore[call-arg]
    with bootstrap.catalog(settings) as catalog:
        catalog.desk.apply(GOVERNANCE)
    with Workspace(settings) as workspace:
        yield workspace


def clean(workspace: Workspace) -> int:
    """Return how many orphans there were; now there are none, and no version is damaged."""
    named = workspace.fsck().findings
    assert {finding.kind for finding in named} <= {Kind.ORPHAN}, named
    removed = workspace.fsck(remove=True).findings
    assert {finding.path for finding in removed} == {finding.path for finding in named}
    assert workspace.fsck(again=True).findings == ()
    return len(named)


def test_a_killed_optimize_leaves_the_old_or_the_new_version(
    workspace: Workspace, home: Path, forking: "subprocess.Popen[str]"
) -> None:
    chance, orphans, in_the_act = random.Random(11), 0, 0
    done, duration = work(forking, home, "optimize 1 parquet", kill_after=None)
    assert done
    for kill in range(KILLS):
        seed = kill + 2
        moment = 0.9 * duration * (kill + chance.random()) / KILLS
        done, _ = work(forking, home, f"optimize {seed} parquet", kill_after=moment)
        in_the_act += not done
        latest = workspace.version("a.parquet")
        assert (latest.manifest.layout is not None) or not done
        assert latest.manifest.row_count == ROWS
        orphans += clean(workspace)
        rows = workspace.read("a.parquet")
        assert logical_digest(rows) == logical_digest(table(ROWS, seed))
        assert workspace.optimize("a.parquet", keys=["k"]).manifest.layout is not None
        assert clean(workspace) == 0
    assert in_the_act
    assert orphans


@pytest.mark.parametrize("fmt", ["parquet", "delta"])
def test_a_killed_offline_write_batch_leaves_the_old_or_the_new_version(
    workspace: Workspace, home: Path, forking: "subprocess.Popen[str]", fmt: str
) -> None:
    chance, in_the_act, batches = random.Random(13), 0, 1
    name = f"a.{fmt}"
    workspace.publish(name, table(ROWS, 1))
    done, duration = work(forking, home, f"append 1 {fmt}", kill_after=None)
    assert done
    for kill in range(KILLS):
        moment = 0.9 * duration * (kill + chance.random()) / KILLS
        before = workspace.version(name)
        done, _ = work(forking, home, f"append {kill + 2} {fmt}", kill_after=moment)
        latest = workspace.version(name)
        arrived = latest.number - before.number
        assert arrived in (0, 1)
        assert arrived or not done
        in_the_act += not arrived
        batches += arrived
        clean(workspace)
        rows = workspace.read(name)
        assert rows.num_rows == latest.manifest.row_count == ROWS + batches * ADDED
        assert logical_digest(rows) == latest.manifest.logical_digest
        done, duration = work(forking, home, f"append {kill + 2_000} {fmt}", kill_after=None)
        assert done
        batches += 1
        assert clean(workspace) == 0
        assert workspace.version(name).manifest.row_count == ROWS + batches * ADDED
    assert in_the_act
