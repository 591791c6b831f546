"""A backup of before an erasure is restored: nobody reads what it let go, and it is done again."""

import json
import shutil
from pathlib import Path

import pytest

from provender import bootstrap
from provender.catalog.backup import write
from provender.catalog.restore import restore
from provender.core.clock import utc_now
from provender.core.datasets import Format
from provender.core.erasure import Erasure, State
from provender.core.errors import Conflict, Corrupt, Gone
from provender.settings import Settings
from provender.tables import ledger
from tests.erasure.bytes import holding
from tests.erasure.conftest import SECRET, SUBJECT, TRIPS, made, people
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


def restored(backup: Path, home: Path, url: str = "") -> Settings:
    """Restore a backup into ``home``, whose lake is there, as provender restore does."""
    chosen = Settings(home=home, actor="person:gov", catalog_url=url)
    restore(
        backup,
        chosen.database_url,
        actor=chosen.actor,
        clock=utc_now,
        keys=bootstrap.sealing(chosen).keys,
        erasures=ledger.read(chosen.lake),
    )
    return chosen


def test_an_erasure_outlives_the_catalog_it_was_made_in(tmp_path: Path, postgres_url: str):
    """Restored into PostgreSQL; into SQLite `test_everywhere` restores."""
    home, backup, before = tmp_path / "home", tmp_path / "catalog.tar", tmp_path / "lake"
    home.mkdir()
    made(home, [Format.DELTA])
    door = bootstrap.door(Settings(home=home, actor="person:gov"))
    write(door, backup)
    door.engine.dispose()
    shutil.copytree(home / "lake", before)
    with people(home) as acting:
        done = acting("gov").erase(SUBJECT, reason="x")
    for file in home.glob("catalog.db*"):
        file.unlink()
    shutil.copytree(before, home / "lake", dirs_exist_ok=True)  # the old files are there again
    assert holding(home / "lake", SECRET)

    restored(backup, home, postgres_url)
    name = str(TRIPS[Format.DELTA])
    with people(home, postgres_url) as acting:
        for number in (2, 3):
            with pytest.raises(Gone, match=done.id):
                acting("ana").read(f"{name}@{number}")
        assert acting("ana").read(name).num_rows == 10
        gov = acting("gov")
        (known,) = gov.catalog.erasures.erasures().items
        assert (known.id, known.state) == (done.id, State.RESTORED)
        assert gov.fsck().faults == ()
        with pytest.raises(Conflict, match="nobody looked into fleet"):  # since the restore
            gov.catalog.erasures.finish(done.id)
        again = gov.erase(resume=done.id)
        assert again.state is State.DONE
        assert gov.fsck(remove=True).is_well
        assert acting("ana").read("fleet.pay").num_rows == 6
    assert holding(home, SECRET) == []


def test_the_lake_has_the_certificate_and_what_was_not_signed_is_none(tmp_path: Path):
    home, backup = tmp_path / "home", tmp_path / "catalog.tar"
    home.mkdir()
    made(home, [])
    chosen = Settings(home=home, actor="person:gov")
    door = bootstrap.door(chosen)
    write(door, backup)
    door.engine.dispose()
    with people(home) as acting:
        done: Erasure = acting("gov").erase("payee=nobody", reason="x")
        assert acting("gov").catalog.erasures.erasure(done.id) == done
    assert ledger.read(chosen.lake) == [done]
    (file,) = (chosen.lake / ledger.FOLDER).glob("*.json")
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"reason": "another"}))
    for old in home.glob("catalog.db*"):
        old.unlink()
    with pytest.raises(Corrupt, match=f"{done.id} beside the lake is not what was signed"):
        restored(backup, home)
