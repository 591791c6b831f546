"""Reading by connections of our own: deadlines, lost connections, threads, processes."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import Unavailable
from provender.online.embedded import EmbeddedServer
from provender.online.options import from_url
from provender.online.resp import command, framed, mget, unframed
from provender.online.store import OnlineStore
from tests.online.proxy import Proxy

KEYS = [b"k%d" % n for n in range(3000)]
VALUES = [b"v%d" % n * (n % 90) + b"\r\n$-1\r\n" for n in range(3000)]


@pytest.fixture
def filled(store: OnlineStore, server: EmbeddedServer) -> OnlineStore:
    with redis.Redis.from_url(server.url) as client:
        client.mset(dict(zip(KEYS, VALUES, strict=True)))
    return store


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_commands_are_written_as_hiredis_writes_them(strings: list[bytes]) -> None:
    assert mget(strings) == command("MGET", *strings)
    assert unframed(framed(strings)) == strings


def test_rows_of_any_size_come_in_the_order_asked(filled: OnlineStore) -> None:
    assert filled.read(KEYS) == VALUES
    assert filled.read([b"none", KEYS[7], b"none"]) == [None, VALUES[7], None]
    large = b"x" * 3_000_000
    filled.write([(b"large", large)])
    assert filled.read([KEYS[1], b"large", KEYS[2]]) == [VALUES[1], large, VALUES[2]]


def test_threads_never_see_each_others_rows(filled: OnlineStore) -> None:
    def ask(start: int) -> bool:
        at = [(start * 17 + step * 31) % len(KEYS) for step in range(40)]
        return all(filled.read([KEYS[n], KEYS[-n]]) == [VALUES[n], VALUES[-n]] for n in at * 5)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))


def test_a_late_answer_is_not_taken_for_the_next_one(
    filled: OnlineStore, server: EmbeddedServer
) -> None:
    with Proxy(from_url(server.url).unix_socket_path) as proxy, OnlineStore(proxy.url) as slow:
        assert slow.read(KEYS[:3]) == VALUES[:3]
        proxy.delay = 0.3
        started = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            slow.read(KEYS[3:5], deadline=0.1)
        assert time.monotonic() - started < 0.25
        proxy.delay = 0.0
        for n in range(10, 40):
            assert slow.read(KEYS[n : n + 2]) == VALUES[n : n + 2]
        assert proxy.connections == 2


def test_a_lost_connection_is_replaced_and_the_question_put_again(
    filled: OnlineStore, server: EmbeddedServer
) -> None:
    with Proxy(from_url(server.url).unix_socket_path) as proxy, OnlineStore(proxy.url) as store:
        for n in range(5):
            assert store.read(KEYS[n : n + 3]) == VALUES[n : n + 3]
            proxy.cut()
        assert proxy.connections == 5


def test_a_server_that_swallows_everything_ends_the_wait_at_its_deadline(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    with Proxy(from_url(server.url).unix_socket_path) as proxy, OnlineStore(proxy.url) as gone:
        proxy.swallowing = True
        started = time.monotonic()
        with pytest.raises(Unavailable):
            gone.read(KEYS[:3], deadline=0.2)
        assert time.monotonic() - started < 0.5
        proxy.swallowing = False
        assert gone.read([b"none"]) == [None]


def test_a_refusal_is_told_as_the_server_tells_it(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.acl_setuser("nobody", enabled=True, passwords=["+hush"], commands=["+ping"])
    path = from_url(server.url).unix_socket_path
    with OnlineStore(f"unix://nobody:hush@{path}") as refused:
        with pytest.raises(Unavailable, match=r"refuses: NOPERM.*'mget'") as caught:
            refused.read([b"k"])
        assert "hush" not in f"{caught.value}{refused!r}"
    with (
        OnlineStore(f"unix://nobody:wrong@{path}") as refused,
        pytest.raises(Unavailable, match="refuses: WRONGPASS"),
    ):
        refused.read([b"k"])


def _read_in_child(store: OnlineStore, n: int) -> bool:
    return all(store.read([KEYS[n]]) == [VALUES[n]] for _ in range(300))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_takes_connections_of_its_own(filled: OnlineStore) -> None:
    assert filled.read([KEYS[1]]) == [VALUES[1]]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child(n: int) -> None:
        answers.put(_read_in_child(filled, n))

    children = [context.Process(target=child, args=(n,)) for n in (5, 6, 7)]
    for process in children:
        process.start()
    assert _read_in_child(filled, 8)
    assert [answers.get(timeout=20) for _ in children] == [True] * 3
    for process in children:
        process.join(10)
    answers.close()
