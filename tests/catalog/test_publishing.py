"""Publishing under stress: many at once, and processes that die in the middle."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from provender.catalog.local import LocalCatalog
from provender.core.errors import InvalidInput
from provender.core.lifecycle import State
from provender.tables.versions import verify_version
from tests.catalog.world import FLIGHTS, HOURLY, Clock, manifest, versions_of
from tests.stress import times

WRITERS = 16


def test_the_same_content_from_many_publishers_is_one_version(governed_url: str):
    def publish(_: int) -> int:
        with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
            return catalog.publish(FLIGHTS, manifest(7)).number

    with ThreadPoolExecutor(WRITERS) as pool:
        assert set(pool.map(publish, range(WRITERS))) == {1}


def test_many_threads_may_share_one_catalog(governed_url: str):
    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        with ThreadPoolExecutor(WRITERS) as pool:
            numbers = pool.map(
                lambda rows: catalog.publish(FLIGHTS, manifest(rows)).number, range(1, 33)
            )
            assert sorted(numbers) == list(range(1, 33))
        assert catalog.resolve(FLIGHTS).number == 32


def test_what_could_not_be_read_again_is_refused_and_leaves_the_catalog_as_it_was(
    governed_url: str,
):
    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        first = catalog.publish(FLIGHTS, manifest(7))
        said: Any = 7
        with pytest.raises(InvalidInput, match="note of DatasetVersion cannot be kept"):
            catalog.publish(FLIGHTS, manifest(8), note=said)
        assert versions_of(catalog, FLIGHTS) == [first]


PUBLISH_FOR_EVER = """
import sys
from itertools import count
from provender.catalog.local import LocalCatalog

from provender.core.lifecycle import State
from provender.tables.versions import verify_version
from tests.catalog.world import FLIGHTS, Clock, manifest

catalog = LocalCatalog(sys.argv[1], actor="person:ops", clock=Clock())
print("ready", flush=True)
for rows in count(int(sys.argv[2])):
    print(catalog.publish(FLIGHTS, manifest(rows)).number, flush=True)
"""


def publisher(url: str, first: int) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOR_EVER, url, str(first)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


TURNS = times(4, calm=2)


def test_a_killed_publisher_leaves_whole_versions_only(governed_url: str):
    """Kills come at growing delays; what was acknowledged is there, and nothing half is."""
    acknowledged = 0
    for turn in range(TURNS):
        process = publisher(governed_url, 1 + 10_000 * turn)
        assert process.stdout is not None
        acknowledged += len(process.stdout.readline().split())
        time.sleep(0.013 * (turn % 12))
        process.send_signal(signal.SIGKILL)
        acknowledged += len(process.stdout.read().split())
        process.stdout.close()
        process.wait()
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        versions = versions_of(catalog, FLIGHTS)
        trail = catalog.records.audit_events(subject=FLIGHTS.dataset, limit=10_000)
        catalog.records.verify_audit()
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert acknowledged <= len(versions) <= acknowledged + TURNS
    published = {event.subject for event in trail if "@" in event.subject}
    assert published == {str(version.ref) for version in versions}
    assert latest_edges(governed_url) == [f"dataset:{versions[-1].ref}"]


def latest_edges(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.scalars(
            text(
                "SELECT u.kind || ':' || u.name FROM edges e JOIN nodes u ON u.id = e.upstream "
                "JOIN nodes d ON d.id = e.downstream "
                "WHERE d.kind = 'dataset' AND d.name = 'aviation.flights'"
            )
        )
        edges = list(found)
    engine.dispose()
    return edges


READERS, READS = 8, times(100, calm=50)
"""Reads of each: 8,000 in all under STRESS=10."""


def test_readers_see_one_version_or_the_next_while_others_publish(governed_url: str):
    def read(_: int) -> list[int]:
        seen: list[int] = []
        with LocalCatalog(governed_url, actor="person:ana", clock=Clock()) as catalog:
            for _ in range(READS):
                release = catalog.release(FLIGHTS)
                assert release.version.manifest.row_count == release.version.number
                assert release.standing.state is State.PUBLISHED
                seen.append(release.version.number)
        return seen

    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.publish(FLIGHTS, manifest(1))
        with ThreadPoolExecutor(READERS) as pool:
            readers = [pool.submit(read, n) for n in range(READERS)]
            for rows in count(2):
                catalog.publish(FLIGHTS, manifest(rows))
                if all(reader.done() for reader in readers):
                    break
            seen = [reader.result() for reader in readers]
    assert all(numbers == sorted(numbers) for numbers in seen)
    assert len({number for numbers in seen for number in numbers}) > 1


PROCESSES, THREADS = 2, 16
VERSIONS = times(5, calm=3)
"""Of each of 32 publishers: 1,600 in all under STRESS=10."""


def test_publishers_in_threads_and_processes_make_contiguous_versions_of_files_that_are_there(
    governed_url: str, tmp_path: Path
):
    lake = tmp_path / "lake"
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        before = catalog.records.verify_audit()
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.catalog.publishers", governed_url, str(lake)),
                *map(str, (THREADS * n, THREADS * (n + 1), VERSIONS)),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
            cwd=Path(__file__).parents[2],
        )
        for n in range(PROCESSES)
    ]
    assert [process.wait() for process in processes] == [0] * PROCESSES
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        assert catalog.records.verify_audit() == before + PROCESSES * THREADS * VERSIONS
        made = [versions_of(catalog, ref) for ref in (FLIGHTS, HOURLY)]
    for versions in made:
        assert [v.number for v in versions] == list(range(1, len(versions) + 1))
    every = [version for versions in made for version in versions]
    assert len(every) == PROCESSES * THREADS * VERSIONS
    assert len({version.manifest.content for version in every}) == len(every)
    for version in every:
        verify_version(lake, version.manifest)


def test_another_version_of_a_dataset_takes_eleven_statements(governed_url: str):
    """What is published all day: same schema, no inputs, by somebody with an office over it.

    One of them asks whether what is known of rules and people still holds.
    """
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN", "SELECT pg_advisory_xact_lock")):
            statements.append(statement)

    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.publish(FLIGHTS, manifest(1))
        event.listen(Engine, "before_cursor_execute", note)
        try:
            assert catalog.publish(FLIGHTS, manifest(2)).number == 2
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert 0 < len(statements) <= 11, statements
