"""How far a run is, kept beside its rows: what counts after a crash, a restart, and on a cluster."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import redis

from provender.core.errors import Conflict
from provender.online import runs
from provender.online.arrow import BatchEncoder
from provender.online.embedded import EmbeddedServer
from provender.online.options import from_connection_string
from provender.online.runs import Interrupted, RunRecord
from provender.online.store import OnlineStore
from tests.online.servers import cluster_node, primary
from tests.online.views import T0, view

VIEW = view({"x": "int64"})
HOUR = timedelta(hours=1)


def batches(first: int) -> list[pa.RecordBatch]:
    """Return ten rows in batches of two, from number ``first`` on."""
    rows = [{"origin": f"o{n}", "x": n, "event_timestamp": T0} for n in range(10)][first:]
    return [pa.RecordBatch.from_pylist(rows[at : at + 2]) for at in range(0, len(rows), 2)]


def begun(store: OnlineStore) -> RunRecord:
    return runs.begin(store, source="s", layout="l", start=T0, end=T0 + HOUR)


def filled(store: OnlineStore, record: RunRecord, **options: object) -> RunRecord:
    return runs.fill(store, BatchEncoder("p", VIEW), "p", record, batches, seconds=0, **options)


class Killed(Exception):
    pass


def killed_after(count: int):
    """Return a progress function that ends the run after so many batches."""
    left = [count]

    def progress(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    return progress


def test_a_run_is_remembered_until_it_is_forgotten(store: OnlineStore) -> None:
    assert runs.unfinished(store, "p", "weather") is None
    done = filled(store, begun(store))
    assert (done.next_row, done.written, done.kept) == (10, 10, 0)
    assert runs.unfinished(store, "p", "weather") == done
    assert runs.unfinished(store, "p", "other") is None
    assert runs.unfinished(store, "q", "weather") is None
    runs.forget(store, "p", "weather")
    assert runs.unfinished(store, "p", "weather") is None


@pytest.mark.parametrize("batch", [1, 2, 4, 5])
def test_only_acknowledged_rows_are_remembered(store: OnlineStore, batch: int) -> None:
    with pytest.raises(Killed):
        filled(store, begun(store), progress=killed_after(batch))
    found = runs.unfinished(store, "p", "weather")
    assert found is not None
    assert (found.next_row, found.written) == (2 * (batch - 1), 2 * (batch - 1))
    done = filled(store, found)
    assert (done.next_row, done.written, done.kept) == (10, 10, 0)
    assert store.count("p") == 10


def test_a_run_ends_when_its_view_is_defined_otherwise_meanwhile(store: OnlineStore) -> None:
    store.declare("p", VIEW)

    def progress(_: int) -> None:
        store.declare("p", view({"x": "int64", "y": "int64"}))

    with pytest.raises(Conflict, match="defined otherwise by now"):
        filled(store, begun(store), progress=progress)
    assert store.count("p") <= 4
    with pytest.raises(Conflict):
        filled(store, begun(store))


def test_rows_without_an_order_begin_anew(store: OnlineStore) -> None:
    with pytest.raises(Killed):
        filled(store, begun(store), progress=killed_after(3), resumable=False)
    found = runs.unfinished(store, "p", "weather")
    assert found is not None
    assert found.next_row == 0


def test_deleting_rows_forgets_their_runs(store: OnlineStore) -> None:
    for view_name in ("weather", None):
        filled(store, begun(store))
        store.delete("p", view_name)
        assert runs.unfinished(store, "p", "weather") is None


def test_a_record_of_another_format_is_none(store: OnlineStore, server: EmbeddedServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.hset("provender:run:p", "weather", '{"run": 1}')
    assert runs.unfinished(store, "p", "weather") is None


def test_an_emptied_store_is_noticed(store: OnlineStore, server: EmbeddedServer) -> None:
    record = begun(store)
    with redis.Redis.from_url(server.url) as client, pytest.raises(Interrupted):
        filled(store, record, progress=lambda _: client.flushall())
    assert runs.unfinished(store, "p", "weather") is None


def test_what_survived_a_restart_is_gone_on_with(tmp_path: Path) -> None:
    """A server that keeps its data has another replication id; the rows before a record are there."""
    kept = ["--appendonly", "yes", "--appendfsync", "always"]
    with primary(tmp_path, *kept) as port, OnlineStore(f"redis://127.0.0.1:{port}") as first:
        record = filled(first, begun(first))
    with primary(tmp_path, *kept) as port, OnlineStore(f"redis://127.0.0.1:{port}") as second:
        found = runs.unfinished(second, "p", "weather")
        assert found is not None
        assert found.replid != record.replid
        assert found == replace(record, replid=found.replid)
        assert second.count("p") == 10


def test_on_a_cluster_a_record_counts_in_the_life_it_is_of(tmp_path: Path) -> None:
    with cluster_node(tmp_path) as port:
        options = from_connection_string(f"127.0.0.1:{port}", redis_type="redis_cluster")
        with OnlineStore(options) as store:
            done = filled(store, begun(store))
            assert runs.unfinished(store, "p", "weather") == done
            runs.remember(store, "p", "weather", replace(done, replid="another"))
            assert runs.unfinished(store, "p", "weather") is None
