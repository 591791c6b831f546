"""T14: what is revoked is served no second longer, whatever else is served meanwhile.

The whole stack as a user starts it: catalog, Valkey, server and what carries the policy, each a
process of its own but for the steward, who is this one.
"""

import logging
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import make_url

from provender.catalog.local import LocalCatalog
from provender.core.policy import Grant
from provender.core.serving import SERVER
from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.catalog.conftest import blank_postgresql, blank_template
from tests.postgres import postgres
from tests.serving.governed import (
    FEATURES,
    PUBLIC,
    Asker,
    Caller,
    carrying,
    catalog_url,
    govern,
    grant,
    serving,
    valkey,
)
from tests.stress import times

__all__ = ["blank_postgresql", "blank_template", "catalog_url", "postgres", "valkey"]

REVOKES = times(100)
PER_SECOND = 200
ASKERS = 4
ALLOWED = 1.0
"""Seconds after the revoke was acknowledged in which an answer may still be on its way."""


UNCONFIRMED = 403, "what may be served is not known"
BUSY = 503, "the online store did not answer within 1 s"
"""What is told where a machine has too much to do: nothing is served then, either."""
"""What a machine is told that is too busy to confirm the policy in time: nothing is served then."""


@dataclass
class Traffic:
    """Lookups of one feature each, so many a second; what each was answered and when it was."""

    asker: Callable[[], Asker | Caller]
    served: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    denied: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    others: list[tuple[int, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    features: Sequence[str] = FEATURES

    def go_on(self, seed: int) -> None:
        asker, chosen = self.asker(), random.Random(seed)
        due = time.monotonic()
        while not self.ended.is_set():
            feature = chosen.choice(self.features)
            began = time.monotonic()
            status, said = asker.ask(feature)
            if status == 200:
                assert said == "[7]"
                self.served[feature].append((began, time.monotonic()))
            elif status == 403 and (f"orders:{feature}" in said or f"orders.{feature}" in said):
                self.denied[feature].append(began)
            else:
                self.others.append((status, said))
            due += ASKERS / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
        if isinstance(asker, Asker):  # each thread has its own; a `Caller` is everybody's
            asker.close()

    @property
    def asked(self) -> int:
        found = [*self.served.values(), *self.denied.values()]
        return sum(map(len, found)) + len(self.others)


@dataclass
class Revoked:
    """When one feature was revoked (acknowledged at), and when it was granted again."""

    feature: str
    at: float
    until: float = float("inf")


def test_what_is_revoked_is_not_served_a_second_later(
    catalog_url: str, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    with OnlineStore(valkey.url) as store:
        grants = govern(catalog_url, store)
    with (
        serving(tmp_path, catalog_url, valkey.url) as address,
        LocalCatalog(catalog_url, actor="person:sam") as sam,
    ):
        revoke_under(Traffic(lambda: Asker(address)), sam, grants, REVOKES)


def test_what_is_revoked_is_not_looked_up_in_process_a_second_later(
    catalog_url: str, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    """A tenth as many again: with each change of the policy each lookup asks the catalog anew."""
    with OnlineStore(valkey.url) as store:
        grants = govern(catalog_url, store)
    chosen = Settings(home=tmp_path, catalog_url=catalog_url, redis_url=valkey.url, actor=SERVER)
    with carrying(catalog_url, valkey.url), LocalCatalog(catalog_url, actor="person:sam") as sam:
        caller, some = Caller(chosen), FEATURES[:8]
        assert {caller.ask(feature) for feature in some} == {(200, "[7]")}
        revoke_under(Traffic(lambda: caller, features=some), sam, grants, times(10))
        caller.close()


def revoke_under(
    traffic: "Traffic", sam: LocalCatalog, grants: dict[str, Grant], count: int
) -> None:
    """Revoke ``count`` grants during the traffic: what is served after a second is a failure.

    All features one after another, then all again, after they were granted again.
    """
    threads = [threading.Thread(target=traffic.go_on, args=(n,)) for n in range(ASKERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    revoked: list[Revoked] = []
    for done in range(0, count, len(traffic.features)):
        some = traffic.features[: count - done]
        if revoked:
            _until(revoked[-1].at + ALLOWED + 0.3)
        for one in revoked[done - len(traffic.features) :][: len(some)]:
            one.until = time.monotonic()
            grants[one.feature] = grant(sam, one.feature)
        for one in revoked[done - len(traffic.features) :][: len(some)]:
            _until_served(traffic, one.feature, one.until)
        for feature in some:
            sam.records.revoke(grants[feature].id)
            revoked.append(Revoked(feature, time.monotonic()))
    _until(revoked[-1].at + ALLOWED + 0.5)
    _until_denied(traffic, revoked)
    seconds = time.monotonic() - began
    traffic.ended.set()
    for thread in threads:
        thread.join()
    late, lags = [], []
    for one in revoked:
        # who asked before it was granted again, and was answered after, may have been by that grant
        answers = [a for a in traffic.served[one.feature] if one.at < a[1] < one.until]
        lags.append(max((answered for _, answered in answers), default=one.at) - one.at)
        late += [a for a in answers if a[0] > one.at + ALLOWED]
    denied = [n for one in revoked for n in traffic.denied[one.feature] if one.at < n < one.until]
    told = (
        f"{len(revoked)} revokes, {traffic.asked} lookups in {seconds:.1f} s, {len(denied)} denied, "
        f"{len(traffic.others)} unconfirmed; served after the revoke for at most {max(lags):.3f} s, "
        f"median {sorted(lags)[len(lags) // 2]:.3f} s"
    )
    logging.getLogger(__name__).info(told)
    assert late == [], told
    told_otherwise = {(status, re.split(r":|\n", said)[0]) for status, said in traffic.others}
    assert told_otherwise <= {UNCONFIRMED, BUSY}
    assert len(denied) >= len(revoked)
    assert max(lags) > 0


def test_without_the_catalog_only_what_is_public_is_served_and_without_the_store_nothing(
    catalog_url: str, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    feature = FEATURES[0]
    with OnlineStore(valkey.url) as store:
        govern(catalog_url, store)
    started = serving(tmp_path, catalog_url, valkey.url, online_unconfirmed="public")
    with started as address, OnlineStore(valkey.url) as store:
        asker = Asker(address)
        assert asker.ask(feature, PUBLIC) == (200, "[7, 7]")
        with without(catalog_url):
            _until(time.monotonic() + ALLOWED + 0.1)
            status, said = asker.ask(feature)
            assert (status, said.partition(":")[0]) == UNCONFIRMED
            assert asker.ask(PUBLIC) == (200, "[7]")
            assert asker.ask(feature, PUBLIC)[0] == 403
            assert asker.get("/ready")[0] == 503
        _until_answered(asker, feature)
        with store.commands() as client:
            client.shutdown(nosave=True)
        assert {asker.ask(PUBLIC)[0], asker.ask(feature)[0]} == {503}
        asker.close()


def test_in_process_without_the_catalog_only_what_is_public_is_looked_up(
    blank_postgresql: str, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    """Nobody carries the policy here: each lookup asks the catalog once in a lease."""
    feature = FEATURES[0]
    with OnlineStore(valkey.url) as store:
        govern(blank_postgresql, store)
    chosen = Settings(
        home=tmp_path,
        catalog_url=blank_postgresql,
        redis_url=valkey.url,
        actor=SERVER,
        online_unconfirmed="public",
    )
    caller = Caller(chosen)
    asked: tuple[tuple[str, ...], ...] = ((feature,), (PUBLIC,), (feature, PUBLIC))
    assert [caller.ask(*some) for some in asked] == [(200, "[7]"), (200, "[7]"), (200, "[7, 7]")]
    with without(blank_postgresql):
        _until(time.monotonic() + ALLOWED)
        (status, said), public, both = [caller.ask(*some) for some in asked]
        assert (status, said.partition(":")[0]) == UNCONFIRMED
        assert public == (200, "[7]")
        assert both[0] == 403
    _until_answered(caller, feature)
    caller.close()


@contextmanager
def without(url: str) -> Iterator[None]:
    """The catalog does not answer while the block runs: PostgreSQL refuses, or who reads a file stands still."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        started = psutil.Process().children(recursive=True)
        there = [one for one in started if one.status() != psutil.STATUS_ZOMBIE]
        [carrier] = [one for one in there if "policy" in one.cmdline()]
        carrier.suspend()
        yield
        carrier.resume()
        return
    name = sql.Identifier(parts.database or "")
    at = parts.set(drivername="postgresql", database="postgres")
    with psycopg.connect(at.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        admin.execute(gone, [parts.database])
        yield
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


def _until_answered(asker: Asker | Caller, feature: str) -> None:
    deadline = time.monotonic() + 30
    while asker.ask(feature)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.monotonic()))


def _until_denied(traffic: Traffic, revoked: Sequence[Revoked]) -> None:
    """Wait until each was denied since it was revoked last: else nobody asked."""
    last = {one.feature: one.at for one in revoked}
    deadline = time.monotonic() + 60
    while any(max(traffic.denied[name], default=0.0) < at for name, at in last.items()):
        assert time.monotonic() < deadline, traffic.others[-1:]
        time.sleep(0.05)


def _until_served(traffic: Traffic, feature: str, since: float) -> None:
    """Wait until what was granted is served: else there is nothing to revoke."""
    deadline = time.monotonic() + 60
    while not any(began > since for began, _ in traffic.served[feature][-3:]):
        assert time.monotonic() < deadline, (
            f"{feature} was granted, and is not served of {traffic.asked}; {traffic.others[-1:]}"
        )
        time.sleep(0.01)
