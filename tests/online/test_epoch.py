"""The word read with rows: who reads them learns first whether the store was emptied since."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from provender.core.features import ServiceSpec
from provender.core.names import FeatureRef
from provender.online.embedded import EmbeddedServer
from provender.online.epoch import Epoch
from provender.online.store import OnlineStore
from tests.online.servers import cluster
from tests.online.views import manifest, view

KEY = b"p{1}"
FIRST = manifest(view({"x": "int64"}), project="p")
SECOND = manifest(
    view({"x": "int64"}),
    project="p",
    services=(ServiceSpec(name="s", features=(FeatureRef("weather", "x"),)),),
)


class Seen:
    """An epoch that a look has taken, and how often the store was emptied since."""

    def __init__(self, store: OnlineStore) -> None:
        self.times = 0
        self.epoch = Epoch("p", self._count)
        with self.epoch.looked(store.beside("p").word, since=0) as is_news:
            assert is_news

    def _count(self) -> None:
        self.times += 1


@pytest.fixture
def seen(store: OnlineStore) -> Seen:
    store.publish_manifest(FIRST)
    store.write([(KEY, b"row")])
    return Seen(store)


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(server.url) as opened:
        yield opened


def test_rows_come_without_the_word_and_an_untouched_store_was_not_emptied(store, seen) -> None:
    assert store.read([KEY, b"q{1}"], epoch=seen.epoch) == [b"row", None]
    assert (seen.times, seen.epoch.changes, seen.epoch.digest) == (0, 0, FIRST.digest)


def test_the_first_rows_read_after_a_loss_tell_it_and_no_others_do(store, seen, client) -> None:
    client.flushall()
    assert store.read([KEY], epoch=seen.epoch) == [None]
    assert (seen.times, seen.epoch.digest) == (1, "")
    store.read([KEY], epoch=seen.epoch)
    store.publish_manifest(FIRST)
    store.read([KEY], epoch=seen.epoch)
    assert (seen.times, seen.epoch.digest) == (1, FIRST.digest)


def test_a_store_that_was_emptied_and_published_to_again_is_known_as_another(
    store, seen, client
) -> None:
    client.flushall()
    store.publish_manifest(FIRST)
    store.read([KEY], epoch=seen.epoch)
    assert seen.times == 1


def test_other_definitions_are_seen_with_the_rows_and_are_no_loss(store, seen) -> None:
    store.publish_manifest(SECOND)
    store.read([KEY], epoch=seen.epoch)
    assert (seen.times, seen.epoch.digest) == (0, SECOND.digest)


def test_a_deleted_project_is_as_an_emptied_store(store, seen) -> None:
    store.delete("p")
    store.read([KEY], epoch=seen.epoch)
    assert seen.times == 1


def test_lookups_of_one_turn_share_the_word_and_it_comes_before_their_rows(
    store, seen, client
) -> None:
    told: list[tuple[list[bytes | None], int]] = []

    async def ask(stream, keys) -> None:
        told.append((await stream.read(keys), seen.times))

    async def all_of_them() -> None:
        stream = store.reader(epoch=seen.epoch)
        try:
            await asyncio.gather(ask(stream, [KEY]), ask(stream, [b"q", KEY]))
            client.flushall()
            await asyncio.gather(ask(stream, [KEY]), ask(stream, [b"q"] * 3000))
            assert await stream.command("GET", KEY) is None
        finally:
            await stream.close()

    asyncio.run(all_of_them())
    assert told == [([b"row"], 0), ([None, b"row"], 0), ([None], 1), ([None] * 3000, 1)]


def test_what_a_look_found_is_dropped_where_rows_brought_another_word_meanwhile(
    store, seen, client
) -> None:
    since, before = seen.epoch.changes, store.beside("p").word
    client.flushall()
    store.read([KEY], epoch=seen.epoch)
    with seen.epoch.looked(before, since=since) as is_news:
        assert not is_news
    assert seen.epoch.word is None


def test_a_cluster_reads_what_lies_beside_wherever_it_is(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[1].port},127.0.0.1:{nodes[2].port}/"
        with OnlineStore(url) as sharded:
            sharded.publish_manifest(FIRST)
            sharded.write([(KEY, b"row")])
            seen = Seen(sharded)
            assert seen.epoch.digest == FIRST.digest == sharded.beside("p").digest
            assert (sharded.manifest("p"), sharded.projects()) == (FIRST, ["p"])
            assert sharded.read([KEY], epoch=seen.epoch) == [b"row"]
            assert seen.times == 0
