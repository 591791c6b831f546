import asyncio
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.errors import Conflict, Corrupt, Unavailable
from provender.online.codec import KeyCodec, RowCodec, key_prefix
from provender.online.coverage import Coverage
from provender.online.embedded import EmbeddedServer
from provender.online.options import StoreOptions, Topology, from_url
from provender.online.order import order_of
from provender.online.prefixes import PREFIXES
from provender.online.sender import Written
from provender.online.store import BATCH_ROWS, OnlineStore
from tests.online.proxy import Proxy
from tests.online.servers import cluster_node, free_port, primary, sentinel, started
from tests.online.views import T0, TICK, manifest, view

VIEW = view({"x": "int64"}, keys={"id": "int64"})
ROWS = RowCodec(VIEW)


def key(project: str, identity: int = 1, name: str = "weather") -> bytes:
    made = KeyCodec(project, view({"x": "int64"}, name=name, keys={"id": "int64"})).key([identity])
    assert made is not None
    return made


def value(store: OnlineStore, at: bytes) -> int | None:
    row = store.read([at])[0]
    decoded = ROWS.decode(at, row) if row is not None else None
    return decoded.values[0] if decoded else None


@pytest.mark.parametrize(
    ("first", "second", "lands"),
    [
        ((T0, None), (T0 + TICK, None), True),
        ((T0, None), (T0 - TICK, None), False),
        ((T0, None), (T0, None), True),
        ((T0, None), (T0, T0), True),
        ((T0, T0), (T0, None), False),
        ((T0, T0), (T0, T0 + TICK), True),
        ((T0, T0), (T0, T0 - TICK), False),
        ((T0, T0 + timedelta(days=9)), (T0 + TICK, T0), True),
        ((T0.replace(year=1969), None), (T0.replace(year=1968), None), False),
        ((T0.replace(year=1969), None), (T0.replace(year=1970), None), True),
        ((T0, None), (T0 + timedelta(seconds=2**32), None), True),
        ((T0, T0 + (2**32 - 1) * TICK), (T0, T0 + 2**32 * TICK), True),
        ((T0, T0 + 2**32 * TICK), (T0, T0 + (2**32 - 1) * TICK), False),
        ((T0, T0 - TICK), (T0, None), False),
        ((T0, T0 - TICK), (T0, T0), True),
    ],
)
def test_the_newer_of_two_rows_stays(store, first, second, lands) -> None:
    at = key("p")
    store.write([(at, ROWS.encode(at, {"x": 1}, *first))])
    done = store.write([(at, ROWS.encode(at, {"x": 2}, *second))])
    assert value(store, at) == (2 if lands else 1)
    assert done == (Written(1, 0) if lands else Written(0, 1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([-(2**32), -1, 0, 1, 2**31, 2**32, 2**33]),
            st.none() | st.sampled_from([-(2**33), -1, 0, 1, 2**32 - 1, 2**32, 2**40]),
        ),
        min_size=2,
        max_size=2,
    )
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_server_and_order_of_agree_which_row_is_newer(store, times) -> None:
    at = key("order")
    first, second = (
        ROWS.encode(at, {}, T0 + event * TICK, after if after is None else T0 + after * TICK)
        for event, after in times
    )
    store.delete("order", "weather")
    store.write([(at, first)])
    assert store.write([(at, second)]).kept == (order_of(first) > order_of(second))


@pytest.mark.parametrize("stored", [b"", b"\x02", b"p" * 30, b"\x02" * 14])
def test_what_is_no_row_is_replaced(server: EmbeddedServer, store: OnlineStore, stored) -> None:
    at = key("p")
    row = ROWS.encode(at, {"x": 1}, T0, T0)
    with redis.Redis.from_url(server.url) as client:
        for damaged in (stored, row[:5] + stored, row[:13] + b"\x13" + row[14:]):
            client.set(at, damaged)
            assert store.write([(at, row)]) == Written(1, 0)
            assert value(store, at) == 1


