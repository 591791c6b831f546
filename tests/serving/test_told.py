"""Every decision about a governed lookup is in the audit trail, or the lookup is refused.

The whole stack as a user starts it, on both databases: what a server decides, what a process decides by
itself, a server that is killed, and one that cannot write.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from provender.catalog.local import LocalCatalog
from provender.core.audit import AuditEvent, EventKind, Outcome
from provender.core.errors import Denied
from provender.core.policy import Action
from provender.core.serving import SERVER
from provender.online.drain import batches_of
from provender.online.embedded import EmbeddedServer
from provender.online.journal import journal_of_servers
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.settings import Settings
from tests.catalog.conftest import blank_postgresql, blank_template
from tests.postgres import postgres
from tests.serving.governed import (
    ORDERS,
    PROJECT,
    PUBLIC,
    Asker,
    carrying,
    catalog_url,
    govern,
    serving,
    valkey,
)
from tests.serving.test_callers import BLIND, SHOP, WRITER, Stack, governing
from tests.stress import times

__all__ = ["blank_postgresql", "blank_template", "catalog_url", "postgres", "valkey"]
KILLS = times(1)


@pytest.fixture
def stack(catalog_url: str, tmp_path: Path) -> Iterator[Stack]:
    with governing(tmp_path, catalog_url) as made:
        yield made


def told(gov: LocalCatalog, **asked: Any) -> list[AuditEvent]:
    """What the audit trail has of lookups, oldest first."""
    found = gov.records.audit_events(subject=ORDERS.dataset, limit=10_000, **asked)
    return [event for event in reversed(found) if "lookups" in event.detail]


def lookups(gov: LocalCatalog, **asked: Any) -> int:
    return sum(int(str(event.detail["lookups"])) for event in told(gov, **asked))


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_decided_for_each_token_is_in_the_trail_of_its_actor(stack: Stack) -> None:
    shop, blind = stack.tokens[SHOP], stack.tokens[BLIND]
    before = stack.gov.records.audit_events(limit=1)[0].sequence
    assert [stack.lookup(shop, service="model")[0] for _ in range(3)] == [200] * 3
    assert stack.lookup(shop, "f01")[0] == 403
    assert stack.lookup(blind, "f00")[0] == 404
    assert stack.lookup(stack.tokens["marketing"], "f03")[0] == 200

    def news() -> list[AuditEvent]:
        return [event for event in told(stack.gov) if event.sequence > before]

    until(lambda: sum(int(str(one.detail["lookups"])) for one in news()) == 6, seconds=3)
    served, closed, hidden, sold = sorted(news(), key=lambda one: str(one.detail["requests"]))
    assert (served.actor, served.kind) == (SHOP, EventKind.ACCESS_PERMIT)
    assert served.detail["lookups"] == served.detail["entities"] == 3
    assert served.detail["purpose"] == "serving"
    assert served.detail["service"] == "model"
    assert served.detail["views"] == {"orders": 0}
    assert served.detail["tags"] == {"f00": ["personal"]}
    reasons: Any = served.detail["reasons"]
    assert reasons["f00"] == "grant g2; to service:online: grant g1"
    assert reasons.keys() == {"f00", "id", "at"}
    assert served.detail["told_by"] == SERVER
    assert (closed.actor, closed.kind) == (SHOP, EventKind.ACCESS_DENY)
    assert "orders:f01 is closed for serving" in str(closed.detail["because"])
    assert (hidden.actor, hidden.kind) == (BLIND, EventKind.ACCESS_DENY)
    assert (sold.detail["purpose"], sold.kind) == ("marketing", EventKind.ACCESS_PERMIT)
    assert "7" not in [str(value) for event in news() for value in event.detail.values()]
    assert stack.gov.records.verify_audit()
    since = next(one.at for one in stack.gov.records.audit_events() if one.sequence == before)
    unused = stack.gov.as_actor("person:sam").access.unused(since=since)
    assert [grant.grantee for grant in unused.items] == [WRITER]


@pytest.mark.parametrize("turn", range(KILLS))
def test_a_server_that_is_killed_before_its_journal_is_drained_is_told_of_exactly_once(
    catalog_url: str, valkey: EmbeddedServer, tmp_path: Path, turn: int
) -> None:
    with OnlineStore(valkey.url) as store:
        govern(catalog_url, store)
    asked = 40
    with LocalCatalog(catalog_url, actor="person:gov") as gov:
        with serving(tmp_path, catalog_url, valkey.url) as address:
            asker = Asker(address)
            assert asker.ask("f00")[0] == 200
            until(lambda: lookups(gov) == 1)
            carrier = carrier_of(tmp_path)
            carrier.suspend()  # from here on nobody takes what is written
            answered = sum(asker.ask("f00")[0] == 200 for _ in range(asked))
            assert 0 < answered <= asked
            until(lambda: on_disk(tmp_path) == answered)
            for pid in (carrier.ppid(), carrier.pid):  # the server started who carries
                os.kill(pid, signal.SIGKILL)
            asker.close()
        waits = list(journal_of_servers(tmp_path).glob("*.*"))
        assert waits
        with serving(tmp_path, catalog_url, valkey.url):
            until(lambda: lookups(gov, verdict=Outcome.ALLOW) == 1 + answered, seconds=10)
            time.sleep(1)
        assert lookups(gov, verdict=Outcome.ALLOW) == 1 + answered
        assert gov.records.verify_audit()


def test_where_nothing_can_be_written_down_only_what_is_public_is_served(
    valkey: EmbeddedServer, tmp_path: Path
) -> None:
    catalog_url = f"sqlite:///{tmp_path / 'catalog.db'}"
    with OnlineStore(valkey.url) as store:
        govern(catalog_url, store)
    with serving(tmp_path, catalog_url, valkey.url, unrecorded="public") as address:
        asker = Asker(address)
        assert asker.ask("f00", PUBLIC)[0] == 200
        with unwritable(journal_of_servers(tmp_path)):
            until(lambda: asker.get("/ready")[0] == 503)
            status, said = asker.ask("f00", PUBLIC)
            assert (status, said.partition(":")[0]) == (403, "lookups cannot be written down")
            assert asker.ask(PUBLIC)[0] == 200
            assert "cannot be written" in asker.get("/health")[1]["policy"]["journal"]
        until(lambda: asker.ask("f00")[0] == 200)
        asker.close()


def test_lookups_in_process_are_told_and_refused_where_they_cannot_be(
    catalog_url: str, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    with OnlineStore(valkey.url) as store:
        grants = govern(catalog_url, store)
    chosen = Settings(
        home=tmp_path, catalog_url=catalog_url, redis_url=valkey.url, actor="person:ana"
    )
    with LocalCatalog(catalog_url, actor="person:sam") as sam, carrying(catalog_url, valkey.url):
        own = sam.records.grant(ORDERS, grantee="person:ana", action=Action.SERVE, columns=("f00",))
        gov = sam.as_actor("person:gov")
        with connect(settings=chosen) as workspace:
            look = workspace.online(features=["orders:f00"], project=PROJECT)
            for _ in range(5):
                look({"id": [1, 2]})
            until(lambda: lookups(gov, actor="person:ana") == 5, seconds=5)
            with unwritable(tmp_path / "journal" / "person%3Aana"):
                until(lambda: refuses(look))
            until(lambda: not refuses(look))
            sam.records.revoke(own.id)
            until(lambda: refuses(look))
        found = told(gov, actor="person:ana")
        assert {event.detail["where"] for event in found} == {"in process"}
        found_by = dict.fromkeys(("at", "id"), "rule public")
        assert found[0].detail["reasons"] == {"f00": f"grant {own.id}", **found_by}
        assert found[0].detail["tags"] == {"f00": ["personal"]}
        assert [event for event in found if event.kind is EventKind.ACCESS_DENY]
        assert grants
        assert gov.records.verify_audit()


def refuses(look: Any) -> bool:
    try:
        look({"id": [1]})
    except Denied:
        return True
    return False


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Something else lies where the journal is."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.write_text("no folder")
    yield
    folder.unlink()
    aside.rename(folder)


def on_disk(home: Path) -> int:
    """How many lookups wait in the journal of the servers of ``home``."""
    try:
        batches = [one for path in journal_of_servers(home).glob("*.*") for one in batches_of(path)]
    except FileNotFoundError:  # a segment was closed meanwhile, and has another name
        return 0
    return sum(tally.lookups for batch in batches for tally in batch.tallies)


def carrier_of(home: Path) -> psutil.Process:
    """The process that carries the policy for the server of the state folder ``home``."""
    there = psutil.Process().children(recursive=True)
    [found] = [
        one
        for one in there
        if one.status() != psutil.STATUS_ZOMBIE
        and "policy" in one.cmdline()
        and one.environ().get("PROVENDER_HOME") == str(home)
    ]
    return found
