"""A backup of either database is the same catalog in the other one, or nothing at all (T34)."""

import json
import random
import shutil
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from provender.catalog import restore as restoring
from provender.catalog.backup import write_tables
from provender.catalog.db import downgrade, open_database, transaction, upgrade
from provender.catalog.fsck import examine
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import SCHEMA
from provender.core.audit import EventKind
from provender.core.errors import (
    Conflict,
    Corrupt,
    Denied,
    InvalidInput,
    Misconfigured,
    NotFound,
    Unavailable,
)
from tests.catalog.conftest import govern
from tests.catalog.copies import (
    ANEW,
    answers,
    backed_up,
    door,
    is_blank,
    restored,
    rows_of,
    used,
)
from tests.catalog.kept import PutBack, keeping
from tests.catalog.test_epoch import epoch_of
from tests.catalog.world import FLIGHTS, NOW, Clock, manifest, searched
from tests.stress import times

OF_THE_INDEX = {
    "datasets",
    "nodes",
    "scopes",
    "facet_counts",
    "facet_values",
    "past_rests_on",
    "search_documents",
    "search_past",
    "search_stubs",
    "search_tags",
    "search_texts",
    "search_words",
}
"""What a restore of an older revision makes anew."""
FLIPS = times(5, calm=3)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of nothing yet, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'catalog.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


def fill(url: str) -> None:
    govern(url)
    used(url)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[PutBack]:
    with keeping(request, request.param, fill) as filled:
        yield filled


@pytest.fixture
def source(filled: PutBack, tmp_path: Path) -> str:
    """A catalog with rows of most kinds, in either database."""
    return filled(tmp_path)


@pytest.fixture
def backup(source: str, tmp_path: Path) -> Path:
    file = tmp_path / "catalog.tar"
    backed_up(source, file)
    return file


@pytest.fixture(scope="module")
def backup_of_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backup")
    url = f"sqlite:///{folder / 'catalog.db'}"
    fill(url)
    backed_up(url, folder / "catalog.tar")
    return folder / "catalog.tar"


@pytest.fixture
def of_sqlite(backup_of_sqlite: Path, tmp_path: Path) -> Path:
    """A backup whose damage is the same whatever it was made of."""
    return Path(shutil.copy2(backup_of_sqlite, tmp_path / "catalog.tar"))


def test_a_restored_catalog_is_the_same_in_either_database(source: str, backup: Path, target: str):
    before, rows = answers(source), rows_of(source)
    contents = restored(backup, target)
    assert answers(target) == before
    assert rows_of(target) == rows
    with door(target) as way, door(source) as former:
        assert examine(way) == []
        assert epoch_of(way) != epoch_of(former)
    with LocalCatalog(target, actor="person:gov", clock=Clock()) as catalog:
        last, before_it = catalog.records.audit_events(limit=2)
        assert (last.kind, before_it.kind) == (EventKind.CATALOG_RESTORE, EventKind.CATALOG_BACKUP)
        assert last.detail["digest"] == contents.digest
        assert catalog.records.verify_audit() == last.sequence
    with LocalCatalog(target, actor="person:ops", clock=Clock()) as catalog:
        assert catalog.publish(FLIGHTS, manifest(99)).number == times(6)
        assert searched(catalog, "flights")[0].name == "aviation.flights"


def test_a_backup_of_a_restored_catalog_holds_the_same_rows(
    of_sqlite: Path, target: str, tmp_path: Path
):
    first = restored(of_sqlite, target)
    again = backed_up(target, tmp_path / "again.tgz")
    kept = {part.name: part for part in first.tables if part.name not in ANEW}
    assert {part.name: part for part in again.tables if part.name not in ANEW} == kept
    (trail,) = [part for part in first.tables if part.name == "audit_events"]
    (longer,) = [part for part in again.tables if part.name == "audit_events"]
    assert longer.rows == trail.rows + 2


def test_its_manifest_counts_what_is_in_it(of_sqlite: Path):
    with tarfile.open(of_sqlite) as tar:
        said = json.load(read(tar, "MANIFEST.json"))
        rows = {
            part["name"]: len(read(tar, f"tables/{part['name']}.jsonl").readlines())
            for part in said["tables"]
        }
    assert said["revision"] == SCHEMA
    assert rows == {part["name"]: part["rows"] for part in said["tables"]}
    assert rows["versions"] == times(6)
    assert of_sqlite.stat().st_mode & 0o777 == 0o600


def read(tar: tarfile.TarFile, name: str) -> BytesIO:
    file = tar.extractfile(name)
    assert file is not None
    return BytesIO(file.read())


def test_a_backup_made_while_others_publish_is_one_state(source: str, tmp_path: Path):
    with LocalCatalog(source, actor="person:ops", clock=Clock()) as catalog:
        stop: list[bool] = []

        def publish() -> int:
            number = 0
            while not stop:
                number = catalog.publish(FLIGHTS, manifest(1_000 + number)).number
            return number

        with ThreadPoolExecutor() as pool:
            publishing = pool.submit(publish)
            contents = backed_up(source, tmp_path / "busy.tar")
            stop.append(True)
            assert publishing.result() > 0
    assert (
        restored(tmp_path / "busy.tar", f"sqlite:///{tmp_path}/new/catalog.db") == contents
    )  # restore checks every invariant


def test_a_catalog_that_is_not_empty_is_left_alone(source: str, backup: Path):
    before = rows_of(source)
    with pytest.raises(Conflict, match="not empty"):
        restored(backup, source)
    assert rows_of(source) == before


