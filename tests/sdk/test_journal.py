"""The journal of lookups: nothing acknowledged is lost, nothing is told twice, wherever it is killed."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from provender.catalog import audit, lookups
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.core.audit import EventKind
from provender.core.errors import Unavailable
from provender.core.merkle import leaf_hash, root_of
from provender.online.journal import Journal, JournalFolder, read_journal, summed
from provender.online.spool import whole_lines
from provender.sdk.journal import settle
from tests.catalog.conftest import empty_postgres, empty_sqlite, trail_url
from tests.catalog.world import Clock
from tests.postgres import postgres
from tests.stress import times

__all__ = ["empty_postgres", "empty_sqlite", "postgres", "trail_url"]


@pytest.fixture
def folder(tmp_path: Path) -> JournalFolder:
    return JournalFolder(tmp_path / "journal")


@pytest.fixture
def door(trail_url: str) -> Iterator[Door]:
    engine = open_database(trail_url)
    yield Door(engine, actor="service:online", clock=Clock())
    engine.dispose()


def told(door: Door) -> list[dict[str, object]]:
    with transaction(door.engine) as db:
        found = audit.events(db, kind=EventKind.LOOKUPS_RECORD, limit=1000)
        return [event.detail for event in found]


def kept(folder: JournalFolder) -> list[int]:
    """The numbers of all decisions that are in settled segments."""
    paths = sorted((folder.path / "kept").glob("*.seg"))
    return [one["n"] for path in paths for batch in read_journal(path) for one in batch]


def test_decisions_of_many_threads_are_few_batches_each_within_its_time(folder: JournalFolder):
    journal = Journal(folder.path)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda n: journal.add({"n": n}), range(200)))
    wait(futures)
    assert time.monotonic() - begun < 5
    journal.close()
    (segment,) = folder.segments()
    found = summed(segment)
    assert found.decisions == 200
    assert found.batches <= 20
    assert sorted(one["n"] for batch in read_journal(segment) for one in batch) == list(range(200))


def test_a_settled_segment_is_an_event_with_its_count_and_root(folder: JournalFolder, door: Door):
    journal = Journal(folder.path, seconds=0)
    for number in range(3):
        journal.add({"n": number}).result(10)
    journal.close()
    journal.close()
    (segment,) = folder.segments()
    leaves = [leaf_hash(line) for line in whole_lines(segment.read_bytes())]
    assert settle(folder, door) == 3
    assert told(door) == [{"decisions": 3, "batches": 3, "root": f"sha256:{root_of(leaves).hex()}"}]
    assert kept(folder) == [0, 1, 2]
    assert settle(folder, door) == 0
    with pytest.raises(Unavailable, match="closed"):
        journal.add({"n": 4})


def test_what_was_told_before_it_was_moved_is_not_told_again(folder: JournalFolder, door: Door):
    journal = Journal(folder.path)
    journal.add({"n": 1}).result(10)
    journal.close()
    (segment,) = folder.segments()
    found = summed(segment)
    lookups.record(door, found.name, decisions=1, batches=1, root=found.root)  # and was killed here
    assert settle(folder, door) == 0
    assert len(told(door)) == 1
    assert kept(folder) == [1]


def test_a_segment_that_is_being_written_is_left_alone_and_a_large_one_followed(
    folder: JournalFolder, door: Door
):
    journal = Journal(folder.path, seconds=0, segment_bytes=1)
    for number in range(3):
        journal.add({"n": number}).result(10)
    assert settle(folder, door) == 2
    assert kept(folder) == [0, 1]
    journal.close()
    assert settle(folder, door) == 1
    assert kept(folder) == [0, 1, 2]


def test_what_cannot_be_written_is_not_acknowledged_and_the_next_is(folder: JournalFolder):
    folder.path.parent.mkdir(exist_ok=True)
    folder.path.write_text("no folder")
    journal = Journal(folder.path)
    with pytest.raises(Unavailable, match="cannot be written"):
        journal.add({"n": 1}).result(10)
    folder.path.unlink()
    journal.add({"n": 2}).result(10)
    with pytest.raises(Unavailable, match="not JSON serializable"):
        journal.add({"n": object()}).result(10)
    journal.close()
    assert [
        one["n"] for path in folder.segments() for batch in read_journal(path) for one in batch
    ] == [2]


def test_a_batch_that_was_torn_is_none_and_an_empty_segment_goes(folder: JournalFolder, door: Door):
    journal = Journal(folder.path)
    journal.add({"n": 1}).result(10)
    journal.close()
    (segment,) = folder.segments()
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[:-3])
    segment.with_name("0-torn.seg").write_bytes(whole[:-1])
    assert settle(folder, door) == 1
    assert kept(folder) == [1]
    assert folder.segments() == []


def test_a_full_disk_acknowledges_nothing_that_is_not_there(folder: JournalFolder):
    with run_writer(folder, "full") as done:
        acknowledged = [int(line) for line in done.stdout.read().split()]
    assert done.returncode == 0
    folder.adopt()
    there = [
        one["n"] for path in folder.segments() for batch in read_journal(path) for one in batch
    ]
    assert set(acknowledged) == set(there)
    assert 0 < len(there) < 400


@pytest.mark.parametrize("turn", range(times(3)))
def test_a_killed_server_loses_nothing_that_it_acknowledged(
    folder: JournalFolder, door: Door, turn: int
):
    with run_writer(folder, "endless") as writer:
        first = writer.stdout.readline()
        time.sleep(random.Random(turn).random() * 0.4)
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]  # a line that was torn is no answer
    acknowledged = [int(line) for line in (first, *rest) if line.strip()]
    settle(folder, door)
    settle(folder, door)
    there = kept(folder)
    assert len(there) == len(set(there))
    assert set(acknowledged) <= set(there)
    assert sum(int(one["decisions"]) for one in told(door)) == len(there)


def run_writer(folder: JournalFolder, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sdk.test_journal", str(folder.path), how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def write(path: Path, how: str) -> None:
    """Add numbers from several threads, and print each when it is acknowledged."""
    if how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    journal = Journal(path, seconds=0.005)

    def add(number: int) -> None:
        try:
            journal.add({"n": number, "of": "x" * 20}).result(30)
        except Unavailable:
            return
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(400 if how == "full" else 1_000_000)))
    journal.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
