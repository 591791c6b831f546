"""Policy leases beside the rows: read with them, over by themselves, and never older than they say."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provender.core.errors import Denied, Unavailable
from provender.core.leases import LEASE, PolicyLease, Ruling, Unconfirmed
from provender.core.names import FeatureRef
from provender.core.serving import SERVER
from provender.online.epoch import Epoch
from provender.online.leasing import NO_WORD, Word, lease_key, leased_key
from provender.online.plan import compile_plan
from provender.online.pump import Pump
from provender.online.store import OnlineStore
from provender.online.tenure import Tenure
from tests.online.servers import cluster_node
from tests.online.views import manifest, view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = b"p{1}"
X, Y = FeatureRef("weather", "x"), FeatureRef("weather", "y")
MANIFEST = manifest(view({"x": "int64", "y": "int64"}), project="p")


class Policy:
    """What a pump asks; `lease` may be changed, and `answers` taken away."""

    def __init__(self, **verdict: Any) -> None:
        self.asked = 0
        self.answers = True
        self.before_answer = lambda: None
        self.set("1", **verdict)

    def set(self, state: str, **verdict: Any) -> None:
        self.lease = PolicyLease(project="p", state=state, holders={SERVER: Ruling(**verdict)})

    def policy_state(self, project: str) -> str:
        if not self.answers:
            raise Unavailable("the catalog is gone", hint="wait")
        state = self.lease.state
        self.before_answer()
        return state

    def policy_lease(self, project: str) -> PolicyLease:
        self.asked += 1
        return self.lease


def held(store: OnlineStore, **more: Any) -> tuple[Epoch, Tenure]:
    return Epoch("p", lambda: None, leased=True), Tenure(store, "p", **more)


def read(store: OnlineStore, epoch: Epoch) -> Word:
    assert store.read([KEY], epoch=epoch) == [b"row"]
    return epoch.told.word


@pytest.fixture
def filled(store: OnlineStore) -> OnlineStore:
    store.publish_manifest(MANIFEST)
    store.write([(KEY, b"row")])
    return store


def test_the_word_comes_with_the_rows_in_one_command(filled: OnlineStore) -> None:
    pump = Pump(filled, Policy(opened={"weather:x": None}), "p")
    lease = pump.renew(NOW)
    plain, (leased, _) = Epoch("p", lambda: None), held(filled)
    with filled.commands() as client:
        client.config_resetstat()
    read(filled, plain)
    read(filled, leased)
    with filled.commands() as client:
        told = client.info("commandstats")
    assert told["cmdstat_mget"]["calls"] == 2
    assert "cmdstat_get" not in told
    assert leased.told.word == Word(lease.digest, "1")
    assert plain.told.word == NO_WORD


def test_a_lease_is_over_by_the_store_s_clock_where_nobody_renews_it(filled: OnlineStore) -> None:
    policy = Policy(opened={"weather:x": None})
    epoch, _ = held(filled)
    pump = Pump(filled, policy, "p")
    began = time.monotonic()
    pump.renew(NOW)
    assert read(filled, epoch).digest
    while read(filled, epoch).digest:
        assert time.monotonic() - began < LEASE.total_seconds() + 0.2
    policy.answers = False
    with pytest.raises(Unavailable):
        pump.renew(NOW)
    assert read(filled, epoch) == NO_WORD


def test_what_was_asked_too_long_ago_is_not_put_in_force(filled: OnlineStore) -> None:
    policy = Policy(opened={"weather:x": None})
    policy.before_answer = lambda: time.sleep(LEASE.total_seconds() + 0.05)
    epoch, _ = held(filled)
    Pump(filled, policy, "p").renew(NOW)
    assert read(filled, epoch) == NO_WORD


def test_who_asked_before_another_wrote_writes_nothing(filled: OnlineStore) -> None:
    older, newer = Policy(opened={"weather:x": None}), Policy()
    newer.set("2", closed={"weather:x": "revoked"})
    epoch, _ = held(filled)
    older.before_answer = lambda: Pump(filled, newer, "p").renew(NOW)
    Pump(filled, older, "p").renew(NOW)
    assert read(filled, epoch).state == "2"


def test_a_lease_is_asked_for_when_the_state_is_another_or_a_verdict_ends(
    filled: OnlineStore,
) -> None:
    policy = Policy(opened={"weather:x": NOW + timedelta(hours=1)})
    pump = Pump(filled, policy, "p")
    for _ in range(3):
        pump.renew(NOW)
    assert policy.asked == 1
    policy.set("2", opened={"weather:x": NOW + timedelta(hours=1)})
    pump.renew(NOW)
    assert policy.asked == 2
    pump.renew(NOW + timedelta(hours=1))
    assert policy.asked == 3


def test_a_server_takes_up_the_lease_that_the_word_names(filled: OnlineStore) -> None:
    policy = Policy(opened={"weather:x": None, "weather:y": None})
    pump, (epoch, tenure) = Pump(filled, policy, "p"), held(filled)
    plan = compile_plan(MANIFEST, [X, Y])
    with pytest.raises(Denied, match="no policy lease"):
        tenure.require(plan, NOW, confirmed=True)
    pump.renew(NOW)
    assert tenure.renew(read(filled, epoch))
    tenure.require(plan, NOW, confirmed=True)
    policy.set("2", opened={"weather:x": None}, closed={"weather:y": "revoked"})
    pump.renew(NOW)
    word = read(filled, epoch)
    assert not tenure.holds(word)
    assert tenure.renew(word)
    with pytest.raises(Denied, match="weather:y is closed for serving: revoked"):
        tenure.require(plan, NOW, confirmed=True)
    tenure.require(compile_plan(MANIFEST, [X]), NOW, confirmed=True)


def test_a_state_that_changes_no_verdict_makes_no_server_fetch(filled: OnlineStore) -> None:
    policy = Policy(opened={"weather:x": None})
    pump, (epoch, tenure) = Pump(filled, policy, "p"), held(filled)
    pump.renew(NOW)
    tenure.renew()
    policy.set("2", opened={"weather:x": None})
    pump.renew(NOW)
    word = read(filled, epoch)
    assert (word.state, tenure.holds(word)) == ("2", True)


def test_what_is_open_for_a_time_closes_at_its_instant(filled: OnlineStore) -> None:
    until = NOW + timedelta(hours=1)
    Pump(filled, Policy(opened={"weather:x": until}), "p").renew(NOW)
    _, tenure = held(filled)
    tenure.renew()
    plan = compile_plan(MANIFEST, [X])
    tick = timedelta(microseconds=1)
    tenure.require(plan, until - tick, confirmed=True)
    assert tenure.refuses(plan, until)
    assert not tenure.refuses(plan, until - tick)
    with pytest.raises(Denied, match="was open for serving until 2026-03-01T01:00:00"):
        tenure.require(plan, until, confirmed=True)


@pytest.mark.parametrize("without", Unconfirmed)
def test_unconfirmed_only_what_is_public_is_served_if_so_told(
    filled: OnlineStore, without: Unconfirmed
) -> None:
    opened = {"weather:x": None, "weather:y": None}
    Pump(filled, Policy(opened=opened, public=("weather:x",)), "p").renew(NOW)
    _, tenure = held(filled, without=without)
    tenure.renew()
    for asked, is_public in (([X], True), ([Y], False), ([X, Y], False)):
        plan = compile_plan(MANIFEST, asked)
        tenure.require(plan, NOW, confirmed=True)
        if is_public and without is Unconfirmed.PUBLIC:
            tenure.require(plan, NOW, confirmed=False)
        else:
            with pytest.raises(Denied, match="nobody confirmed the policy"):
                tenure.require(plan, NOW, confirmed=False)


def test_a_lease_that_cannot_be_read_is_none(filled: OnlineStore) -> None:
    _, tenure = held(filled)
    with filled.commands() as client:
        client.hset(lease_key("p"), "lease", '{"project": "p", "news": 1}')
    assert not tenure.renew()
    assert "no policy lease" in tenure.problem


def test_deleting_a_project_ends_its_lease(filled: OnlineStore) -> None:
    Pump(filled, Policy(opened={"weather:x": None}), "p").renew(NOW)
    filled.delete("p")
    with filled.commands() as client:
        assert client.exists(lease_key("p"), leased_key("p")) == 0


def test_an_event_loop_learns_it_too(filled: OnlineStore) -> None:
    lease = Pump(filled, Policy(opened={"weather:x": None}), "p").renew(NOW)
    epoch, _ = held(filled)

    async def ask() -> list[bytes | None]:
        reader = filled.reader(epoch=epoch)
        try:
            return await reader.read([KEY])
        finally:
            await reader.close()

    assert asyncio.run(ask()) == [b"row"]
    assert epoch.told.word.digest == lease.digest


def test_in_a_cluster_the_word_is_asked_for_with_the_rows(tmp_path: Path) -> None:
    with (
        cluster_node(tmp_path) as port,
        OnlineStore(f"redis+cluster://127.0.0.1:{port}") as store,
    ):
        store.publish_manifest(MANIFEST)
        store.write([(KEY, b"row")])
        lease = Pump(store, Policy(opened={"weather:x": None}), "p").renew(NOW)
        epoch, _ = held(store)
        assert read(store, epoch).digest == lease.digest

        async def ask() -> list[bytes | None]:
            reader = store.reader(epoch=other)
            try:
                return await reader.read([KEY])
            finally:
                await reader.close()

        other, _ = held(store)
        assert asyncio.run(ask()) == [b"row"]
        assert other.told.word.digest == lease.digest