def test_a_row_of_another_layout_is_replaced_whatever_its_age(store: OnlineStore) -> None:
    at = key("p")
    store.write([(at, RowCodec(view({"y": "int64"})).encode(at, {}, T0 + TICK))])
    assert store.write([(at, ROWS.encode(at, {"x": 1}, T0))]) == Written(1, 0)
    assert value(store, at) == 1


def test_eight_writers_at_once_leave_the_newest_row(server: EmbeddedServer, store) -> None:
    keys = [key("p", identity) for identity in range(20)]
    rows = [(at, ROWS.encode(at, {"x": n}, T0 + n * TICK)) for at in keys for n in range(100)]
    shares = [random.Random(n).sample(rows, len(rows) // 2) for n in range(8)]
    shares[3] += [(at, ROWS.encode(at, {"x": 99}, T0 + 99 * TICK)) for at in keys]

    def write(share: list[tuple[bytes, bytes]]) -> Written:
        with OnlineStore(server.url) as own:
            return own.write(share)

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(write, shares), start=Written())
    assert done.written + done.kept == sum(len(share) for share in shares)
    assert [value(store, at) for at in keys] == [99] * 20


def test_a_project_sees_and_deletes_only_its_own(store: OnlineStore) -> None:
    projects = ("risk", "fraud_risk", "risk2", "ris*", "risk:x")
    for project in projects:
        store.claim(project, VIEW)
        store.write([(key(project), ROWS.encode(key(project), {"x": 1}, T0))])
        store.publish_manifest(manifest(VIEW, project=project))
    assert [store.count(project) for project in projects] == [1] * 5
    assert store.delete("risk") == 1
    assert value(store, key("risk")) is None
    assert store.delete("ris*") == 1
    rest = ("fraud_risk", "risk2", "risk:x")
    assert [value(store, key(other)) for other in rest] == [1, 1, 1]
    assert store.projects() == sorted(rest)
    assert store.manifest("risk") is None
    assert store.count("risk") == 0


def test_the_rows_of_a_project_are_found_by_its_manifest_where_nobody_claimed_them(
    store: OnlineStore,
) -> None:
    store.write([(key("p"), ROWS.encode(key("p"), {"x": 1}, T0))])
    store.publish_manifest(manifest(VIEW, project="p"))
    assert store.delete("p") == 1


def test_a_view_whose_keys_would_begin_like_anothers_is_refused(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    store.claim("p", VIEW)
    store.claim("p", VIEW)
    with redis.Redis.from_url(server.url) as client:
        client.hset(PREFIXES, key_prefix("a b", "w"), "other%20one\0trips")
    with pytest.raises(Conflict, match=r"a b\.w would begin with \S{8}, as do those of other one"):
        store.claim("a b", replace(VIEW, name="w"))
    assert store.delete("other one") == 0
    store.claim("a b", replace(VIEW, name="w"))


def test_deleting_a_view_leaves_the_others(store: OnlineStore) -> None:
    other = key("p", 1, "weather_hourly")
    many = [(key("p", n), ROWS.encode(key("p", n), {"x": n}, T0)) for n in range(BATCH_ROWS + 5)]
    store.claim("p", VIEW, replace(VIEW, name="weather_hourly"))
    store.write(many)
    store.write([(other, ROWS.encode(other, {"x": 7}, T0))])
    assert store.count("p") == len(many) + 1
    assert store.delete("p", "weather") == len(many)
    assert store.count("p") == 1


def test_what_rows_hold_is_remembered_as_long_as_they_are_there(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    told = Coverage(source="shop.trips@2", layout="sha256:0", end=T0, epoch=store.epoch())
    for project, name in (("p", "a"), ("p", "b"), ("q", "a")):
        store.keep_coverage(project, name, told)
    store.delete("p", "a")
    found = [
        store.coverage(project, view) for project, view in (("p", "a"), ("p", "b"), ("q", "a"))
    ]
    assert found == [None, told, told]
    store.delete("p")
    assert (store.coverage("p", "b"), store.coverage("q", "a")) == (None, told)
    with redis.Redis.from_url(server.url) as client:
        client.hset("provender:coverage:q", "a", "{}")
    assert store.coverage("q", "a") is None


def test_a_row_that_was_written_between_read_and_drop_stays(store: OnlineStore) -> None:
    seen = [(key("p", n), ROWS.encode(key("p", n), {"x": n}, T0)) for n in range(BATCH_ROWS + 9)]
    store.write(seen)
    same_time = ROWS.encode(key("p", 3), {"x": -3}, T0)
    store.write([(key("p", 3), same_time)])
    gone = (key("p", BATCH_ROWS + 50), b"row")
    assert store.drop([*seen, gone]) == len(seen) - 1
    assert store.read([key("p", 3), key("p", 4)]) == [same_time, None]
    assert store.drop([]) == 0


def test_many_keys_are_read_in_order_with_gaps(store: OnlineStore) -> None:
    store.write([(key("p", n), ROWS.encode(key("p", n), {"x": n}, T0)) for n in range(0, 3000, 2)])
    rows = store.read([key("p", n) for n in range(3000)])
    assert [row is not None for row in rows] == [n % 2 == 0 for n in range(3000)]
    assert store.read([]) == []


def test_keys_expire_where_a_time_to_live_is_set(server: EmbeddedServer, store) -> None:
    with OnlineStore(server.url, key_ttl_seconds=1) as brief:
        brief.write([(key("p"), ROWS.encode(key("p"), {"x": 1}, T0))])
    assert value(store, key("p")) == 1
    time.sleep(1.1)
    assert value(store, key("p")) is None


def test_a_manifest_comes_back_as_it_was_published(store: OnlineStore) -> None:
    published = manifest(VIEW, closed={"weather:x": "tagged personal"}, open_until={"a:b": T0})
    digest = store.publish_manifest(published)
    assert store.manifest("flights") == published
    assert store.beside("flights").digest == digest == published.digest
    assert store.beside("other").digest is None


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    store.publish_manifest(manifest(VIEW))
    with redis.Redis.from_url(server.url) as client:
        client.hset("provender:manifest:flights", "digest", "sha256:1")
        with pytest.raises(Corrupt, match="not what its digest says"):
            store.manifest("flights")
        client.hset("provender:manifest:flights", "manifest", "{}")
        with pytest.raises(Corrupt, match="cannot be read"):
            store.manifest("flights")


def test_a_store_that_does_not_answer_is_unavailable_and_keeps_its_secret() -> None:
    options = StoreOptions(nodes=(("127.0.0.1", 1),), username="u", password="hush")
    with OnlineStore(options) as store:
        with pytest.raises(Unavailable, match=r"redis://127.0.0.1:1/0 does not answer") as caught:
            store.read([b"k"])
        assert not store.health().ok
        assert "hush" not in f"{caught.value} {store!r} {options!r} {store.health()}"


def test_lookups_of_one_tick_are_answered_each_with_its_own(store: OnlineStore) -> None:
    store.write([(key("p", n), ROWS.encode(key("p", n), {"x": n}, T0)) for n in range(5000)])

    async def ask() -> list[list[bytes | None]]:
        reader = store.reader()
        try:
            asked = [[key("p", n + i) for i in range(n % 7)] for n in range(0, 5200, 13)]
            return await asyncio.gather(*(reader.read(keys) for keys in asked))
        finally:
            await reader.close()

    answers = asyncio.run(ask())
    for n, rows in zip(range(0, 5200, 13), answers, strict=True):
        decoded = [row and ROWS.decode(key("p", n + i), row) for i, row in enumerate(rows)]
        assert [row and row.values[0] for row in decoded] == [
            n + i if n + i < 5000 else None for i in range(n % 7)
        ]


def test_a_failed_read_fails_every_lookup_of_its_tick() -> None:
    async def ask() -> list[object]:
        reader = OnlineStore("redis://127.0.0.1:1/0").reader()
        try:
            reads = (reader.read([b"k"]) for _ in range(3))
            return await asyncio.gather(*reads, return_exceptions=True)
        finally:
            await reader.close()

    assert [type(answer) for answer in asyncio.run(ask())] == [Unavailable] * 3


@pytest.mark.parametrize("topology", [Topology.CLUSTER, Topology.SENTINEL])
def test_other_topologies_are_written_read_and_deleted(topology: Topology, tmp_path: Path) -> None:
    arranged = cluster_node if topology is Topology.CLUSTER else sentinel
    pairs = [(key("p", n), ROWS.encode(key("p", n), {"x": n}, T0)) for n in range(50)]
    older = [(at, ROWS.encode(at, {}, T0 - TICK)) for at, _ in pairs]
    with arranged(tmp_path) as port:
        options = StoreOptions(
            topology=topology,
            nodes=(("127.0.0.1", port),),
            password="hush" if topology is Topology.SENTINEL else None,
            sentinel_master="main",
        )
        with OnlineStore(options) as store:
            assert store.write(pairs) == Written(50, 0)
            assert store.write(older) == Written(0, 50)
            assert store.read([at for at, _ in pairs]) == [row for _, row in pairs]
            assert asyncio.run(read_async(store, [at for at, _ in pairs]))[49] == pairs[49][1]
            store.publish_manifest(manifest(VIEW, project="p"))
            assert store.delete("p") == 50


async def read_async(store: OnlineStore, keys: list[bytes]) -> list[bytes | None]:
    reader = store.reader()
    try:
        return await reader.read(keys)
    finally:
        await reader.close()


def test_the_state_tells_whether_rows_may_have_been_lost(tmp_path: Path) -> None:
    port = free_port()
    with OnlineStore(f"redis://127.0.0.1:{port}/0") as store:
        with started(tmp_path, port), redis.Redis(port=port) as client:
            before = store.state()
            store.write([(key("p"), ROWS.encode(key("p"), {"x": 1}, T0))])
            assert store.state() == before
            assert store.epoch() == before.epoch
            client.flushall()
            emptied = store.state()
            assert (emptied.epoch != before.epoch, emptied.replid) == (True, before.replid)
        with started(tmp_path, port):
            again = store.state()
            assert again.epoch != emptied.epoch
            assert again.replid != emptied.replid


def test_a_server_that_took_over_has_another_state(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with (
        primary(tmp_path, "--repl-diskless-sync-delay", "0") as first,
        primary(tmp_path / "b") as second,
        redis.Redis(port=second) as replica,
    ):
        with OnlineStore(f"redis://127.0.0.1:{first}/0") as store:
            before = store.state()
        replica.replicaof("127.0.0.1", first)
        while replica.info("replication")["master_link_status"] != "up":
            time.sleep(0.02)
        with OnlineStore(f"redis://127.0.0.1:{second}/0") as store:
            while store.read([b"provender:epoch"]) == [None]:
                time.sleep(0.02)
            replica.replicaof("NO", "ONE")
            after = store.state()
    assert after.epoch == before.epoch
    assert after.replid != before.replid


def test_health_is_told_in_time_whatever_the_server_does(server: EmbeddedServer, store) -> None:
    with Proxy(from_url(server.url).unix_socket_path) as proxy, OnlineStore(proxy.url) as asked:
        assert asked.health().ok
        for swallowing, delay in ((True, 0.0), (False, 5.0)):
            proxy.swallowing, proxy.delay = swallowing, delay
            began = time.monotonic()
            found = asked.health()
            assert (found.ok, time.monotonic() - began < 0.6) == (False, True), found
            assert "no answer in time" in found.problem
        proxy.swallowing, proxy.delay = False, 0.0
        assert asked.health(deadline=2.0).ok


def test_health_is_told_in_time_where_nobody_accepts(store: OnlineStore) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with ExitStack() as waiting:
            for _ in range(3):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with OnlineStore(f"redis://127.0.0.1:{port}/0") as asked:
                began = time.monotonic()
                assert not asked.health(deadline=0.2).ok
                assert time.monotonic() - began < 0.6