def test_a_catalog_that_was_only_opened_is_empty(of_sqlite: Path, target: str):
    open_database(target).dispose()
    restored(of_sqlite, target)
    assert is_blank(target) is False


def cut(data: bytes, at: int) -> bytes:
    return data[: len(data) * at // FLIPS]


def flipped(data: bytes, at: int) -> bytes:
    place = random.Random(at).randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << at % 8)]) + data[place + 1 :]


@pytest.mark.parametrize("change", [cut, flipped])
def test_a_damaged_backup_restores_nothing(
    change: Callable[[bytes, int], bytes], of_sqlite: Path, target: str, tmp_path: Path
):
    whole = of_sqlite.read_bytes()
    end = len(whole.rstrip(b"\0"))
    refused = 0
    for at in range(FLIPS):
        damaged = tmp_path / "damaged.tar"
        damaged.write_bytes(change(whole[:end], at))
        try:
            restored(damaged, target)
        except (Corrupt, InvalidInput):
            refused += 1
            assert is_blank(target)
        else:  # the bytes that pad a file to its block mean nothing
            assert change is flipped
            wipe(target)
    assert refused > FLIPS * 0.6


def wipe(url: str) -> None:
    engine = create_engine(url)
    downgrade(engine, "base")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()


def rewritten(backup: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The backup with its files changed by somebody who knows what a tar is."""
    target = backup.with_name("rewritten.tar")
    with tarfile.open(backup) as tar, tarfile.open(target, "w") as other:
        for member in tar:
            data = change(member.name, read(tar, member.name).getvalue())
            if data is not None:
                member.size = len(data)
                other.addfile(member, BytesIO(data))
    return target


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda name, data: None if "versions" in name else data, "lacks tables/versions"),
        (lambda name, data: data + data if "teams" in name else data, "teams has a row"),
        (
            lambda name, data: data.replace(b"Ana", b"Eve") if "people" in name else data,
            "people is not",
        ),
        (lambda name, data: data.replace(b'"rows":1,', b'"rows":2,'), "manifest was changed"),
        (lambda name, data: data.replace(b"{", b"[", 1), "damaged"),
        (lambda name, data: b"" if "tags" in name else data, "tags is not the"),
    ],
)
def test_a_changed_backup_is_refused(
    change: Callable[[str, bytes], bytes | None], says: str, of_sqlite: Path, target: str
):
    with pytest.raises(Corrupt, match=says):
        restored(rewritten(of_sqlite, change), target)
    assert is_blank(target)


def test_other_files_are_no_backups(tmp_path: Path, target: str):
    file = tmp_path / "other.tar"
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("song.mp3"))
    with pytest.raises(InvalidInput, match="no backup"):
        restored(file, target)
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidInput, match="no backup"):
        restored(tmp_path / "empty", target)
    with pytest.raises(NotFound, match="no file"):
        restored(tmp_path / "nothing.tar", target)


def test_a_backup_of_a_damaged_catalog_is_refused(
    governed_sqlite: str, target: str, tmp_path: Path
):
    engine = open_database(used(governed_sqlite))
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE audit_events SET subject = 'other' WHERE sequence = 2"))
    engine.dispose()
    backed_up(governed_sqlite, tmp_path / "bad.tar")
    with pytest.raises(Corrupt, match="audit event 2 does not fit"):
        restored(tmp_path / "bad.tar", target)
    assert is_blank(target)


def test_a_backup_of_an_older_revision_is_upgraded(
    governed_sqlite: str, target: str, tmp_path: Path
):
    engine = create_engine(used(governed_sqlite))
    before = rows_of(governed_sqlite)
    downgrade(engine, "0006")
    with engine.connect() as connection:
        write_tables(connection, tmp_path / "old.tar", by="person:gov", at=NOW)
    upgrade(engine)
    engine.dispose()
    assert restored(tmp_path / "old.tar", target).revision == "0006"
    after = rows_of(target)
    assert {name for name in before if before[name] != after[name]} <= OF_THE_INDEX
    with LocalCatalog(target, actor="person:ops", clock=Clock()) as catalog:
        assert searched(catalog, "flights")[0].name == "aviation.flights"


def test_a_backup_of_a_newer_provender_is_refused(
    of_sqlite: Path, target: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restoring, "SCHEMA", "0006")
    with pytest.raises(Misconfigured, match="newer Provender"):
        restored(of_sqlite, target)


def test_what_has_to_follow_a_restore_is_part_of_it(
    of_sqlite: Path, target: str, monkeypatch: pytest.MonkeyPatch
):
    def erase(db, change) -> None:  # type: ignore[no-untyped-def]
        raise Denied("the erasures could not be done again")

    monkeypatch.setattr(restoring, "AFTER_RESTORE", [erase])
    with pytest.raises(Denied):
        restored(of_sqlite, target)
    assert is_blank(target)


def test_who_does_not_govern_gets_no_backup(source: str, tmp_path: Path):
    with pytest.raises(Denied):
        backed_up(source, tmp_path / "catalog.tar", by="person:ana")
    assert list(tmp_path.glob("catalog.tar*")) == []


def test_a_file_that_is_there_is_kept(source: str, tmp_path: Path):
    there = tmp_path / "precious.tar"
    there.write_text("mine")
    with pytest.raises(Conflict, match="is there already"):
        backed_up(source, there)
    assert there.read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(source: str, tmp_path: Path):
    with pytest.raises(Unavailable, match="cannot be written"):
        backed_up(source, tmp_path / "nowhere" / "catalog.tar")
