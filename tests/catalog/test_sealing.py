"""Checkpoints: when they are made, by which key, what the witness knows, and what is found by them."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from provender.catalog import audit, checkpoints, notary
from provender.catalog.checkpoints import Sealing
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.proving import prove
from provender.catalog.signing import Keys, signed_by
from provender.catalog.witness import Witness
from provender.core.audit import EventKind
from provender.core.checkpoints import Checkpoint
from provender.core.errors import Corrupt, Denied, Misconfigured, Unavailable
from provender.core.trail import Proof
from provender.values import to_json
from tests.catalog.sealed import sealing
from tests.catalog.test_audit import append
from tests.catalog.world import NOW, Clock
from tests.stress import times


@pytest.fixture
def sealed(tmp_path: Path) -> Sealing:
    return sealing(tmp_path)


@pytest.fixture
def engine(blank_url: str, sealed: Sealing) -> Iterator[Engine]:
    made = sealed.bind(open_database(blank_url))
    yield made
    made.dispose()


def write(engine: Engine, count: int = 1, *, each: timedelta = timedelta(0)) -> None:
    for number in range(count):
        with transaction(engine, write=True) as db:
            append(db, at=NOW + each * number)


def proof(engine: Engine) -> Proof:
    with transaction(engine) as db:
        return prove(db)


def sizes(engine: Engine) -> list[int]:
    with transaction(engine) as db:
        return [one.size for one in checkpoints.since(db, 0)]


def witnessed(sealed: Sealing) -> list[int]:
    assert sealed.witness
    return [one.size for one in sealed.witness.read()]


def test_a_checkpoint_is_made_with_the_first_event_and_after_so_many(
    engine: Engine, sealed: Sealing
):
    write(engine, 12)
    assert sizes(engine) == [1, 6, 11]
    assert witnessed(sealed) == [1, 6, 11]
    found = proof(engine)
    assert (found.events, found.checkpoints, found.witnessed, found.since) == (12, 3, 3, 1)


def test_a_checkpoint_is_made_after_a_time(blank_url: str, tmp_path: Path):
    engine = sealing(tmp_path, events=1000, hours=1).bind(open_database(blank_url))
    write(engine, 5, each=timedelta(minutes=30))
    assert sizes(engine) == [1, 3, 5]
    engine.dispose()


def test_a_catalog_that_was_never_sealed_is_sealed_from_its_next_event_on(
    blank_url: str, tmp_path: Path
):
    engine = open_database(blank_url)
    write(engine, 7)
    assert sizes(engine) == []
    write(sealing(tmp_path).bind(engine))
    assert sizes(engine) == [8]
    assert proof(sealing(tmp_path).bind(engine)).checkpoints == 1
    engine.dispose()


def test_a_checkpoint_that_is_rolled_back_is_nowhere(engine: Engine, sealed: Sealing):
    write(engine, 5)
    with pytest.raises(KeyError):
        _fail_after_sealing(engine)
    assert (sizes(engine), witnessed(sealed)) == ([1], [1])
    with transaction(engine, write=True) as db:
        with db.begin_nested() as part:
            append(db)
            part.rollback()
        append(db)
    assert (sizes(engine), witnessed(sealed)) == ([1, 6], [1, 6])
    assert proof(engine).events == 6


def _fail_after_sealing(engine: Engine) -> None:
    with transaction(engine, write=True) as db:
        append(db)
        assert checkpoints.last(db).size == 6
        raise KeyError


def test_the_private_key_is_for_its_owner_and_outside_of_the_database(
    engine: Engine, sealed: Sealing
):
    write(engine)
    folder = sealed.keys.folder
    (path,) = folder.glob("*.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="others can read"):
        write(engine, 6)


def test_a_key_that_was_replaced_signs_nothing_and_is_still_known(engine: Engine, sealed: Sealing):
    write(engine, 3)
    door = Door(engine, actor="person:gov", clock=Clock())
    old = sealed.keys.signer().id
    new = notary.rotate(door)
    assert new != old
    assert [path.stem for path in sealed.keys.folder.glob("*.key")] == [new]
    assert sealed.keys.public().keys() == {old, new}
    write(engine, 5)
    with transaction(engine) as db:
        assert [one.key for one in checkpoints.since(db, 0)] == [old, new, new]
        (event,) = audit.events(db, kind=EventKind.AUDIT_ROTATE_KEY)
    assert event.detail == {"key": new}
    assert proof(engine).events == 9
    (sealed.keys.folder / f"{old}.pub").unlink()
    with pytest.raises(Corrupt, match=f"event 1 is where a checkpoint is not signed .* key {old}"):
        proof(engine)


def test_no_key_is_made_where_the_operator_named_a_folder(blank_url: str, tmp_path: Path):
    keys = Keys(tmp_path / "named", makes=False)
    engine = Sealing(keys=keys).bind(open_database(blank_url))
    with pytest.raises(Misconfigured, match=r"there is no key in .*named to sign"):
        write(engine)
    keys.rotate()
    write(engine)
    assert sizes(engine) == [1]
    engine.dispose()


def test_two_processes_that_begin_at_once_have_one_key(tmp_path: Path):
    first, second = Keys(tmp_path), Keys(tmp_path)
    made = first._make(first=True)
    assert second._make(first=True) == made
    assert first.signer().id == second.signer().id == made


def test_keys_that_cannot_be_read_are_named(tmp_path: Path):
    keys = Keys(tmp_path)
    made = keys.signer().id
    (tmp_path / f"{made}.key").write_text("no key")
    with pytest.raises(Misconfigured, match=r"keys of the audit trail in .* cannot be used"):
        keys.signer()


def test_a_signature_counts_for_what_was_signed_only(
    tmp_path: Path, engine: Engine, sealed: Sealing
):
    write(engine)
    with transaction(engine) as db:
        (made,) = checkpoints.since(db, 0)
    is_signed = sealed.is_signed
    assert is_signed(made)
    for change in (
        {"size": 2},
        {"root": made.head},
        {"head": made.root},
        {"at": NOW + timedelta(seconds=1)},
        {"signature": "no hex"},
        {"signature": "00" * 64},
        {"key": "unknown"},
    ):
        values = {name: getattr(made, name) for name in Checkpoint.__slots__}
        assert not is_signed(Checkpoint(**{**values, **change})), change
    assert not signed_by(Keys(tmp_path / "other").public())(made)


DAMAGES = {
    "UPDATE audit_events SET actor = 'person:eve' WHERE sequence = 4": 4,
    "UPDATE audit_checkpoints SET root = head WHERE size = 6": 6,
    "UPDATE audit_checkpoints SET signature = 'ab' WHERE size = 6": 6,
    "UPDATE audit_checkpoints SET size = 9 WHERE size = 6": 9,
    "DELETE FROM audit_events WHERE sequence > 8": 9,
    "DELETE FROM audit_events WHERE sequence > 0": 1,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_hand_did_in_the_database_is_found_and_the_first_event_named(
    engine: Engine, damage: str
):
    write(engine, 12)
    with transaction(engine, write=True) as db:
        db.execute(text(damage))
    with pytest.raises(Corrupt, match=f"audit event {DAMAGES[damage]} "):
        proof(engine)


def cut(engine: Engine, beyond: int) -> None:
    """Take events out so that the database alone says nothing about it."""
    with transaction(engine, write=True) as db:
        db.execute(text(f"DELETE FROM audit_events WHERE sequence > {beyond}"))
        db.execute(text(f"DELETE FROM audit_checkpoints WHERE size > {beyond}"))


def test_a_cut_that_took_the_checkpoints_too_is_found_by_the_witness(
    engine: Engine, sealed: Sealing, tmp_path: Path
):
    write(engine, 12)
    cut(engine, 8)
    assert proof(sealing(tmp_path, witnessed=False).bind(engine)).events == 8
    with pytest.raises(Corrupt, match="event 9 is not there: 11 were signed for"):
        proof(engine)


def test_a_catalog_that_was_cut_off_goes_on_before_no_witness(engine: Engine, sealed: Sealing):
    """The next checkpoint would sign for a trail that is not the one the witness knows."""
    write(engine, 12)
    cut(engine, 8)
    with pytest.raises(Corrupt, match="knows a checkpoint of 11 events, and the catalog does not"):
        write(engine, 5)
    assert (sizes(engine), witnessed(sealed)) == ([1, 6], [1, 6, 11])


def test_a_trail_written_anew_after_a_cut_is_found_by_the_witness(engine: Engine, tmp_path: Path):
    write(engine, 12)
    cut(engine, 8)
    write(sealing(tmp_path, witnessed=False).bind(engine), 10, each=timedelta(hours=1))
    with pytest.raises(Corrupt, match="event 7 or a later one up to 11 is not the one"):
        proof(engine)


def test_what_a_killed_process_did_not_tell_the_witness_is_told_with_the_next(
    engine: Engine, sealed: Sealing, tmp_path: Path
):
    write(engine, 6)
    write(sealing(tmp_path, witnessed=False).bind(engine), 5)
    assert sealed.witness
    with sealed.witness.path.open("a") as file:
        file.write('{"size": 11, "ro')  # and it was killed here
    with pytest.raises(Corrupt, match="cannot be read"):
        sealed.witness.read()
    write(engine, 5)
    assert witnessed(sealed) == sizes(engine) == [1, 6, 11, 16]
    assert proof(engine).witnessed == 4


def test_without_its_witness_nothing_is_signed_and_nothing_changed(blank_url: str, tmp_path: Path):
    lost = sealing(tmp_path)
    (tmp_path / "witness.ndjson").mkdir()
    engine = lost.bind(open_database(blank_url))
    with pytest.raises(Unavailable, match=r"witness .* cannot be used"):
        write(engine)
    with transaction(engine) as db:
        assert audit.events(db) == []
    with pytest.raises(Unavailable, match=r"witness .* cannot be used"):
        proof(engine)
    engine.dispose()


def test_what_was_committed_stands_though_the_witness_was_lost_after(
    engine: Engine, sealed: Sealing
):
    assert sealed.witness
    with transaction(engine, write=True) as db:
        append(db)
        sealed.witness.path.unlink()
        sealed.witness.path.mkdir()
    assert sizes(engine) == [1]
    sealed.witness.path.rmdir()
    write(engine, 5)
    assert witnessed(sealed) == [1, 6]


def test_the_witness_is_told_to_the_disk_and_for_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, sealed: Sealing
):
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), real(file))[1]
    )
    write(engine)
    assert sealed.witness
    found = sealed.witness.path.stat()
    assert found.st_ino in synced
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_a_checkpoint_is_made_when_somebody_asks_and_not_twice(engine: Engine, sealed: Sealing):
    door = Door(engine, actor="person:gov", clock=Clock())
    assert notary.checkpoint(door) is None
    write(engine, 3)
    made = notary.checkpoint(door)
    assert made
    assert made.size == 3
    assert notary.checkpoint(door) == made
    assert witnessed(sealed) == [1, 3]


def test_a_catalog_that_is_sealed_elsewhere_is_not_sealed_here(blank_url: str):
    engine = open_database(blank_url)
    door = Door(engine, actor="person:gov", clock=Clock())
    with pytest.raises(Misconfigured, match="sealed elsewhere"):
        notary.rotate(door)
    engine.dispose()


def test_who_does_not_govern_signs_nothing(governed_url: str, tmp_path: Path):
    engine = sealing(tmp_path).bind(open_database(governed_url))
    door = Door(engine, actor="person:ana", clock=Clock())
    for work in (notary.checkpoint, notary.rotate):
        with pytest.raises(Denied, match="person:ana may not"):
            work(door)
    assert not (tmp_path / "keys" / "current").exists() or len(sizes(engine)) == 1
    engine.dispose()


def test_an_examination_begins_at_a_checkpoint_whose_peaks_are_its_root(
    engine: Engine, sealed: Sealing
):
    write(engine, 12)
    with transaction(engine) as db:
        assert checkpoints.start_at(db, 10, is_signed=sealed.is_signed).tree.size == 6
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE audit_checkpoints SET peaks = root WHERE size = 6"))
        db.execute(text("UPDATE audit_checkpoints SET peaks = replace(peaks, 'sha256:', '')"))
    with transaction(engine) as db:
        assert checkpoints.start_at(db, 10, is_signed=sealed.is_signed).tree.size in (1, 6)
        assert checkpoints.start_at(db, 0, is_signed=sealed.is_signed).tree.size == 0


def test_the_witness_tells_nothing_where_nothing_was_said(tmp_path: Path):
    witness = Witness(tmp_path / "none" / "witness")
    assert witness.read() == []
    assert witness.catch_up(lambda _: []) == 0
    assert to_json(witness.read()) == "[]"


PROCESSES, THREADS = 2, 8
EACH = times(50)
"""Events of each of 16 writers: 8,000 in all under STRESS=10."""


def test_many_writers_make_one_sealed_chain(blank_url: str, tmp_path: Path):
    """T2: without a gap, each behind another; and the witness knows every checkpoint."""
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.catalog.chainers", blank_url, str(tmp_path)),
                *map(str, (THREADS * n, THREADS * (n + 1), EACH)),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
            cwd=Path(__file__).parents[2],
        )
        for n in range(PROCESSES)
    ]
    assert [process.wait() for process in processes] == [0] * PROCESSES
    engine = sealing(tmp_path).bind(open_database(blank_url))
    count = PROCESSES * THREADS * EACH
    with transaction(engine) as db:
        proof = prove(db)
        rows = db.execute(
            text("SELECT sequence, previous, subject FROM audit_events ORDER BY sequence")
        )
        sequences, previous, subjects = zip(*rows, strict=True)
    engine.dispose()
    assert sequences == tuple(range(1, count + 1))
    assert len(set(previous)) == len(set(subjects)) == proof.events == count
    assert proof.checkpoints == proof.witnessed == 1 + (count - 1) // 50
