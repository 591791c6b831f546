"""What is left over in a lake is named and removed; what is recorded, held or not ours is not touched."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.errors import Conflict
from provender.core.training import Table
from provender.tables import hashed, locks, storage
from provender.tables.icebergwrites import opened
from provender.tables.upkeep import Finding, Kind, damages, forget, sweep
from provender.tables.versions import append_version, verify_version, write_version
from tests.tables.conftest import NOON
from tests.tables.test_storage import HOLD

Declare = Callable[..., Dataset]
Weather = Callable[..., pa.Table]
Read = Callable[[Path, Manifest], pa.Table]
FORMATS = pytest.mark.parametrize("fmt", Format)


def published(dataset: Dataset, manifest: Manifest, number: int = 1) -> DatasetVersion:
    return DatasetVersion(
        ref=dataset.ref.at(number), manifest=manifest, published_at=NOON, published_by="person:ana"
    )


def look(lake: Path, *versions: DatasetVersion, clean: bool = False) -> list[Finding]:
    return sweep(lake, [lake.parent / "spill"], lambda: versions, clean=clean)


@FORMATS
def test_a_lake_of_recorded_versions_has_no_orphan(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    second = published(dataset, append_version(lake, dataset, first, weather(3)), 2)
    assert look(lake, first, second, clean=True) == []
    verify_version(lake, first.manifest)
    verify_version(lake, second.manifest)


@FORMATS
def test_what_no_version_refers_to_is_named_then_removed_and_the_rest_stays(
    lake: Path, declare: Declare, weather: Weather, read: Read, fmt: Format
) -> None:
    dataset = declare(fmt)
    kept = published(dataset, write_version(lake, dataset, weather(5)))
    orphans = [write_version(lake, dataset, weather(rows)) for rows in (6, 7)]
    found = look(lake, kept)
    assert found
    assert {finding.kind for finding in found} == {Kind.ORPHAN}
    assert all(finding.size_bytes for finding in found)
    for manifest in orphans:
        verify_version(lake, manifest)
    removed = look(lake, kept, clean=True)
    assert [finding.path for finding in removed] == [finding.path for finding in found]
    assert all(finding.removed for finding in removed)
    assert look(lake, kept) == []
    verify_version(lake, kept.manifest)
    assert read(lake, kept.manifest).num_rows == 5
    again = published(dataset, write_version(lake, dataset, weather(6)), 2)
    assert look(lake, kept, again) == []
    assert read(lake, again.manifest).num_rows == 6


def test_a_delta_table_ends_with_its_last_recorded_commit_and_goes_on_from_there(
    lake: Path, declare: Declare, weather: Weather, read: Read
) -> None:
    dataset = declare(Format.DELTA)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    write_version(lake, dataset, weather(6))
    second = published(dataset, write_version(lake, dataset, weather(7)), 2)
    place = lake / first.manifest.location
    for rows in range(8, 12):
        write_version(lake, dataset, weather(rows))
    DeltaTable(place).create_checkpoint()  # Delta makes one by itself every 100 commits
    assert list(place.glob("_delta_log/*.checkpoint.parquet"))
    assert look(lake, first, second, clean=True)
    assert look(lake, first, second) == []
    table = DeltaTable(place)
    assert str(table.version()) == second.manifest.native_snapshot
    assert table.count() == 7
    assert read(lake, first.manifest).num_rows == 5
    third = published(dataset, append_version(lake, dataset, second, weather(2)), 3)
    assert read(lake, third.manifest).num_rows == 9


def test_an_iceberg_table_is_at_its_last_recorded_snapshot_and_goes_on_from_there(
    lake: Path, declare: Declare, weather: Weather, read: Read
) -> None:
    dataset = declare(Format.ICEBERG)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    write_version(lake, dataset, weather(6))
    place = (lake / first.manifest.location).resolve()
    stray = place / "metadata" / "99999-killed.metadata.json"
    stray.write_text("{")
    (place / "metadata" / "snap-1-0-killed.avro").write_text("half")
    found = {finding.path for finding in look(lake, first, clean=True)}
    assert {stray, stray.with_name("snap-1-0-killed.avro")} < found
    assert len(found) == 3
    assert look(lake, first) == []
    with opened(place) as table:
        assert table is not None
        assert str(table.current_snapshot().snapshot_id) == first.manifest.native_snapshot
        assert table.scan().count() == 5
    second = published(dataset, write_version(lake, dataset, weather(6)), 2)
    assert look(lake, first, second) == []
    assert read(lake, second.manifest).num_rows == 6


def test_a_dataset_without_versions_goes_with_its_folders(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    for fmt in Format:
        write_version(lake, declare(fmt), weather())
    assert len([f for f in look(lake, clean=True) if ".hashed" not in f.path.parts]) == len(Format)
    assert sorted(path.name for path in lake.iterdir() if path.name != ".hashed") == [".staging"]


def test_files_of_others_are_named_and_left_alone(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.PARQUET)
    version = published(dataset, write_version(lake, dataset, weather()))
    mine = [
        lake / "notes.txt",
        lake / "aviation" / "notes.txt",
        lake / "aviation" / "weather_parquet" / "notes.txt",
        lake / "aviation" / "weather_parquet" / "my-folder",
        lake / version.manifest.location / "extra.parquet",
    ]
    for path in mine:
        if path.suffix:
            path.write_text("mine")
        else:
            path.mkdir()
    found = look(lake, version, clean=True)
    assert {finding.path for finding in found} == set(mine)
    assert {finding.kind for finding in found} == {Kind.FOREIGN}
    assert all(path.exists() for path in mine)


def test_what_a_living_process_stages_or_spills_is_its_own(tmp_path: Path) -> None:
    lake, spill = tmp_path / "lake", tmp_path / "spill"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True
        )
        for place in (lake, spill)
    ]
    try:
        staged = [Path(child.stdout.readline().strip()) for child in children if child.stdout]
        assert look(lake, clean=True) == []
        for child in children:
            child.kill()
            child.wait()
        found = look(lake)
        assert {finding.path for finding in found if finding.path.is_dir()} == set(staged)
        assert all(finding.removed for finding in look(lake, clean=True))
        assert not any(path.exists() for path in staged)
        assert look(lake) == []
    finally:
        for child in children:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()


def test_publishers_at_work_are_waited_for(
    lake: Path, declare: Declare, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, recorded = declare(Format.PARQUET), []
    written, go_on = threading.Event(), threading.Event()

    def publish() -> None:
        with storage.publishing(lake):
            manifest = write_version(lake, dataset, weather())
            written.set()
            go_on.wait(10)
            recorded.append(published(dataset, manifest))

    publisher = threading.Thread(target=publish)
    publisher.start()
    assert written.wait(10)
    with monkeypatch.context() as patience:
        patience.setattr(locks, "PATIENCE_SECONDS", 0.1)
        with pytest.raises(Conflict, match="publishers"):
            sweep(lake, [], lambda: recorded, clean=True)
    swept: list[Finding] = []
    sweeper = threading.Thread(
        target=lambda: swept.extend(sweep(lake, [], lambda: recorded, clean=True))
    )
    sweeper.start()
    time.sleep(0.1)
    go_on.set()
    publisher.join()
    sweeper.join()
    assert swept == []
    verify_version(lake, recorded[0].manifest)


@FORMATS
def test_damage_is_named_once_with_every_version_it_is_of(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    first = published(dataset, write_version(lake, dataset, weather(5)))
    second = published(dataset, append_version(lake, dataset, first, weather(3)), 2)
    assert damages(lake, [first, second]) == []
    file = lake / first.manifest.location / first.manifest.files[0].path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = damages(lake, [first, second])
    assert file in {finding.path for finding in found}
    shares = fmt in (Format.PARQUET, Format.DELTA)
    names = {name for finding in found for name in finding.versions}
    assert names == ({str(first.ref), str(second.ref)} if shares else {str(first.ref)})
    shutil.rmtree(lake / first.manifest.location)
    assert {f.why for f in damages(lake, [first])} == {"is missing"}


def test_damage_that_left_no_trace_is_found_by_hashing_again(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.PARQUET)
    version = published(dataset, write_version(lake, dataset, weather(5)))
    file = (lake / version.manifest.location / version.manifest.files[0].path).resolve()
    old = time.time_ns() - 10**9
    os.utime(file, ns=(old, old))
    assert storage.verified_files(lake, Table.of(version)) == [file]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(old, old))
    seen = hashed.stamp(file)
    assert seen is not None
    hashed.remember(
        lake, version.manifest.location, [(file, seen, version.manifest.files[0].sha256)]
    )
    assert damages(lake, [version]) == []
    (found,) = damages(lake, [version], again=True)
    assert found.path == file
    assert "SHA-256 differs" in found.why


def test_what_a_manifest_says_of_a_place_of_another_dataset_removes_nothing(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.PARQUET)
    name, manifest = dataset.ref.dataset, write_version(lake, dataset, weather(5))
    file = lake / manifest.location / manifest.files[0].path
    for location in (dataset.ref.domain, Path(manifest.location).parent.as_posix(), "", ".."):
        lies = replace(manifest, location=location)
        assert forget(lake, {name}, [lies], list) == (0, 0)
    up = replace(manifest.files[0], path=f"../../{manifest.location}/{manifest.files[0].path}")
    away = replace(manifest, location="a/other/parquet", files=(up,))
    assert forget(lake, {"a.other"}, [manifest, away], list) == (0, 0)
    assert file.is_file()
    assert forget(lake, {"a.other", name}, [manifest], list) == (1, manifest.size_bytes)
    assert not file.parent.exists()


def test_a_manifest_that_lies_about_its_place_does_not_hinder_the_others(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.DELTA)
    good = published(dataset, write_version(lake, dataset, weather(5)))
    up = (replace(good.manifest.files[0], path="../x"),)
    lies = [
        published(dataset, replace(good.manifest, **lie), number)
        for number, lie in enumerate(
            (
                {"files": up},
                {"location": "../../etc"},
                {"location": "/etc"},
                {"location": ""},
                {"native_snapshot": "newest"},
            ),
            start=2,
        )
    ]
    (lake / good.manifest.location / good.manifest.files[0].path).write_bytes(b"changed")
    assert look(lake, *lies, good) == []
    found = {name for finding in damages(lake, [*lies, good]) for name in finding.versions}
    assert {str(version.ref) for version in (*lies, good)} == found
