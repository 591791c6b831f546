"""Which files a file source reads, and that no way of naming one leads into the lake."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from feast import FeatureStore, FileSource
from feast.data_format import DeltaFormat

from provender.core.errors import Denied, InvalidInput, NotFound
from provender.feast_plugin.offline import ProvenderOfflineStore
from provender.feast_plugin.terms import Terms
from provender.settings import Settings
from tests.feast_plugin.plain import NOON, rows, store, write


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def read(repo: FeatureStore, path: object, **source: object) -> list[int]:
    named = FileSource(path=str(path), timestamp_field="event_timestamp", **source)
    job = ProvenderOfflineStore.pull_all_from_table_or_query(
        repo.config, named, ["driver_id"], ["value"], "event_timestamp"
    )
    return sorted(job.to_arrow().column("value").to_pylist())


def test_patterns_and_folders_name_their_files(repo: FeatureStore, tmp_path: Path) -> None:
    for number, name in enumerate(("a/1", "a/b/2", "c/3")):
        write(tmp_path / f"{name}.parquet", rows((1, NOON, number)))
    (tmp_path / "a" / "notes.txt").write_text("no rows")
    assert read(repo, tmp_path / "a") == [0, 1]
    assert read(repo, tmp_path / "a" / "**" / "*.parquet") == [0, 1]
    assert read(repo, tmp_path / "[ac]" / "?.parquet") == [0, 2]
    assert read(repo, f"file://{tmp_path}/c/3.parquet") == [2]
    for nothing in ("d", "a/*.csv", "a/b/**"):
        with pytest.raises(NotFound):
            read(repo, tmp_path / nothing)


def test_marks_of_patterns_in_names_are_taken_as_they_are(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "what[1]*" / "is?.parquet", rows((1, NOON, 7)))
    write(tmp_path / "what1" / "isx.parquet", rows((1, NOON, 8)))
    assert read(repo, path) == [7]
    assert read(repo, Path(path).parent) == [7]


def test_a_job_reads_the_files_that_it_found(repo: FeatureStore, tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "1.parquet", rows((1, NOON, 1)))
    table = Terms.of(repo.config).file(FileSource(path=str(tmp_path / "a")))
    assert table.files == (str(Path(first).resolve()),)


@pytest.mark.parametrize(
    "uri",
    [
        "file://localhost{lake}/shop/trips",
        "file://home{lake}/**/*.parquet",
        "file://../home/lake/**/*.parquet",
        "hf://datasets/x",
        "s3:{lake}//x",
        "s3:///{lake}",
        "vfs://{lake}",
    ],
)
def test_places_of_no_known_kind_are_refused(
    repo: FeatureStore, settings: Settings, uri: str
) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        read(repo, uri.format(lake=settings.lake))


def test_no_name_leads_into_the_lake(
    repo: FeatureStore, settings: Settings, home: Path, tmp_path: Path
) -> None:
    file = next(settings.lake.rglob("*.parquet"))
    folder = tmp_path / "innocent"
    folder.mkdir()
    (folder / "link.parquet").symlink_to(file)
    (folder / "deep").symlink_to(settings.lake)
    delta = tmp_path / "delta"
    write_deltalake(delta, pa.table({"driver_id": [1], "event_timestamp": [NOON], "value": [1]}))
    data = next(delta.glob("*.parquet"))
    data.unlink()
    data.symlink_to(file)
    parts = str(settings.lake).removeprefix("/")
    for path in (
        file,
        f"file://{file}",
        f"file:{file}",
        f"{settings.lake}/**/*.parquet",
        f"/{parts[:-1]}?/shop/*/*/*.parquet",
        f"{home}/l*/**/*.parquet",
        f"{home.parent}/h[o]me/lake/shop/*/*/*.parquet",
        home,
        home.parent,
        "/",
        folder,
        folder / "*.parquet",
        folder / "*" / "shop" / "*" / "*" / "*.parquet",
        folder / "deep" / "shop",
    ):
        with pytest.raises(Denied, match="the lake"):
            read(repo, path)
    with pytest.raises(Denied, match="the lake"):
        read(repo, delta, file_format=DeltaFormat())


def test_columns_of_files_in_the_lake_are_not_told(repo: FeatureStore, settings: Settings) -> None:
    source = FileSource(path=str(next(settings.lake.rglob("*.parquet"))))
    with pytest.raises(Denied, match="inside the lake"):
        repo.provider.offline_store.get_table_column_names_and_types_from_data_source(
            repo.config, source
        )


def test_results_are_not_written_over_the_lake(
    repo: FeatureStore, settings: Settings, home: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 1)))
    source = FileSource(path=path, timestamp_field="event_timestamp")
    job = ProvenderOfflineStore.pull_all_from_table_or_query(
        repo.config, source, ["driver_id"], ["value"], "event_timestamp"
    )
    for target in (settings.lake / "x.parquet", home):
        with pytest.raises(Denied, match="the lake"):
            job.to_parquet(target, allow_overwrite=True)
