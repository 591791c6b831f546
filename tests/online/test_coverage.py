"""What is known of the rows of a view: true as long as they are there, on every node of a cluster."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from provender.core.digest import digest
from provender.online.codec import KeyCodec
from provender.online.columns import ColumnEncoder
from provender.online.coverage import FIRST, Coverage, incomplete
from provender.online.embedded import EmbeddedServer
from provender.online.options import Topology
from provender.online.state import STRETCH, epoch_keys
from provender.online.store import OnlineStore
from provender.online.topology import SLOTS, slot_of
from tests.online.servers import Node, cluster
from tests.online.views import T0, covering, view

HOUR = timedelta(hours=1)
VIEW = view({"x": "int64"}, keys={"id": "int64"})
IDS = range(300)
KEYS = [key for key in KeyCodec("p", VIEW).keys([IDS], len(IDS)) if key]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def sharded(nodes: list[Node]) -> Iterator[OnlineStore]:
    for node in nodes[:3]:
        empty(node)
    with OnlineStore(f"redis+cluster://127.0.0.1:{nodes[0].port}/") as store:
        yield store


def empty(node: Node) -> None:
    with node.client() as client:
        client.flushall()


def fill(store: OnlineStore) -> None:
    stamps = [T0] * len(IDS)
    columns = {"id": list(IDS), "x": list(IDS), "event_timestamp": stamps}
    store.write(ColumnEncoder("p", VIEW).encode(columns))
    store.keep_coverage("p", VIEW.name, covering(VIEW))


def lost(store: OnlineStore) -> frozenset[str]:
    return incomplete([VIEW], store.covered("p"))


@pytest.mark.parametrize("emptied", [0, 1, 2])
def test_any_node_of_a_cluster_that_was_emptied_makes_its_views_incomplete(
    nodes: list[Node], sharded: OnlineStore, emptied: int
) -> None:
    fill(sharded)
    before = sharded.state()
    assert (lost(sharded), sharded.state()) == (frozenset(), before)
    assert sharded.coverage("p", VIEW.name)
    empty(nodes[emptied])
    assert 0 < sharded.read(KEYS).count(None) < len(KEYS)
    for _ in range(2):
        assert lost(sharded) == {VIEW.name}
        assert sharded.coverage("p", VIEW.name) is None
        assert sharded.state().epoch != before.epoch
    fill(sharded)
    assert (lost(sharded), sharded.read(KEYS).count(None)) == (frozenset(), 0)


def test_a_slot_that_moves_to_another_node_loses_no_coverage(
    nodes: list[Node], sharded: OnlineStore
) -> None:
    fill(sharded)
    key = next(key for key in epoch_keys(Topology.CLUSTER) if slot_of(key) < 5461)
    slot, (source, target) = slot_of(key), nodes[:2]
    with source.client() as giving, target.client() as taking:
        ids = [client.execute_command("CLUSTER", "MYID") for client in (giving, taking)]
        taking.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        giving.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        moved = giving.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
        assert key in moved
        giving.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", *moved)
        assert lost(sharded) == frozenset()
        for client in (taking, giving):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    assert lost(sharded) == frozenset()
    empty(target)
    assert lost(sharded) == {VIEW.name}


def test_every_stretch_of_slots_has_a_word_of_its_own() -> None:
    keys = epoch_keys(Topology.CLUSTER)
    assert [slot_of(key) // STRETCH for key in keys] == list(range(SLOTS // STRETCH))
    assert epoch_keys(Topology.REDIS) == epoch_keys(Topology.SENTINEL) == (b"provender:epoch",)


def test_coverage_that_outlives_the_epoch_it_was_kept_in_is_not_believed(
    server: EmbeddedServer, store: OnlineStore
) -> None:
    fill(store)
    assert lost(store) == frozenset()
    with redis.Redis.from_url(server.url) as client:
        client.delete("provender:epoch")
    assert (store.coverage("p", VIEW.name), lost(store)) == (None, {VIEW.name})
    store.epoch()
    assert (store.coverage("p", VIEW.name), lost(store)) == (None, {VIEW.name})


def window(start: int, end: int, layout: str = "a") -> Coverage:
    at = [FIRST if hour == 0 else T0 + hour * HOUR for hour in (start, end)]
    return Coverage(source="s@1", layout=digest(layout), start=at[0], end=at[1])


@pytest.mark.parametrize(
    ("before", "written", "after"),
    [
        (window(0, 5), window(5, 7), window(0, 7)),
        (window(0, 5), window(2, 4), window(0, 5)),
        (window(0, 5), window(6, 7), window(0, 5)),
        (window(3, 5), window(5, 7), window(3, 7)),
        (window(3, 5), window(1, 3), window(1, 5)),
        (window(3, 5), window(6, 7), window(6, 7)),
        (window(3, 5), window(0, 9), window(0, 9)),
        (window(0, 5, "b"), window(3, 4), window(3, 4)),
        (window(0, 5).doubted, window(3, 4), window(3, 4)),
    ],
)
def test_windows_that_join_on_are_one_and_nothing_is_said_of_a_gap(
    before: Coverage, written: Coverage, after: Coverage
) -> None:
    assert before.then(written) == after
    assert before.then(replace(written, epoch="e")).start == after.start
