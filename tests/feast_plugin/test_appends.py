"""Rows written through Feast to files: appended whole, also by many at once."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from feast import FeatureService, FeatureStore
from feast.data_format import DeltaFormat
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination

from provender.core.datasets import Format
from provender.core.errors import InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.training import Table
from provender.feast_plugin.appends import append, append_log
from provender.feast_plugin.terms import Terms
from provender.tables.delta import DeltaFormat as DeltaFormatOfOurs
from provender.tables.session import session
from provender.tables.upkeep import sweep
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, rows, store, view, write
from tests.killing import in_a_process_of_its_own
from tests.tables.s3 import s3_server


def write_and_be_killed(kind: str, target: Path, spill: Path) -> None:
    """End this process when what it wrote is about to get its name."""
    terms = Terms.of(store(spill.parent / "repo", temp_directory=str(spill)).config)

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith(".parquet"):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    if kind == "log":
        append_log(added, FileLoggingDestination(path=str(target)), terms)
    else:
        append(view(str(target)).batch_source, added, terms, wanted_by="test")


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def test_a_single_file_grows(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    repo.apply([DRIVER, view(path)])
    repo.write_to_offline_store(
        "stats", rows((2, NOON, 8))[["value", "event_timestamp", "driver_id"]]
    )
    assert pq.read_table(path).column("value").to_pylist() == [7, 8]
    assert [file.name for file in tmp_path.glob("*parquet*")] == ["f.parquet"]


def test_a_folder_gets_one_more_file(repo: FeatureStore, tmp_path: Path) -> None:
    first = Path(write(tmp_path / "many" / "a.parquet", rows((1, NOON, 7))))
    before = first.read_bytes()
    repo.apply([DRIVER, view(str(tmp_path / "many"))])
    repo.write_to_offline_store("stats", rows((2, NOON, 8)))
    assert first.read_bytes() == before
    assert len(list((tmp_path / "many").iterdir())) == 2
    spine = rows((1, NOON), (2, NOON), columns="driver_id event_timestamp")
    answer = repo.get_historical_features(spine, features=["stats:value"]).to_df()
    assert list(answer["value"]) == [7, 8]


def test_an_empty_folder_gets_its_first_file(repo: FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    source = view(str(tmp_path / "empty")).batch_source
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    append(source, added, Terms.of(repo.config), wanted_by="test")
    assert len(list((tmp_path / "empty").iterdir())) == 1


def test_a_pattern_and_a_partitioned_folder_are_refused_and_nothing_changes(
    repo: FeatureStore, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    write(folder / "year=2024" / "a.parquet", rows((1, NOON, 7)))
    before = sorted(tmp_path.rglob("*.parquet"))
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    for path, said in (
        (str(folder / "*" / "*.parquet"), "stands for many files"),
        (str(folder), "partitioned by year"),
    ):
        with pytest.raises(InvalidInput, match=said):
            append(view(path).batch_source, added, Terms.of(repo.config), wanted_by="test")
    assert sorted(tmp_path.rglob("*.parquet")) == before


def test_a_file_whose_name_looks_like_a_pattern_grows(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f[1].parquet", rows((1, NOON, 7)))
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    append(view(path).batch_source, added, Terms.of(repo.config), wanted_by="test")
    assert pq.ParquetFile(path).read().column("value").to_pylist() == [7, 8]


@pytest.mark.parametrize("kind", ["file", "folder", "log"])
def test_what_a_killed_writer_left_is_found_and_removed(
    repo: FeatureStore, tmp_path: Path, kind: str
) -> None:
    path = Path(write(tmp_path / "many" / "a.parquet", rows((1, NOON, 7))))
    target = {"file": path, "folder": path.parent, "log": path.parent}[kind]
    (lake := tmp_path / "lake").mkdir()
    spill = tmp_path / "spill"
    ended, _ = in_a_process_of_its_own(lambda: write_and_be_killed(kind, target, spill))
    assert os.waitstatus_to_exitcode(ended) == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 2
    assert len(list(path.parent.glob("*.parquet"))) == 1
    assert all(finding.removed for finding in sweep(lake, [spill], list, clean=True))
    assert list(path.parent.iterdir()) == [path]
    assert pq.read_table(path).column("value").to_pylist() == [7]


def test_files_on_other_machines_do_not_grow(repo: FeatureStore) -> None:
    terms = Terms.of(repo.config)
    added = pa.Table.from_pandas(rows((1, NOON, 1)))
    remote = view("s3://bucket/rows.parquet").batch_source
    with pytest.raises(InvalidInput, match="cannot be appended to s3://bucket"):
        append(remote, added, terms, wanted_by="test")


def test_a_delta_table_gets_a_commit(repo: FeatureStore, tmp_path: Path) -> None:
    place = str(tmp_path / "delta")
    write_deltalake(place, pa.Table.from_pandas(rows((1, NOON, 7))))
    repo.apply([DRIVER, view(place, file_format=DeltaFormat())])
    repo.write_to_offline_store("stats", rows((2, NOON, 8)))
    assert DeltaTable(place).version() == 1
    assert sorted(DeltaTable(place).to_pyarrow_table().column("value").to_pylist()) == [7, 8]


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_a_delta_table_that_is_not_there_is_said_in_our_words(
    repo: FeatureStore, tmp_path: Path, endpoint: str
) -> None:
    (tmp_path / "gone").mkdir()
    place = "s3://bucket/gone" if endpoint else str(tmp_path / "gone")
    source = view(place, file_format=DeltaFormat(), s3_endpoint_override=endpoint).batch_source
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    with pytest.raises(Unavailable if endpoint else NotFound, match=f"Delta table .*{place}"):
        append(source, added, Terms.of(repo.config), wanted_by="test")
    assert list((tmp_path / "gone").iterdir()) == []


def test_a_delta_table_in_object_storage_gets_a_commit(repo: FeatureStore, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "delta", pa.Table.from_pandas(rows((1, NOON, 7))))
    with s3_server() as server:
        place = server.put_folder(tmp_path / "delta", "delta")
        source = view(place, file_format=DeltaFormat(), s3_endpoint_override=server.url)
        added = pa.Table.from_pandas(rows((2, NOON, 8)))
        append(source.batch_source, added, Terms.of(repo.config), wanted_by="test")
        table = Table(format=Format.DELTA, location=place, endpoint=server.url)
        with session() as connection:
            found = DeltaFormatOfOurs().relation(table, tmp_path, connection)
            assert sorted(found.project("value").fetchall()) == [(7,), (8,)]


def test_a_delta_table_that_cannot_be_written_is_said_in_our_words(
    repo: FeatureStore, tmp_path: Path
) -> None:
    place = tmp_path / "delta"
    write_deltalake(place, pa.Table.from_pandas(rows((1, NOON, 7))))
    (place / "_delta_log" / f"{1:020}.json").mkdir()
    added = pa.Table.from_pandas(rows((2, NOON, 8)))
    source = view(str(place), file_format=DeltaFormat()).batch_source
    with pytest.raises(ProvenderError, match="the Delta table"):
        append(source, added, Terms.of(repo.config), wanted_by="test")
    assert len(list(place.glob("*.parquet"))) == 1, "what was not committed is removed"


def test_other_columns_and_other_types_are_refused_and_nothing_changes(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = Path(write(tmp_path / "f.parquet", rows((1, NOON, 7))))
    before = path.read_bytes()
    table = view(str(path))
    repo.apply([DRIVER, table])
    terms = Terms.of(repo.config)
    for wrong, said in (
        (rows((1, NOON), columns="driver_id event_timestamp"), "lack value"),
        (
            rows((1, NOON, 1, 2), columns="driver_id event_timestamp value more"),
            "have more besides",
        ),
        (rows((1, NOON, "seven")), "another type"),
    ):
        with pytest.raises(InvalidInput, match=said):
            append(table.batch_source, pa.Table.from_pandas(wrong), terms, wanted_by="test")
    assert path.read_bytes() == before


def test_many_writers_of_one_file_lose_nothing(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((0, NOON, 0)))
    table = view(path)
    terms = Terms.of(repo.config)

    def one(number: int) -> None:
        added = pa.Table.from_pandas(rows((number, NOON, number)))
        append(table.batch_source, added, terms, wanted_by="test")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(1, 41)))
    assert sorted(pq.read_table(path).column("value").to_pylist()) == list(range(41))


def test_served_features_are_logged_to_a_folder(repo: FeatureStore, tmp_path: Path) -> None:
    table = view(write(tmp_path / "f.parquet", rows((1, NOON, 7))))
    service = FeatureService(
        name="service",
        features=[table],
        logging_config=LoggingConfig(destination=FileLoggingDestination(path="logs")),
    )
    repo.apply([DRIVER, table, service])
    logged = pa.Table.from_pandas(
        pd.DataFrame({"driver_id": [1], "__log_timestamp": [NOON], "__request_id": ["a"]})
    )
    repo.write_logged_features(logged, service)
    repo.write_logged_features(logged, service)
    folder = tmp_path / "repo" / "logs"
    assert len(list(folder.glob("*.parquet"))) == 2
    read = repo.provider.offline_store.pull_all_from_table_or_query(
        repo.config,
        service.logging_config.destination.to_data_source(),
        [],
        ["driver_id"],
        "__log_timestamp",
        start_date=NOON - HOUR,
        end_date=NOON + HOUR,
    )
    assert read.to_arrow().column("driver_id").to_pylist() == [1, 1]


def test_a_log_gets_one_file_in_each_of_its_partitions(repo: FeatureStore, tmp_path: Path) -> None:
    logged = pa.table({"driver_id": [1, 2, 1], "value": [5, 6, 7]})
    destination = FileLoggingDestination(path=str(tmp_path / "logs"), partition_by=["driver_id"])
    for _ in range(2):
        append_log(logged, destination, Terms.of(repo.config))
    found = sorted(path.relative_to(tmp_path) for path in (tmp_path / "logs").rglob("*.*"))
    assert [str(path.parent) for path in found] == ["logs/driver_id=1"] * 2 + [
        "logs/driver_id=2"
    ] * 2
    read = pads.dataset(tmp_path / "logs", partitioning="hive").to_table()
    pairs = zip(read["driver_id"].to_pylist(), read["value"].to_pylist(), strict=True)
    assert sorted(pairs) == [(1, 5), (1, 5), (1, 7), (1, 7), (2, 6), (2, 6)]
