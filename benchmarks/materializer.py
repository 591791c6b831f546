"""One materialisation in a process of its own: ``materializer KIND JOB.json``; prints figures as JSON.

``ours`` and ``feast`` call Feast's `materialize` with our stores and engine, or with Feast's own;
imports and definitions come before the clock. ``write``, ``rewrite`` and ``mset`` have the encoded rows in memory when it
starts: our store's writer, into an empty store and again, and a socket that sends the same keys
and rows as MSET and waits for all replies, which is the least that filling a store can take.
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.contender import peak_mb
from provender.feast_plugin.typechecks import hasten
from provender.online.frames import Framed

PROJECT = "bench"
VIEW = "view0"
KEY = "entity_id"
FIRST, LAST = datetime(2024, 12, 31, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
"""The window: all rows of `tables.feature_table`."""
FEAST_BATCH_ROWS = 10_000
MSET_KEYS = 1_000
BATCH_ROWS = 65_536
KINDS = {"float64": "double", "int64": "int64", "string": "string", "bool": "bool"}
LATEST = """
    SELECT * EXCLUDE (place) FROM (
        SELECT *, row_number() OVER (
            PARTITION BY {key} ORDER BY event_timestamp DESC, created_timestamp DESC
        ) AS place FROM '{table}' {where}
    ) WHERE place = 1 ORDER BY {key}
"""
"""The right answer, by the plainest query there is."""


@dataclass(frozen=True, slots=True)
class Job:
    """Which table goes into which store; ``sample`` are entities whose values are looked at afterwards."""

    table: str
    folder: str
    store_port: int
    sample: list[int]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Ready:
    """What is timed, and what the sampled entities' features are then."""

    timed: Callable[[], Any]
    values: Callable[[], dict[str, list[Any]]]


def right_values(job: Job) -> dict[str, list[Any]]:
    """Return the features of the sample, by name, in order of the entities."""
    sample = ", ".join(map(str, job.sample))
    query = LATEST.format(key=KEY, table=job.table, where=f"WHERE {KEY} IN ({sample})")
    with tables.session() as connection:
        rows = connection.sql(query).to_arrow_table()
    if rows.column(KEY).to_pylist() != sorted(job.sample):
        raise SystemExit("an entity of the sample has no row")
    return {name: rows.column(name).to_pylist() for name in tables.features(0)}


def ours(job: Job) -> Ready:
    """Feast's call with our offline store, engine and online store."""
    return _through_feast(
        job,
        offline_store={"type": "provender.feast_plugin.offline.ProvenderOfflineStore"},
        online_store={"type": "provender.feast_plugin.online.ProvenderOnlineStore"},
        batch_engine={"type": "provender.feast_plugin.engine.ProvenderEngine"},
    )


def feast(job: Job) -> Ready:
    """Feast's call with its DuckDB store, local engine and Redis store, set up for speed.

    Only the latest rows are pulled, they are written in batches, and no stored timestamp is read first.
    """
    return _through_feast(
        job,
        offline_store={"type": "duckdb"},
        online_store={
            "type": "redis",
            "connection_string": f"127.0.0.1:{job.store_port}",
            "skip_dedup": True,
        },
        materialization={
            "pull_latest_features": True,
            "online_write_batch_size": FEAST_BATCH_ROWS,
        },
    )


def write(job: Job) -> Ready:
    """Our store's writer of many rows, on encoded rows."""
    from provender.online.store import OnlineStore

    frames, store = _encoded(job), OnlineStore(f"redis://127.0.0.1:{job.store_port}/0")

    def send() -> None:
        with store.writer() as writer:
            for one in frames:
                writer.send(one)
            writer.settle()

    return Ready(send, dict)


def rewrite(job: Job) -> Ready:
    """Our store's writer, on rows that are stored already: each is compared and kept or set."""
    ready = write(job)
    ready.timed()
    return ready


def mset(job: Job) -> Ready:
    """A socket, the same bytes as MSET, all replies counted."""
    import hiredis

    commands = [
        b"*%d\r\n$4\r\nMSET\r\n" % (1 + 2 * count) + bytes(text)
        for frames in _encoded(job)
        for count, text in frames.pairs(MSET_KEYS)
    ]
    connection = socket.create_connection(("127.0.0.1", job.store_port))
    reader = hiredis.Reader()

    def send() -> None:
        for command in commands:
            connection.sendall(command)
        for _ in commands:
            while (reply := reader.gets()) is False:
                reader.feed(connection.recv(65_536))
            if reply != b"OK":
                raise SystemExit(f"MSET was answered with {reply!r}")

    return Ready(send, dict)


CONTENDERS: dict[str, Callable[[Job], Ready]] = {
    "ours": ours,
    "feast": feast,
    "write": write,
    "rewrite": rewrite,
    "mset": mset,
}


def _through_feast(job: Job, **stores: Any) -> Ready:
    hasten()
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    from benchmarks.retrieval import definitions
    from benchmarks.workload import Workload, view_of

    folder = Path(job.folder)
    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry=str(folder / "registry.db"),
        entity_key_serialization_version=3,
        **stores,
    )
    config.repo_path = folder
    store = FeatureStore(config=config)
    view = view_of(VIEW, Path(job.table), keys=(KEY,))
    store.apply(definitions(Workload(spine="", views=(view,)), governed=False))
    asked = [f"{VIEW}:{name}" for name in tables.features(0)]

    def values() -> dict[str, list[Any]]:
        rows = [{KEY: entity} for entity in sorted(job.sample)]
        found: dict[str, list[Any]] = store.get_online_features(asked, rows).to_dict()
        return {name: found[name] for name in tables.features(0)}

    return Ready(lambda: store.materialize(FIRST, LAST), values)


def _encoded(job: Job) -> list[Framed]:
    """Return keys and rows of the latest rows, as our store has them, ready to be sent."""
    from provender.core.features import FieldSpec
    from provender.core.serving import ServedView
    from provender.online.arrow import BatchEncoder

    with tables.session() as connection:
        query = LATEST.format(key=KEY, table=job.table, where="")
        latest = connection.sql(query).to_arrow_table()
    words = {kind: word for word, kind in KINDS.items()}
    view = ServedView(
        name=VIEW,
        join_keys=(FieldSpec(name=KEY, type="int64"),),
        columns=tuple(
            FieldSpec(name=name, type=words[str(latest.schema.field(name).type)])
            for name in sorted(tables.features(0))
        ),
    )
    encoder = BatchEncoder(PROJECT, view, created_timestamp="created_timestamp")
    return [encoder.frame(batch) for batch in latest.to_batches(BATCH_ROWS)]


def main(kind: str, job: str) -> None:
    """Make ready, run, and print the figures."""
    ready = CONTENDERS[kind](Job(**json.loads(Path(job).read_text())))
    began, worked = time.perf_counter(), time.process_time()
    ready.timed()
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - worked,
        "peak_mb": peak_mb(),
    }
    print("\n" + json.dumps({**figures, "values": ready.values()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
