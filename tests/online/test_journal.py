"""The journal of lookups: nothing that is on the disk is lost or told twice, wherever it is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from provender.catalog import audit
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind, Outcome
from provender.core.bounds import DATASETS
from provender.core.errors import Denied, InvalidInput, ProvenderError, Unavailable
from provender.core.serving import SERVER
from provender.core.tally import Batch, Matter
from provender.online.drain import Drain, adopt, batches_of
from provender.online.journal import Backlog, Journal, Ledger, behind
from provender.online.spool import whole_lines
from tests.catalog.conftest import (
    clock,
    governed_postgresql,
    governed_sqlite,
    governed_url,
    postgres_template,
    sqlite_template,
)
from tests.online.journaling import MATTER, NAME
from tests.postgres import postgres, postgres_url
from tests.stress import times

__all__ = [
    "clock",
    "governed_postgresql",
    "governed_sqlite",
    "governed_url",
    "postgres",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
]
OTHER = Matter(
    actor="", purpose="", project="shop", reasons={NAME: {"tailnum": "no rule or grant"}}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def catalog(governed_url: str) -> Iterator[LocalCatalog]:
    with LocalCatalog(governed_url, actor=SERVER) as opened:
        yield opened


def held(folder: Path) -> list[Batch]:
    """What is in all closed segments."""
    return [batch for path in sorted(folder.glob("*.seg")) for batch in batches_of(path)]


def counted(folder: Path) -> Counter[str]:
    """How many lookups the segments hold, by their verdict."""
    found: Counter[str] = Counter()
    for batch in held(folder):
        for tally in batch.tallies:
            found[tally.verdict] += tally.lookups
    return found


def decisions(catalog: LocalCatalog) -> list[dict[str, object]]:
    """What the audit trail tells of lookups, oldest first."""
    with catalog.as_actor(SERVER)._door.reading() as db:
        events = audit.events(db, limit=10_000)
    return [
        one.detail for one in reversed(events) if "lookups" in one.detail and "where" in one.detail
    ]


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_lookups_of_many_threads_are_counted_in_few_batches_of_at_most_100_ms(folder: Path) -> None:
    journal = Journal(folder, segment_seconds=60)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.note(MATTER, Outcome.ALLOW, 2), range(1000)))
    journal.note(MATTER, Outcome.DENY, 1, "closed")
    [opened] = folder.glob("*.open")
    began = time.monotonic()
    until(lambda: b"deny" in opened.read_bytes())
    assert time.monotonic() - began < 1
    journal.close()
    [segment] = folder.glob("*.seg")
    assert len(list(whole_lines(segment.read_bytes()))) <= 4
    [batch] = batches_of(segment)
    allowed, denied = batch.tallies
    assert (allowed.matter, allowed.lookups, allowed.entities) == (MATTER, 1000, 2000)
    assert (denied.lookups, denied.because) == (1, "closed")
    run = allowed.first.partition(".")[0]
    assert (allowed.first, allowed.last, denied.first) == (f"{run}.1", f"{run}.1000", f"{run}.1001")
    assert allowed.began <= allowed.ended <= denied.began


def test_what_is_drained_is_in_the_audit_trail_once_and_the_trail_holds(
    folder: Path, catalog: LocalCatalog
) -> None:
    journal = Journal(folder)
    for _ in range(3):
        journal.note(MATTER, Outcome.ALLOW, 1)
    journal.note(OTHER, Outcome.DENY, 1, "feature is closed")
    journal.close()
    [batch] = held(folder)
    assert Drain(folder, catalog.records.tell_lookups).once() == 4
    catalog.records.tell_lookups(batch)  # as if it was killed before the segment was deleted
    allowed, denied = decisions(catalog)
    assert list(folder.glob("*.seg")) == []
    assert (allowed["lookups"], denied["lookups"]) == (3, 1)
    assert allowed["tags"] == {"arr_delay": ["personal"]}
    assert allowed["reasons"] == {"arr_delay": "grant g1"}
    assert (allowed["batch"], allowed["views"], allowed["told_by"]) == (
        batch.id,
        {"orders": 3},
        SERVER,
    )
    assert denied["because"] == "feature is closed"
    gov = catalog.as_actor("person:gov").records
    [mine] = gov.audit_events(kind=EventKind.ACCESS_PERMIT, actor="service:shop", purpose="serving")
    [theirs] = gov.audit_events(verdict=Outcome.DENY, actor=SERVER, subject=NAME)
    assert (mine.subject, theirs.subject) == (NAME, NAME)
    [told] = gov.audit_events(kind=EventKind.LOOKUPS_RECORD)
    assert (told.subject, told.detail["lookups"]) == (batch.id, 4)
    assert gov.verify_audit() >= 3


def test_lookups_of_more_than_the_catalog_takes_at_once_are_all_told(
    folder: Path, catalog: LocalCatalog
) -> None:
    names = [f"shop.d{n}" for n in range(DATASETS + 1)]
    journal = Journal(folder)
    for number in range(6):
        reasons = {name: {"c": f"grant g{number}"} for name in names}
        journal.note(replace(MATTER, reasons=reasons, tags={}), Outcome.ALLOW, 1)
    journal.close()
    Drain(folder, catalog.records.tell_lookups).once()
    with catalog.as_actor(SERVER)._door.reading() as db:
        told = Counter(
            one.subject for one in audit.events(db, limit=10_000) if "where" in one.detail
        )
    assert told == dict.fromkeys(names, 6)
    assert not list(folder.glob("*"))


@pytest.mark.parametrize("away", [Unavailable("gone", hint=""), Denied("who?", hint="")])
def test_what_says_what_cannot_be_is_put_aside_and_what_is_not_taken_now_stays(
    folder: Path, catalog: LocalCatalog, away: ProvenderError
) -> None:
    for matter in (MATTER, OTHER):
        journal = Journal(folder)
        journal.note(matter, Outcome.ALLOW, 1)
        journal.close()

    def take(batch: Batch) -> None:
        if batch.tallies[0].matter == OTHER:
            raise away
        raise InvalidInput("no", hint="")

    with pytest.raises(type(away)):
        Drain(folder, take).once()
    assert len(list((folder / "refused").glob("*.seg"))) == 1
    assert [batch.tallies[0].matter for batch in held(folder)] == [OTHER]
    assert Drain(folder, catalog.records.tell_lookups).once() == 1


def test_who_neither_serves_nor_governs_tells_of_themselves_what_they_may_know(
    folder: Path, catalog: LocalCatalog
) -> None:
    journal = Journal(folder)
    journal.note(MATTER, Outcome.ALLOW, 1)
    journal.close()
    [batch] = held(folder)
    ana = catalog.as_actor("person:ana")
    with pytest.raises(Denied, match="person:ana cannot tell that service:shop looked up"):
        ana.records.tell_lookups(batch)
    assert decisions(catalog) == []
    catalog.as_actor("person:gov").records.tell_lookups(batch)
    assert len(decisions(catalog)) == 1


def test_a_restricted_lookup_is_refused_where_it_cannot_be_written_down(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")
    journal = Journal(folder)
    strict, lenient = Ledger(journal), Ledger(journal, passes=True)
    for ledger, is_public in ((strict, False), (strict, True), (lenient, False)):
        with pytest.raises(Denied, match=r"lookups cannot be written down: .* cannot be written"):
            ledger.served(MATTER, 1, is_public=is_public)
    lenient.served(MATTER, 1, is_public=True)
    strict.served(None, 1, is_public=False)  # nobody governs it
    strict.refused(OTHER, 1, Denied("closed", hint=""))
    folder.unlink()
    until(lambda: journal.problem == "")
    strict.served(MATTER, 1, is_public=False)
    journal.close()
    assert counted(folder) == {"allow": 2, "deny": 1}  # also what was counted meanwhile
    with pytest.raises(Denied, match="journal is closed"):
        strict.served(MATTER, 1, is_public=False)


def test_a_lookup_is_refused_where_the_catalog_does_not_take_what_was_written(folder: Path) -> None:
    journal = Journal(folder, backlog=Backlog(seconds=0.5), segment_seconds=0.1)
    journal.note(MATTER, Outcome.ALLOW, 1)
    until(lambda: "the catalog has not taken them" in journal.problem)
    assert Drain(folder, lambda _: None).once() == 1
    until(lambda: journal.problem == "")
    journal.close()


def test_a_backlog_is_too_old_or_too_large(folder: Path) -> None:
    folder.mkdir()
    now = time.time()
    (folder / f"{int((now - 50) * 1e9):020d}-{'a' * 12}.seg").write_bytes(b"x" * 2000)
    assert behind(folder, Backlog(), now=now) == ""
    assert "for 61 s" in behind(folder, Backlog(), now=now + 11)
    assert "wait in" in behind(folder, Backlog(size_bytes=1999), now=now)


def test_a_batch_that_was_torn_is_none_and_what_a_process_left_open_is_taken(folder: Path) -> None:
    journal = Journal(folder)
    journal.note(MATTER, Outcome.ALLOW, 1)
    journal.close()
    [segment] = folder.glob("*.seg")
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[:-3])
    segment.rename(segment.with_suffix(".open"))
    segment.with_name(f"{'0' * 20}-{'b' * 12}.seg").write_bytes(whole[:-1])
    busy = Journal(folder, segment_seconds=60)
    adopt(folder)
    assert len(list(folder.glob("*.open"))) == 1  # the one that is being written
    assert counted(folder) == {"allow": 1}
    busy.close()


def test_what_is_large_is_handed_in_by_portions_the_same_each_time(folder: Path) -> None:
    journal = Journal(folder, segment_seconds=60)
    matters = [replace(MATTER, service=f"{n}-{'x' * 600_000 * (n % 2)}") for n in range(260)]
    for matter in (*matters[:5], *matters[6::2]):
        journal.note(matter, Outcome.ALLOW, 1)
    journal.close()
    batches = held(folder)
    assert [len(batch.tallies) for batch in batches] == [3, 100, 29]
    assert held(folder) == batches
    assert [batch.id.rpartition(".")[2] for batch in batches] == ["0", "1", "2"]


def test_a_clock_that_goes_back_keeps_nothing_from_being_told(
    folder: Path, catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder, segment_seconds=60)
    hours = iter([1e9, 1e9 - 3600, 9e9])
    monkeypatch.setattr("provender.online.journal.time.time", lambda: next(hours, 9e9))
    for _ in range(3):
        journal.note(MATTER, Outcome.ALLOW, 1)
    monkeypatch.undo()
    journal.close()
    assert Drain(folder, catalog.records.tell_lookups).once() == 3
    assert not (folder / "refused").exists()
    assert len(decisions(catalog)) == 1


def test_a_process_that_is_forked_does_not_count_into_nowhere(folder: Path) -> None:
    journal = Journal(folder)
    child = os.fork()
    if not child:
        os._exit(0 if journal.problem else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert journal.problem == ""
    journal.close()


def test_a_full_disk_loses_nothing_that_is_counted_before_it_refuses(folder: Path) -> None:
    with run_writer(folder, "full") as done:
        assert done.stdout is not None
        answered = int(done.stdout.read())
    assert done.returncode == 0
    adopt(folder)
    assert counted(folder) == {"allow": answered}


@pytest.mark.parametrize("turn", range(times(3)))
def test_what_a_killed_server_wrote_is_told_exactly_once(
    folder: Path, catalog: LocalCatalog, turn: int
) -> None:
    chance = random.Random(turn)
    with run_writer(folder, "endless") as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.random() * 0.5)
        os.kill(writer.pid, signal.SIGKILL)
    adopt(folder)
    there = counted(folder)["allow"]
    sent = 0

    def killed_between(batch: Batch) -> None:
        nonlocal sent
        catalog.records.tell_lookups(batch)
        sent += 1
        if chance.random() < 0.5:
            raise KeyboardInterrupt  # it is in the catalog, and nobody heard

    for _ in range(50):
        try:
            Drain(folder, killed_between).once()
            break
        except KeyboardInterrupt:
            continue
    assert sent
    assert sum(int(str(one["lookups"])) for one in decisions(catalog)) == there > 0
    assert catalog.as_actor("person:gov").records.verify_audit()


def run_writer(folder: Path, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.online.journaling", str(folder), how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *filter(None, sys.path)])},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
