"""Writing in bulk: counted, newest kept, lost connections and lost scripts made up for."""

import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.errors import Unavailable
from provender.online.bulk import Writer
from provender.online.codec import RowCodec
from provender.online.embedded import EmbeddedServer
from provender.online.options import from_url
from provender.online.resp import framed
from provender.online.script import Expiry
from provender.online.sender import Written
from provender.online.store import OnlineStore
from tests.online.proxy import Proxy
from tests.online.servers import free_port, started
from tests.online.views import T0, TICK, view

ROWS = RowCodec(view({"x": "int64"}, keys={"id": "int64"}))
Pair = tuple[bytes, bytes]


def pair(identity: int, x: int, tick: int = 0) -> Pair:
    key = b"p{%d}" % identity
    return key, ROWS.encode(key, {"x": x}, T0 + tick * TICK)


def values(store: OnlineStore, identities: range) -> list[int | None]:
    keys = [b"p{%d}" % identity for identity in identities]
    rows = zip(keys, store.read(keys), strict=True)
    return [ROWS.decode(key, row).values[0] if row else None for key, row in rows]


def as_pairs(writer: Writer, pairs: list[Pair]) -> None:
    writer.write(pairs)


def as_pairs_text(writer: Writer, pairs: list[Pair]) -> None:
    for first in range(0, len(pairs), 700):
        some = pairs[first : first + 700]
        writer.send_pairs(len(some), framed([part for both in some for part in both]))


def as_arguments(writer: Writer, pairs: list[Pair]) -> None:
    for first in range(0, len(pairs), 700):
        keys, rows = zip(*pairs[first : first + 700], strict=True)
        writer.send_arguments(len(keys), framed(keys), framed(rows))


Send = Callable[[Writer, list[Pair]], None]
EVERY_WAY = pytest.mark.parametrize("send", [as_pairs, as_pairs_text, as_arguments])


@EVERY_WAY
def test_rows_land_in_an_empty_store_and_only_newer_ones_in_a_full_one(
    store: OnlineStore, send: Send
) -> None:
    count = 5003
    with store.writer() as writer:
        send(writer, [pair(n, 1) for n in range(count)])
        assert writer.settle() == Written(count, 0)
        send(writer, [pair(n, 2, tick=n % 3 - 1) for n in range(count + 10)])
        older = len(range(0, count, 3))
        assert writer.settle() == Written(count + 10 - older, older)
        assert writer.settle() == Written()
    expected = [1 if n % 3 == 0 and n < count else 2 for n in range(count + 10)]
    assert values(store, range(count + 10)) == expected


@EVERY_WAY
def test_a_writer_notices_that_the_store_is_not_empty_row_by_row(
    store: OnlineStore, send: Send
) -> None:
    store.write([pair(n, 9, tick=5) for n in range(0, 4000, 777)])
    with store.writer() as writer:
        send(writer, [pair(n, 1) for n in range(4000)])
        assert writer.settle() == Written(3994, 6)
    assert values(store, range(4000)) == [9 if n % 777 == 0 else 1 for n in range(4000)]


