"""Publishing under stress: many at once, and processes that die in the middle."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, text

from provender.catalog.local import LocalCatalog
from tests.catalog.world import FLIGHTS, HOURLY, Clock, manifest
from tests.stress import times

WRITERS = 16
EACH = 6


def publish_many(url: str, writer: int) -> list[str]:
    """Half of what a writer publishes goes to a dataset that all share."""
    mine = (FLIGHTS, HOURLY)[writer % 2]
    with LocalCatalog(url, actor="person:ops", clock=Clock()) as catalog:
        made = [
            catalog.publish(FLIGHTS if n % 2 else mine, manifest(1000 * writer + n))
            for n in range(1, EACH + 1)
        ]
    return [str(version.ref) for version in made]


def test_many_publishers_make_contiguous_versions_and_a_gapless_trail(governed_url: str):
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        before = catalog.verify_audit()
    with ThreadPoolExecutor(WRITERS) as pool:
        made = [
            r
            for refs in pool.map(publish_many, [governed_url] * WRITERS, range(WRITERS))
            for r in refs
        ]
    assert len(set(made)) == WRITERS * EACH
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        total = 0
        for ref in (FLIGHTS, HOURLY):
            numbers = [version.number for version in catalog.versions(ref)]
            assert numbers == list(range(1, len(numbers) + 1))
            total += len(numbers)
        assert total == WRITERS * EACH
        assert catalog.verify_audit() == before + total


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


PUBLISH_FOR_EVER = """
import sys
from itertools import count
from provender.catalog.local import LocalCatalog

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


def test_a_killed_publisher_leaves_whole_versions_only(governed_url: str):
    """Kills come at growing delays; what was acknowledged is there, and nothing half is."""
    acknowledged = 0
    for turn in range(times(4)):
        process = publisher(governed_url, 1 + 10_000 * turn)
        assert process.stdout is not None
        acknowledged += len(process.stdout.readline().split())
        time.sleep(0.013 * (turn % 12))
        process.send_signal(signal.SIGKILL)
        acknowledged += len(process.stdout.read().split())
        process.stdout.close()
        process.wait()
    with LocalCatalog(governed_url, actor="person:gov") as catalog:
        versions = catalog.versions(FLIGHTS)
        trail = catalog.audit_events(subject=FLIGHTS.dataset, limit=10_000)
        catalog.verify_audit()
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert acknowledged <= len(versions) <= acknowledged + times(4)
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


def test_readers_see_one_version_or_the_next_while_others_publish(governed_url: str):
    stop = False

    def read(_: int) -> list[int]:
        seen: list[int] = []
        with LocalCatalog(governed_url, actor="person:ana", clock=Clock()) as catalog:
            while not stop:
                version = catalog.resolve(FLIGHTS)
                assert version.manifest.row_count == version.number
                seen.append(version.number)
        return seen

    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.publish(FLIGHTS, manifest(1))
        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read, n) for n in range(4)]
            for rows in range(2, 20):
                catalog.publish(FLIGHTS, manifest(rows))
            stop = True
            for reader in readers:
                seen = reader.result()
                assert seen == sorted(seen)
