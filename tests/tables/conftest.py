from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.names import DatasetRef
from provender.core.training import Table
from provender.tables import format_for
from provender.tables.session import session

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "the 'lake' é x=1"


@pytest.fixture
def declare() -> Callable[..., Dataset]:
    def declare(fmt: Format, *, event_timestamp: str | None = "event_timestamp") -> Dataset:
        return Dataset(
            ref=DatasetRef("aviation", f"weather_{fmt}"),
            description="Weather by the hour.",
            owner="team:flight-ops",
            format=fmt,
            event_timestamp=event_timestamp,
        )

    return declare


@pytest.fixture
def weather() -> Callable[..., pa.Table]:
    def weather(rows: int = 5, *, offset: float = 0.0) -> pa.Table:
        return pa.table(
            {
                "origin": pa.array([["EWR", "JFK", "LGA"][n % 3] for n in range(rows)]),
                "event_timestamp": pa.array(
                    [NOON + timedelta(hours=n) for n in range(rows)], pa.timestamp("us", "UTC")
                ),
                "temp": pa.array([n / 3 + offset if n % 4 else None for n in range(rows)]),
            }
        )

    return weather


@pytest.fixture
def read() -> Callable[[Path, Manifest], pa.Table]:
    def read(root: Path, manifest: Manifest) -> pa.Table:
        version = DatasetVersion(
            ref=DatasetRef("aviation", "weather", 1),
            manifest=manifest,
            published_at=NOON,
            published_by="person:ana",
        )
        table = Table.of(version)
        with session() as connection:
            relation = format_for(table.format).relation(table, root, connection)
            relation.create_view("stored")
            return connection.sql("FROM stored").to_arrow_table()

    return read
