"""Plain Feast on files of every format, here and in object storage: applied, inferred, retrieved."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from feast import FeatureStore, FeatureView, Field, FileSource
from feast.data_format import DeltaFormat, ParquetFormat
from feast.data_source import DataSource
from feast.types import Int64, String

from provender.core.errors import Denied, InvalidInput, NotFound
from provender.feast_plugin.tables import TableSource
from provender.settings import Settings
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, store
from tests.tables.files import WRITERS, Writer
from tests.tables.icebergs import catalog, create
from tests.tables.s3 import Server, s3_server

ROWS = pa.table(
    {
        "driver_id": [1, 1, 2],
        "event_timestamp": pa.array(
            [NOON - 2 * HOUR, NOON - HOUR, NOON + HOUR], pa.timestamp("us", "UTC")
        ),
        "value": [10, 11, 20],
        "name": ["a", "b", "c"],
    }
)
SPINE = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": [NOON, NOON]})
EXPECTED = [(1, 11, "b"), (2, None, None)]


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with s3_server() as running:
        yield running


def apply(repo: FeatureStore, source: DataSource, *, inferred: bool = False) -> None:
    schema = [
        Field(name="driver_id", dtype=Int64),
        Field(name="value", dtype=Int64),
        Field(name="name", dtype=String),
    ]
    view = FeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=None if inferred else schema,
        source=source,
    )
    repo.apply([DRIVER, view])


def answers(repo: FeatureStore) -> list[tuple[Any, ...]]:
    job = repo.get_historical_features(SPINE, ["stats:value", "stats:name"])
    rows = job.to_arrow().sort_by("driver_id").to_pylist()
    return [(row["driver_id"], row["value"], row["name"]) for row in rows]


def source(path: object, **options: Any) -> TableSource:
    return TableSource(path=str(path), timestamp_field="event_timestamp", **options)


@pytest.mark.parametrize("writer", WRITERS, ids=str)
@pytest.mark.parametrize("kind", [FileSource, TableSource])
def test_a_file_is_applied_inferred_and_retrieved(
    repo: FeatureStore, tmp_path: Path, writer: Writer, kind: type
) -> None:
    path = writer.write(ROWS, tmp_path / f"rows{writer.suffix}")
    named = kind(name="rows", path=str(path), timestamp_field="event_timestamp")
    apply(repo, named, inferred=True)
    fields = {f.name: f.dtype for f in repo.get_feature_view("stats").schema}
    assert fields == {"driver_id": Int64, "value": Int64, "name": String}
    assert answers(repo) == EXPECTED
    assert answers(store(tmp_path / "repo")) == EXPECTED  # from the registry


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_a_folder_is_in_the_format_of_its_files(
    repo: FeatureStore, tmp_path: Path, writer: Writer
) -> None:
    writer.write(ROWS.slice(0, 1), tmp_path / "rows" / f"1{writer.suffix}")
    writer.write(ROWS.slice(1), tmp_path / "rows" / "deep" / f"2{writer.suffix}")
    apply(repo, FileSource(path=str(tmp_path / "rows"), timestamp_field="event_timestamp"))
    assert answers(repo) == EXPECTED


def test_partitions_are_columns_and_prune(repo: FeatureStore, tmp_path: Path) -> None:
    pq.write_to_dataset(ROWS, tmp_path / "rows", partition_cols=["name"])
    apply(repo, FileSource(path=str(tmp_path / "rows"), timestamp_field="event_timestamp"))
    assert answers(repo) == EXPECTED


def test_relative_paths_belong_to_the_repository(repo: FeatureStore, tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "repo" / "rows.parquet")
    apply(repo, source("rows.parquet"))
    assert answers(repo) == EXPECTED


def test_delta_is_read_at_its_latest_version_or_the_one_that_is_named(
    repo: FeatureStore, tmp_path: Path
) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    write_deltalake(tmp_path / "t", ROWS.slice(0, 1), mode="overwrite")
    latest = [(1, 10, "a"), (2, None, None)]
    for named, expected in (
        (FileSource(path=str(tmp_path / "t"), timestamp_field="event_timestamp"), latest),
        (source(tmp_path / "t"), latest),
        (source(tmp_path / "t", snapshot=0), EXPECTED),
        (source(tmp_path / "t", snapshot="0", format="delta"), EXPECTED),
    ):
        apply(repo, named)
        assert answers(repo) == expected


def test_iceberg_is_read_at_its_latest_snapshot_or_the_one_that_is_named(
    repo: FeatureStore, tmp_path: Path
) -> None:
    place = tmp_path / "house" / "t"
    with catalog(place.parent) as made:
        table = create(made, place, ROWS.slice(0, 1))
        first = table.current_snapshot()
        assert first is not None
        table.append(ROWS.slice(1))
    for named, expected in (
        (FileSource(path=str(place), timestamp_field="event_timestamp"), EXPECTED),
        (source(table.metadata_location), EXPECTED),
        (source(place, snapshot=first.snapshot_id), [(1, 10, "a"), (2, None, None)]),
    ):
        apply(repo, named, inferred=True)
        assert answers(repo) == expected


@pytest.mark.parametrize("suffix", [".parquet", ".avro", ".csv"])
def test_files_in_object_storage_are_read_by_plain_feast_sources(
    repo: FeatureStore, tmp_path: Path, server: Server, suffix: str
) -> None:
    writer = next(writer for writer in WRITERS if writer.suffix == suffix)
    url = server.put(f"f/rows{suffix}", writer.write(ROWS, tmp_path / "x").read_bytes())
    plain = FileSource(path=url, timestamp_field="event_timestamp", s3_endpoint_override=server.url)
    for named in (plain, source(url, s3_endpoint_override=server.url)):
        apply(repo, named, inferred=True)
        assert answers(repo) == EXPECTED


def test_delta_in_object_storage_is_read_by_a_plain_feast_source(
    repo: FeatureStore, tmp_path: Path, server: Server
) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    plain = FileSource(
        path=server.put_folder(tmp_path / "t", "delta"),
        timestamp_field="event_timestamp",
        file_format=DeltaFormat(),
        s3_endpoint_override=server.url,
    )
    apply(repo, plain, inferred=True)
    assert answers(repo) == EXPECTED


def test_what_a_table_source_cannot_be_is_said_when_it_is_made() -> None:
    with pytest.raises(InvalidInput, match="'parket' is not a format") as caught:
        source("x", format="parket")
    assert "parquet" in caught.value.hint
    with pytest.raises(InvalidInput, match="names no event timestamp"):
        TableSource(path="x", timestamp_field="")


def test_validation_names_what_is_missing(repo: FeatureStore, tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "x.parquet")
    validate = repo.provider.offline_store.validate_data_source
    validate(repo.config, source(tmp_path / "x.parquet"))
    wrong = TableSource(path=str(tmp_path / "x.parquet"), timestamp_field="moment")
    with pytest.raises(InvalidInput, match="has no column 'moment'"):
        validate(repo.config, wrong)
    with pytest.raises(NotFound):
        validate(repo.config, source(tmp_path / "none.parquet"))


def test_a_source_says_another_format_than_its_name_tells(
    repo: FeatureStore, tmp_path: Path
) -> None:
    pq.write_table(ROWS, tmp_path / "rows.csv")
    apply(repo, source(tmp_path / "rows.csv", format="parquet"))
    assert answers(repo) == EXPECTED
    plain = FileSource(
        path=str(tmp_path / "rows.csv"),
        timestamp_field="event_timestamp",
        file_format=ParquetFormat(),
    )
    apply(repo, plain)
    assert answers(repo) == EXPECTED


def test_rows_are_appended_to_no_file_of_another_format(repo: FeatureStore, tmp_path: Path) -> None:
    writer = next(writer for writer in WRITERS if writer.suffix == ".csv")
    path = writer.write(ROWS, tmp_path / "x.csv")
    before = path.read_bytes()
    apply(repo, FileSource(path=str(path), timestamp_field="event_timestamp"))
    with pytest.raises(InvalidInput, match="cannot be appended"):
        repo.write_to_offline_store("stats", ROWS.to_pandas())
    assert path.read_bytes() == before


def test_no_table_leads_into_the_lake(
    repo: FeatureStore, settings: Settings, tmp_path: Path
) -> None:
    file = next(settings.lake.rglob("*.parquet"))
    place = tmp_path / "house" / "t"
    with catalog(place.parent) as made:
        table = create(made, place, ROWS)
        data = next((place / "data").glob("*.parquet"))
        data.unlink()
        data.symlink_to(file)
    for named in (
        source(file),
        source(settings.lake, format="csv"),
        source(place),
        source(table.metadata_location),
    ):
        with pytest.raises(Denied, match="the lake"):
            apply(repo, named, inferred=True)


def test_a_table_source_survives_the_registry_whole(repo: FeatureStore, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", ROWS)
    made = source(
        tmp_path / "t",
        format="delta",
        snapshot=0,
        name="rows",
        created_timestamp_column="loaded_at",
        field_mapping={"name": "label"},
        description="Rows.",
        tags={"a": "b"},
        owner="team:x",
    )
    assert TableSource.from_proto(made.to_proto()) == made
    assert made != source(tmp_path / "t", format="delta", snapshot=1, name="rows")
    assert {made: 1}[TableSource.from_proto(made.to_proto())] == 1
