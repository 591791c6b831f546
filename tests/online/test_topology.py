"""Clusters and sentinels of real servers: found, followed when slots move and servers die."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from provender.core.errors import Unavailable
from provender.online.codec import RowCodec
from provender.online.sender import Written
from provender.online.store import OnlineStore
from provender.online.stream import Stream
from provender.online.topology import slot_of
from tests.online.servers import Node, cluster, sentinels, wait_until
from tests.online.views import T0, TICK, view

ROWS = RowCodec(view({"x": "int64"}, keys={"id": "int64"}))
COUNT = 1500
KEYS = [b"p%d{%d}" % (n % 3, n // 3) for n in range(COUNT)]
VALUES = [ROWS.encode(key, {"x": n}, T0) for n, key in enumerate(KEYS)]
PAIRS = list(zip(KEYS, VALUES, strict=True))


@given(st.binary(max_size=40) | st.text("{}a", max_size=9).map(str.encode))
def test_slots_are_those_of_redis(key: bytes) -> None:
    assert slot_of(key) == key_slot(key)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def cluster_url(nodes: list[Node]) -> str:
    return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}/"


@pytest.fixture
def sharded(nodes: list[Node]) -> Iterator[OnlineStore]:
    for node in nodes[:3]:
        with node.client() as client:
            client.flushall()
    with OnlineStore(cluster_url(nodes[1:2])) as store:
        yield store


def answer(stream_of: OnlineStore, keys: list[bytes]) -> list[bytes | None]:
    async def ask() -> list[bytes | None]:
        stream = stream_of.reader()
        try:
            shares = [keys[first::7] for first in range(7)]
            answers = await asyncio.gather(*(stream.read(share) for share in shares))
        finally:
            await stream.close()
        rows: list[bytes | None] = [None] * len(keys)
        for first, got in enumerate(answers):
            rows[first::7] = got
        return rows

    return asyncio.run(ask())


def test_a_cluster_is_written_and_read_whole(nodes: list[Node], sharded: OnlineStore) -> None:
    with sharded.writer() as writer:
        writer.write(PAIRS)
        assert writer.settle() == Written(COUNT, 0)
        writer.write([(key, ROWS.encode(key, {"x": -1}, T0 - TICK)) for key in KEYS])
        assert writer.settle() == Written(0, COUNT)
        assert writer.replicated
    counts = []
    for node in nodes:
        with node.client() as client:
            counts.append(client.dbsize())
    assert sum(counts[:3]) == COUNT
    assert min(counts[:3]) > COUNT // 6
    asked = [*KEYS, b"none{1}", KEYS[3], b"none"]
    rows = [*VALUES, None, VALUES[3], None]
    assert sharded.read(asked) == rows
    assert answer(sharded, asked) == rows
    assert sharded.health().ok
    assert len(sharded.state().replid.split(",")) == 3
    assert sharded.state() == sharded.state()


def test_rows_of_a_cluster_are_dropped_unless_they_changed(sharded: OnlineStore) -> None:
    sharded.write(PAIRS)
    newer = ROWS.encode(KEYS[7], {"x": -7}, T0 + TICK)
    sharded.write([(KEYS[7], newer)])
    assert sharded.drop(PAIRS[:1000]) == 999
    assert sharded.read(KEYS) == [
        None if n < 1000 and n != 7 else newer if n == 7 else row for n, row in enumerate(VALUES)
    ]


def test_a_slot_that_moves_under_reads_and_writes_loses_nothing(
    nodes: list[Node], sharded: OnlineStore
) -> None:
    sharded.write(PAIRS)
    source, target = nodes[0], nodes[1]
    slot = next(slot_of(key) for key in KEYS if slot_of(key) < 5461)
    mine = [key for key in KEYS if slot_of(key) == slot]
    others = [key for key in KEYS if slot_of(key) != slot][:20]
    expected = dict(PAIRS)

    def check(extra: dict[bytes, bytes]) -> None:
        asked = [*mine, *others, *extra]
        wanted = [{**expected, **extra}[key] for key in asked]
        assert sharded.read(asked) == wanted
        assert answer(sharded, asked) == wanted

    with source.client() as old, target.client() as new:
        names = [client.execute_command("CLUSTER MYID") for client in (old, new)]
        check({})
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        added = {b"new%d" % n + mine[0][2:]: VALUES[n] for n in range(3)}
        assert sharded.write(list(added.items())) == Written(3, 0)
        check(added)
        for key in mine:
            old.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        check(added)
        for client in (new, old):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])
        check(added)
        newer = [(key, ROWS.encode(key, {"x": 7}, T0 + TICK)) for key in mine]
        assert sharded.write(newer) == Written(len(mine), 0)
        expected.update(newer)
        check(added)


def test_a_killed_primary_is_followed_by_its_replica(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes, OnlineStore(cluster_url(nodes)) as store:
        with store.writer() as writer:
            writer.write(PAIRS)
            assert writer.settle() == Written(COUNT, 0)
        for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
            wait_until(lambda p=primary, r=replica: size(p) == size(r))
        asyncio.run(read_through_a_death(store, nodes[1]))
        assert store.read(KEYS) == VALUES
        with store.writer() as writer:
            writer.write([(key, ROWS.encode(key, {"x": 1}, T0 + TICK)) for key in KEYS])
            assert writer.settle() == Written(COUNT, 0)


def size(node: Node) -> int:
    with node.client() as client:
        return int(client.dbsize())


async def read_through_a_death(store: OnlineStore, node: Node) -> None:
    """Read all the time: every answer is right or says that it is unavailable, in time."""
    stream = store.reader()
    spared = [n for n, key in enumerate(KEYS) if not 5461 <= slot_of(key) < 10922]
    try:
        assert await stream.read(KEYS) == VALUES
        node.kill()
        refused = 0
        for _ in range(200):
            refused += not await reads(stream)
            assert refused < 150
            at = spared[:30]
            if refused == 1:
                assert await stream.read([KEYS[n] for n in at]) == [VALUES[n] for n in at]
            if refused and await reads(stream):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the keys of the killed server are not read again")
    finally:
        await stream.close()


async def reads(stream: Stream) -> bool:
    began = time.monotonic()
    try:
        assert await stream.read(KEYS) == VALUES
    except Unavailable:
        assert time.monotonic() - began < 2.0
        return False
    return True


def test_sentinels_lead_to_the_server_that_took_over(tmp_path: Path) -> None:
    with sentinels(tmp_path) as (ports, data):
        listed = ",".join(f"127.0.0.1:{port}" for port in ports)
        with OnlineStore(f"redis+sentinel://{listed}/main/0") as store:
            with store.writer() as writer:
                writer.write(PAIRS)
                assert writer.settle() == Written(COUNT, 0)
                assert writer.replicated
            assert store.read(KEYS) == VALUES
            before = store.state()
            asyncio.run(read_through_a_failover(store, data))
            assert store.read(KEYS) == VALUES
            after = store.state()
            assert (after.epoch, after.replid != before.replid) == (before.epoch, True)
            with store.writer() as writer:
                writer.write([(key, ROWS.encode(key, {"x": 1}, T0 + TICK)) for key in KEYS])
                assert writer.settle() == Written(COUNT, 0)


async def read_through_a_failover(store: OnlineStore, data: list[Node]) -> None:
    stream = store.reader()
    try:
        assert await stream.read(KEYS) == VALUES
        data[0].kill()
        refused = 0
        for _ in range(600):
            if await reads(stream):
                break
            refused += 1
            await asyncio.sleep(0.02)
        assert refused > 0
        assert await stream.read(KEYS) == VALUES
        with redis.Redis(port=data[1].port) as promoted:
            assert promoted.role()[0] == b"master"
    finally:
        await stream.close()


def test_sentinels_that_are_not_there_are_unavailable() -> None:
    with OnlineStore("redis+sentinel://:hush@127.0.0.1:1/main/0?socket_timeout=0.3") as store:
        with pytest.raises(Unavailable, match=r"redis\+sentinel://127.0.0.1:1/main/0") as caught:
            store.read([b"k"])
        assert "hush" not in str(caught.value)
