"""Rows written a few at a time over connections that stay open, until their time is over."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis

from provender.core.errors import Unavailable
from provender.online.codec import KeyCodec, RowCodec
from provender.online.embedded import EmbeddedServer
from provender.online.script import FOREVER, Expiry
from provender.online.sender import Written
from provender.online.store import OnlineStore
from tests.online.servers import cluster_node, free_port
from tests.online.views import T0, view

VIEW = view({"x": "int64"}, keys={"id": "int64"})
LATER = T0 + timedelta(days=1)


def pairs(count: int, at: datetime = T0) -> list[tuple[bytes, bytes]]:
    keys = [key for key in KeyCodec("p", VIEW).keys([range(count)], count) if key]
    rows = RowCodec(VIEW)
    return [(key, rows.encode(key, {"x": n}, at)) for n, key in enumerate(keys)]


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def test_an_older_row_never_replaces_a_newer_one(store: OnlineStore) -> None:
    with store.pens() as pens:
        assert pens.write(pairs(3, LATER), expiry=FOREVER, due=soon()) == Written(3, 0)
        assert pens.write(pairs(5), expiry=FOREVER, due=soon()) == Written(2, 3)
        assert pens.write([], expiry=FOREVER, due=soon()) == Written(0, 0)
    rows = dict(pairs(5)) | dict(pairs(3, LATER))
    assert store.read(list(rows)) == list(rows.values())


def test_each_write_has_an_expiry_of_its_own(store: OnlineStore, server: EmbeddedServer) -> None:
    (first, second) = pairs(2)
    with store.pens() as pens, redis.Redis.from_url(server.url) as client:
        pens.write([first], expiry=Expiry.after(timedelta(minutes=1)), due=soon())
        pens.write([second], expiry=FOREVER, due=soon())
        assert 0 < client.pttl(first[0]) <= 60_000
        assert client.pttl(second[0]) == -1


def test_a_forgotten_script_and_a_lost_connection_are_no_error(
    store: OnlineStore, server: EmbeddedServer
) -> None:
    with store.pens() as pens, redis.Redis.from_url(server.url) as client:
        pens.write(pairs(1), expiry=FOREVER, due=soon())
        client.script_flush()
        assert pens.write(pairs(2), expiry=FOREVER, due=soon()) == Written(2, 0)
        client.client_kill_filter(_type="normal", skipme=True)
        assert pens.write(pairs(3), expiry=FOREVER, due=soon()) == Written(3, 0)


def test_threads_share_what_is_open(store: OnlineStore, server: EmbeddedServer) -> None:
    with store.pens() as pens, redis.Redis.from_url(server.url) as client:
        before = client.info("stats")["total_connections_received"]
        with ThreadPoolExecutor(4) as threads:
            done = list(
                threads.map(
                    lambda n: pens.write(pairs(n), expiry=FOREVER, due=soon()), range(1, 101)
                )
            )
        assert [sum((one.written, one.kept)) for one in done] == list(range(1, 101))
        assert client.info("stats")["total_connections_received"] - before <= 4
    assert store.count("p", VIEW.name) == 100


def test_a_store_that_is_not_there_is_told_when_the_time_is_over() -> None:
    with OnlineStore(f"redis://127.0.0.1:{free_port()}/0") as nobody, nobody.pens() as pens:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            pens.write(pairs(1), expiry=FOREVER, due=soon(0.5))
        assert time.monotonic() - began < 3.0


def test_rows_of_a_cluster_go_to_their_slots(tmp_path: Path) -> None:
    with (
        cluster_node(tmp_path) as port,
        OnlineStore(f"redis+cluster://127.0.0.1:{port}/") as store,
        store.pens() as pens,
    ):
        some = pairs(50)
        assert pens.write(some, expiry=FOREVER, due=soon()) == Written(50, 0)
        assert pens.write(some, expiry=FOREVER, due=soon()).written == 50
        assert store.read([key for key, _ in some]) == [row for _, row in some]