def test_keys_that_repeat_leave_their_newest_row(store: OnlineStore) -> None:
    rng = random.Random(1)
    rows = [pair(n % 50, tick, tick=tick) for n in range(3000) for tick in [n // 50]]
    rng.shuffle(rows)
    with store.writer() as writer:
        writer.write(rows)
        done = writer.settle()
    assert done.written + done.kept == 3000
    assert values(store, range(50)) == [59] * 50


def test_later_pairs_of_one_call_come_later(store: OnlineStore) -> None:
    store.write([pair(n % 100, n) for n in range(5000)])
    assert values(store, range(100)) == [4900 + n for n in range(100)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), min_size=1, max_size=12),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_call_does_what_its_rows_would_do_one_after_the_other(
    store: OnlineStore, stored: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    keys = [pair(identity, 0)[0] for identity in range(4)]
    store.drop([(key, row) for key, row in zip(keys, store.read(keys), strict=True) if row])
    newest: dict[int, tuple[int, int]] = {}
    for write, some in enumerate((stored, then)):
        kept = 0
        for x, (identity, tick) in enumerate(some, start=100 * write):
            if identity in newest and newest[identity][0] > tick:
                kept += 1
            else:
                newest[identity] = (tick, x)
        pairs = [pair(i, x, tick=tick) for x, (i, tick) in enumerate(some, start=100 * write)]
        assert store.write(pairs) == Written(len(some) - kept, kept)
    expected = [newest[identity][1] if identity in newest else None for identity in range(4)]
    assert values(store, range(4)) == expected


class Rows:
    """Frames of pairs whose keys differ, as Arrow makes them of many more."""

    keys_differ = True

    def __init__(self, pairs: list[Pair]) -> None:
        self._pairs = pairs

    def resp(self, chunk: int) -> Iterator[tuple[int, bytes, bytes]]:
        keys, rows = zip(*self._pairs, strict=True)
        yield len(keys), framed(keys), framed(rows)

    def pairs(self, chunk: int) -> Iterator[tuple[int, bytes]]:
        yield len(self._pairs), framed([part for both in self._pairs for part in both])


def test_frames_over_rows_that_exist_go_to_the_script_until_keys_are_new_again(
    store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([pair(n, 9, tick=n % 2) for n in range(1000)])
    tried: list[int] = []
    whole = Writer.send_pairs

    def noted(writer: Writer, count: int, pairs: bytes) -> None:
        tried.append(count)
        whole(writer, count, pairs)

    monkeypatch.setattr(Writer, "send_pairs", noted)
    done = Written()
    with store.writer() as writer:
        for first in range(0, 4000, 100):
            writer.send(Rows([pair(n, 1) for n in range(first, first + 100)]))
            done += writer.settle()
    assert done == Written(3500, 500)
    assert values(store, range(4000)) == [9 if n < 1000 and n % 2 else 1 for n in range(4000)]
    assert 20 < len(tried) < 35, "the first, every eighth of the ten, and those that are new"


def test_concurrent_writers_leave_the_newest_of_everything(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    rows = [pair(n % 300, n // 300, tick=n // 300) for n in range(6000)]

    def write(seed: int) -> Written:
        mine = random.Random(seed).sample(rows, len(rows) * 2 // 3) + rows[-300 + seed :: 8]
        with OnlineStore(server.url) as own, own.writer(window=2) as writer:
            writer.write(mine)
            return writer.settle()

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(write, range(8)), start=Written())
    assert done.written + done.kept == sum(4000 + len(rows[-300 + n :: 8]) for n in range(8))
    assert values(store, range(300)) == [19] * 300


@pytest.fixture
def proxy(server: EmbeddedServer, store: OnlineStore) -> Iterator[Proxy]:
    with Proxy(from_url(server.url).unix_socket_path) as running:
        yield running


@EVERY_WAY
def test_connections_may_be_cut_at_any_time(proxy: Proxy, store: OnlineStore, send: Send) -> None:
    count, cuts = 60_000, 6
    ended = threading.Event()

    def disturb() -> None:
        done = 0
        while done < cuts or (not writer.repeated and done < 40 * cuts):
            time.sleep(0.05)
            proxy.cut()
            done += 1
        ended.set()

    with OnlineStore(proxy.url) as through, through.writer(window=3) as writer:
        thread = threading.Thread(target=disturb)
        thread.start()
        rounds = 0
        while not ended.is_set() or rounds < 1:
            rounds += 1
            send(writer, [pair(n, rounds, tick=rounds) for n in range(count // 6)])
            assert writer.settle() == Written(count // 6, 0)
        thread.join()
        assert writer.repeated > 0
    assert values(store, range(0, count // 6, 7)) == [rounds] * len(range(0, count // 6, 7))


def test_a_script_that_the_server_forgot_is_loaded_again(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    with redis.Redis.from_url(server.url) as client, store.writer(fresh=False) as writer:
        for round_ in range(5):
            writer.write([pair(n, round_, tick=round_) for n in range(3000)])
            client.script_flush()
        assert writer.settle() == Written(15_000, 0)
    assert values(store, range(3000)) == [4] * 3000


def test_a_server_that_comes_back_gets_what_it_did_not_answer(tmp_path: Path) -> None:
    port = free_port()
    with OnlineStore(f"redis://127.0.0.1:{port}/0") as store, store.writer() as writer:
        with started(tmp_path, port):
            writer.write([pair(n, 1) for n in range(2000)])
            assert writer.settle() == Written(2000, 0)
        writer.write([pair(n, 2, tick=1) for n in range(1000)])
        time.sleep(0.2)
        with started(tmp_path, port):
            assert writer.settle() == Written(1000, 0)
            assert writer.repeated > 0
            assert values(store, range(2000)) == [2] * 1000 + [None] * 1000


def test_a_store_that_stays_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provender.online.sender.PATIENCE_SECONDS", 0.2)
    with OnlineStore("redis://ana:hush@127.0.0.1:1/0") as store, store.writer() as writer:
        writer.write([pair(1, 1)])
        with pytest.raises(Unavailable, match="does not answer") as caught:
            writer.settle()
        assert "hush" not in str(caught.value)
        with pytest.raises(Unavailable):
            writer.write([pair(1, 1)])


def test_a_store_without_room_refuses_by_name(server: EmbeddedServer, store: OnlineStore) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "1")
        try:
            with store.writer() as writer:
                writer.write([pair(n, 1) for n in range(20)])
                with pytest.raises(Unavailable, match="refuses: OOM"):
                    writer.settle()
        finally:
            client.config_set("maxmemory", "0")


def test_a_producer_waits_for_a_slow_server(proxy: Proxy) -> None:
    proxy.delay = 0.05
    with OnlineStore(proxy.url) as store, store.writer(window=2) as writer:
        before = time.monotonic()
        writer.write([pair(n, 1) for n in range(20_000)])
        assert time.monotonic() - before > 0.2
        assert writer.settle() == Written(20_000, 0)


def test_keys_vanish_a_while_after_the_rows_are_too_old(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    now = time.time()
    long_ago = pair(1, 1)
    fresh = b"p{2}", ROWS.encode(b"p{2}", {"x": 2}, T0.fromtimestamp(now, tz=T0.tzinfo))
    how = Expiry.of_view(timedelta(days=2), grace=timedelta(hours=1))
    with store.writer(expiry=how) as writer:
        writer.write([long_ago, fresh])
        assert writer.settle() == Written(2, 0)
    with redis.Redis.from_url(server.url) as client:
        assert 3500 < client.ttl(b"p{1}") <= 3600
        assert 49 * 3600 - 100 < client.ttl(b"p{2}") <= 49 * 3600 + 1
    with store.writer(expiry=Expiry.of_view(None)) as writer:
        writer.write([long_ago, fresh])
        assert writer.settle() == Written(2, 0)
    with redis.Redis.from_url(server.url) as client:
        assert (client.ttl(b"p{1}"), client.ttl(b"p{2}")) == (-1, -1)


def test_a_replica_has_what_was_settled(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    (tmp_path / "b").mkdir()
    with (
        started(tmp_path, first, "--repl-diskless-sync-delay", "0"),
        started(tmp_path / "b", second),
        redis.Redis(port=second) as replica,
        OnlineStore(f"redis://127.0.0.1:{first}/0") as store,
    ):
        replica.replicaof("127.0.0.1", first)
        while replica.info("replication")["master_link_status"] != "up":
            time.sleep(0.02)
        with store.writer() as writer:
            writer.write([pair(n, 1) for n in range(5000)])
            assert writer.settle() == Written(5000, 0)
            assert writer.replicated
            assert replica.dbsize() == 5000


WRITE_FOREVER = """
import pickle, random, sys
from provender.online.store import OnlineStore
rows = pickle.load(open(sys.argv[2], "rb"))
with OnlineStore(sys.argv[1]) as store, store.writer(window=3) as writer:
    print("writing", flush=True)
    while True:
        writer.write(random.sample(rows, len(rows)))
"""


def test_killed_writers_leave_no_older_row_behind(
    server: EmbeddedServer, store: OnlineStore, tmp_path: Path
) -> None:
    rows = [pair(n % 500, n // 500, tick=n // 500) for n in range(5000)]
    kept = tmp_path / "rows"
    kept.write_bytes(pickle.dumps(rows))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, server.url, str(kept)], stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    try:
        for process in writers:
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
        with store.writer() as writer:
            writer.write(random.Random(9).sample(rows, len(rows)))
            writer.settle()
        time.sleep(0.3)
    finally:
        for process in writers:
            process.kill()
            process.communicate()
    assert values(store, range(500)) == [9] * 500
