"""Feast's own calls that write rows, of all kinds, through our stores: online, offline, both; sync and async."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.data_source import PushMode
from feast.types import Float64, Int64

from provender.catalog.local import LocalCatalog
from provender.feast_plugin.online import store_of
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.governed import SAM, TRIPS
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, store, write

Write = Callable[[FeatureStore, pd.DataFrame, PushMode], Any]


def pushed(repo: FeatureStore, rows: pd.DataFrame, to: PushMode) -> None:
    repo.push("arrivals", rows, to=to)


def pushed_async(repo: FeatureStore, rows: pd.DataFrame, to: PushMode) -> None:
    async def walk() -> None:
        await repo.push_async("arrivals", rows, to=to)
        await repo.close()

    asyncio.run(walk())


PUSHES = pytest.mark.parametrize("write_rows", [pushed, pushed_async])


@pytest.fixture
def trips(applied: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """A store whose only view is governed; its steward writes."""
    from provender import bootstrap

    monkeypatch.setenv("PROVENDER_ACTOR", SAM)
    bootstrap.settings.cache_clear()
    return FeatureStore(repo_path=str(applied))


@pytest.fixture
def plain(valkey: str, tmp_path: Path) -> Iterator[FeatureStore]:
    """A store whose only view maps the columns of its file to other names."""
    assert valkey
    columns = {"driver": [0], "at": [NOON], "made": [NOON], "val": [0], "rating": [0.5]}
    batch = FileSource(
        path=write(tmp_path / "f.parquet", pd.DataFrame(columns)),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
        field_mapping={
            "driver": "driver_id", "at": "event_timestamp", "made": "created", "val": "value",
        },
    )  # fmt: skip
    view = FeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="value", dtype=Int64),
            Field(name="rating", dtype=Float64),
        ],
        source=PushSource(name="arrivals", batch_source=batch),
    )
    made = store(tmp_path / "repo", project=f"p{uuid4().hex[:8]}")
    made.apply([DRIVER, view])
    yield made
    store_of(made.config).delete(made.project)


def online_value(repo: FeatureStore, view: str, driver: int) -> Any:
    found = repo.get_online_features([f"{view}:value"], [{"driver_id": driver}]).to_dict()
    return found["value"][0]


@PUSHES
def test_a_push_goes_where_its_mode_says(
    trips: FeatureStore, catalog: LocalCatalog, write_rows: Write, settings: Settings
) -> None:
    ana = settings  # whoever pushes need not be who looks up
    modes = [PushMode.ONLINE, PushMode.OFFLINE, PushMode.ONLINE_AND_OFFLINE]
    for driver, mode in enumerate(modes, start=10):
        write_rows(trips, governed.rows((driver, 5, driver)).to_pandas(), mode)
    version = catalog.resolve(TRIPS)
    assert (version.number, version.manifest.row_count) == (4, 5)
    files = [ana.lake / version.manifest.location / f.path for f in version.manifest.files]
    there = {row for file in files for row in pq.read_table(file)["driver_id"].to_pylist()}
    assert there & {10, 11, 12} == {11, 12}
    assert store_of(trips.config).count("trips", "trips") == 2


@PUSHES
def test_mapped_columns_are_pushed_by_the_names_that_feast_wants(
    plain: FeatureStore, tmp_path: Path, write_rows: Write
) -> None:
    source = pd.DataFrame(
        {"driver": [7], "at": [NOON], "made": [NOON + HOUR], "val": [70], "rating": [0.25]}
    )
    write_rows(plain, source, PushMode.OFFLINE)
    table = pq.read_table(tmp_path / "f.parquet")
    assert table["val"].to_pylist() == [0, 70]
    assert table["at"].to_pylist() == [NOON, NOON]
    assert online_value(plain, "stats", 7) is None


@PUSHES
def test_a_part_of_a_frame_is_pushed_without_its_row_numbers(
    trips: FeatureStore, catalog: LocalCatalog, write_rows: Write
) -> None:
    frame = governed.rows((20, 5, 1), (21, 5, 2), (22, 5, 3)).to_pandas()
    write_rows(trips, frame[frame["driver_id"] > 20], PushMode.ONLINE_AND_OFFLINE)
    version = catalog.resolve(TRIPS)
    assert (version.number, version.manifest.row_count) == (3, 5)
    assert version.manifest.schema.names == catalog.resolve(TRIPS.at(2)).manifest.schema.names
    assert store_of(trips.config).count("trips", "trips") == 2


def test_rows_are_written_to_one_view_sync_and_async(plain: FeatureStore) -> None:
    def rows(value: int, hours: int) -> pd.DataFrame:
        at = NOON + timedelta(hours=hours)
        return pd.DataFrame(
            {
                "driver_id": [1],
                "event_timestamp": [at],
                "created": [at],
                "value": [value],
                "rating": [0.5],
            }
        )

    async def walk() -> None:
        await plain.write_to_online_store_async("stats", rows(2, 1))
        await asyncio.gather(
            *(plain.write_to_online_store_async("stats", rows(n, n)) for n in (5, 3, 4))
        )
        await plain.close()

    plain.write_to_online_store("stats", rows(1, 0))
    assert online_value(plain, "stats", 1) == 1
    asyncio.run(walk())
    assert online_value(plain, "stats", 1) == 5
    plain.write_to_online_store("stats", inputs=rows(9, 9).to_dict("list"))
    assert online_value(plain, "stats", 1) == 9
    plain.write_to_online_store("stats", rows(8, 8))
    assert online_value(plain, "stats", 1) == 9, "an older row never overwrites"
