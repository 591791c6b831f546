"""Readers while versions are published and their data goes: each read is of one version, whole (T8)."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from provender.catalog.local import LocalCatalog
from provender.core.datasets import DatasetVersion, Format
from provender.core.errors import Corrupt, Gone, NotFound, Unavailable
from provender.core.names import DatasetRef
from provender.core.retention import Retention
from provender.core.training import Table
from provender.sdk import connect
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from provender.tables import format_for
from provender.tables.session import session
from tests.catalog.world import FLIGHTS, NOW, declared, governing, permitted, training_set
from tests.stress import times

READERS = 8
READS = 63
"""Of each reader; in both databases and both formats 20,000 in all with STRESS=10."""
ROWS = 200


def rows(number: int) -> pa.Table:
    """Rows that all say which version they are of."""
    at = pa.array([NOW] * ROWS, pa.timestamp("us", tz="UTC"))
    return pa.table({"event_timestamp": at, "arr_delay": pa.array([float(number)] * ROWS)})


@pytest.fixture(params=["parquet", "delta"])
def settings(request: pytest.FixtureRequest, governed_url: str, tmp_path: Path) -> Settings:
    said = replace(
        declared(FLIGHTS),
        format=Format(request.param),
        column_tags={},
        column_descriptions={},
        tags=(),
    )
    with LocalCatalog(governed_url, actor="person:gov") as gov:
        gov.desk.apply(governing(said))
    return Settings(
        home=tmp_path / "home", catalog_url=governed_url, actor="person:ops", purpose="report"
    )


def test_each_read_is_of_one_version_while_versions_are_published_and_go(settings: Settings):
    seen: Counter[str] = Counter()
    reading = threading.Event()
    with connect(settings=settings) as workspace:
        pinned = workspace.publish("aviation.flights", rows(1)).ref
        with LocalCatalog(settings.database_url, actor="person:ana") as ana:
            ana.record(training_set(pinned, by="person:ana", decision=permitted(ana, pinned)))
        workspace.publish("aviation.flights", rows(2))
        workspace.catalog.desk.retention(
            FLIGHTS, Retention(keep_versions=1), expected=None, dry_run=False
        )
        reading.set()
        with ThreadPoolExecutor(READERS + 1) as pool:
            turned = pool.submit(turn, workspace, reading)
            readers = [
                pool.submit(read, workspace, pinned if number == 0 else FLIGHTS, times(READS), seen)
                for number in range(READERS)
            ]
            try:
                for reader in readers:
                    reader.result()
            finally:
                reading.clear()
            published = turned.result()
        assert sum(seen.values()) == READERS * times(READS)
        assert seen["pinned"] == times(READS)
        assert seen["whole"] > seen["gone"]
        assert workspace.read(str(pinned)).column("arr_delay").to_pylist() == [1.0] * ROWS
        (last, *_) = workspace.catalog.finder.releases(FLIGHTS).items
        assert last.version.number == published + 2
    with connect(settings=settings.model_copy(update={"actor": "person:gov"})) as gov:
        report = gov.fsck()
        assert (report.faults, report.findings) == ((), ())


def turn(workspace: Workspace, reading: threading.Event) -> int:
    """Publish versions and let older ones go, as long as there are readers; return how many."""
    published = 0
    while reading.is_set():
        published += 1
        workspace.publish("aviation.flights", rows(published + 2), profile=False)
        workspace.expire("aviation.flights")
    return published


def read(workspace: Workspace, ref: DatasetRef, reads: int, seen: Counter[str]) -> None:
    with session() as connection:
        for _ in range(reads):
            version = workspace.catalog.resolve(ref)
            try:
                found = rows_of(workspace, version, connection)
            except (Corrupt, NotFound, Unavailable):
                with pytest.raises(Gone):  # went between the answer and the first byte
                    workspace.catalog.resolve(version.ref)
                assert ref.version is None
                seen["gone"] += 1
                continue
            assert found == [float(version.number)] * ROWS
            seen["pinned" if ref.version else "whole"] += 1


def rows_of(
    workspace: Workspace, version: DatasetVersion, connection: duckdb.DuckDBPyConnection
) -> list[float]:
    table = Table.of(version)
    relation = format_for(table.format).relation(table, workspace.settings.lake, connection)
    return [value for (value,) in relation.project("arr_delay").fetchall()]
