"""One contender of lookups in process: ``caller KIND FOLDER STORE_PORT``, asked line by line.

``FOLDER`` holds the population, and Feast's repository. A line of JSON on stdin is a question:
``{"views", "size", "seconds"}`` is answered with latencies of calls for that many views and
entities, made for so long; without seconds, with the values of one call. The process stays
between turns, so that imports, connections and plans are made once, as in a service.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from benchmarks.contender import peak_mb
from benchmarks.load import percentile
from benchmarks.online_data import KEY, PROJECT, Population, read
from provender.core.clock import utc_now
from provender.feast_plugin.typechecks import hasten

DRAWS = 50
WARM_CALLS = 3
FEWEST_CALLS = 5
Entities = list[int]


@dataclass(frozen=True, slots=True)
class Contender:
    """How one looks up: ``ready`` makes what a call takes, outside the clock; ``values`` reads the answer."""

    call: Callable[[Any], Any]
    ready: Callable[[Entities], Any] = lambda entities: entities
    values: Callable[[Any], dict[str, list[Any]]] | None = None


def ours(population: Population, folder: Path, port: int, views: int) -> Contender:
    """Our compiled lookup, to numpy arrays, which are made when they are taken out."""
    lookup = _online(population, port, views)
    return Contender(lambda asked: lookup(asked).numpy(), _column, _features)


def ours_matrix(population: Population, folder: Path, port: int, views: int) -> Contender:
    """Our compiled lookup, to one matrix of all numbers: no text, so no values are compared."""
    lookup = _online(population, port, views)
    return Contender(lambda asked: lookup(asked).matrix(), _column)


def ours_columns(population: Population, folder: Path, port: int, views: int) -> Contender:
    """Our compiled lookup, to numpy arrays, of which every one is taken out."""
    lookup = _online(population, port, views)
    return Contender(lambda asked: dict(lookup(asked).numpy()), _column, _features)


def ours_dicts(population: Population, folder: Path, port: int, views: int) -> Contender:
    """Our compiled lookup, to one dict per entity."""
    lookup = _online(population, port, views)
    return Contender(lambda asked: lookup(asked).dicts(), _column, _transposed)


def floor(population: Population, folder: Path, port: int, views: int) -> Contender:
    """A socket, one MGET of the same keys, hiredis; the keys are made before the clock runs."""
    import socket

    import hiredis

    keys = _keys(population, views)
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = hiredis.Reader()

    def call(asked: tuple[bytes, ...]) -> Any:
        connection.sendall(hiredis.pack_command(asked))
        while (reply := reader.gets()) is False:
            reader.feed(connection.recv(65_536))
        return reply

    return Contender(call, lambda entities: (b"MGET", *keys(entities)))


def redis_py(population: Population, folder: Path, port: int, views: int) -> Contender:
    """redis-py's MGET of the same keys."""
    import redis

    keys = _keys(population, views)
    return Contender(redis.Redis(port=port).mget, keys)


def feast(population: Population, folder: Path, port: int, views: int) -> Contender:
    """Feast's own lookup; turning its answer into Python values comes after the clock."""
    hasten()
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(folder))
    service = store.get_feature_service(f"first_{views}")

    def call(rows: list[dict[str, int]]) -> Any:
        return store.get_online_features(features=service, entity_rows=rows)

    def values(answer: Any) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = answer.to_dict()
        del columns[KEY]
        return columns

    return Contender(call, lambda entities: [{KEY: entity} for entity in entities], values)


KINDS = {
    "ours": ours,
    "ours, matrix": ours_matrix,
    "ours, all columns": ours_columns,
    "ours, dicts": ours_dicts,
    "floor": floor,
    "redis-py": redis_py,
    "feast": feast,
}


class Caller:
    """A contender's process, seen from the benchmark."""

    def __init__(self, kind: str, process: "Popen[str]") -> None:
        self.kind = kind
        self._process = process

    def time(self, views: int, size: int, seconds: float) -> dict[str, float]:
        """Return p50 and p99 in microseconds, CPU seconds, calls, and the peak in MB."""
        return dict(self._ask({"views": views, "size": size, "seconds": seconds}))

    def values(self, views: int, size: int) -> dict[str, list[Any]]:
        """Return what it finds for the first draw; nothing, if it does not decode."""
        return dict(self._ask({"views": views, "size": size}))

    def _ask(self, question: dict[str, Any]) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise SystemExit(f"{self.kind} ended: its message is above")
        return json.loads(line)


@contextmanager
def calling(
    kind: str, folder: Path, port: int, *, cwd: Path, env: dict[str, str]
) -> Iterator[Caller]:
    """Give a process of ``kind``; it ends with the block."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.caller"]
    process = Popen(
        [*command, kind, str(folder), str(port)],
        cwd=cwd,
        env=env,
        stdin=PIPE,
        stdout=PIPE,
        text=True,
    )
    try:
        yield Caller(kind, process)
    finally:
        process.kill()
        process.communicate()


def _plan(population: Population, views: int) -> Any:
    from provender.online.plan import compile_plan

    return compile_plan(population.manifest(), population.asked(views))


def _online(population: Population, port: int, views: int) -> Callable[[dict[str, Entities]], Any]:
    """Return what ``connect().online(...)`` gives, over a plan of our own."""
    from provender.online.store import OnlineStore
    from provender.sdk.asked import Lookable
    from provender.sdk.online import OnlineLookup

    asked = Lookable(_plan(population, views))
    store = OnlineStore(f"redis://127.0.0.1:{port}/0")
    return OnlineLookup(store, PROJECT, lambda: asked, now=utc_now)


def _keys(population: Population, views: int) -> Callable[[Entities], list[bytes]]:
    """Return what gives the keys that our lookup reads."""
    from provender.online.lookup import Question

    plan = _plan(population, views)
    return lambda entities: Question(plan, {KEY: entities}, utc_now()).keys


def _column(entities: Entities) -> dict[str, Entities]:
    return {KEY: entities}


def _features(columns: Any) -> dict[str, list[Any]]:
    """Return plain lists by name, without the entities'; an array may come with its validity."""
    plain = {}
    for name, column in columns.items():
        array, valid = column if isinstance(column, tuple) else (column, None)
        values = array.tolist() if hasattr(array, "tolist") else list(array)
        kept = [True] * len(values) if valid is None else valid
        plain[name] = [value if keep else None for value, keep in zip(values, kept, strict=True)]
    plain.pop(KEY, None)
    return plain


def _transposed(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0] if name != KEY}


def _timed(one: Contender, draws: list[Entities], seconds: float) -> dict[str, float]:
    asked = [one.ready(entities) for entities in draws]
    for question in asked[:WARM_CALLS]:
        one.call(question)
    latencies: list[float] = []
    worked, end = time.process_time(), time.perf_counter() + seconds
    while len(latencies) < FEWEST_CALLS or time.perf_counter() < end:
        question = asked[len(latencies) % len(asked)]
        began = time.perf_counter()
        one.call(question)
        latencies.append(time.perf_counter() - began)
    ordered = sorted(latencies)
    return {
        "p50_us": percentile(ordered, 0.5) * 1e6,
        "p99_us": percentile(ordered, 0.99) * 1e6,
        "calls": len(ordered),
        "cpu_seconds": time.process_time() - worked,
        "peak_mb": peak_mb(),
    }


def _found(one: Contender, entities: Entities) -> dict[str, list[Any]]:
    return one.values(one.call(one.ready(entities))) if one.values else {}


def main(arguments: list[str], questions: Iterable[str]) -> None:
    """Answer questions until there are none."""
    kind, folder, port = arguments
    population = read(Path(folder))
    made: dict[int, Contender] = {}
    for line in questions:
        question = json.loads(line)
        views = question["views"]
        if views not in made:
            made[views] = KINDS[kind](population, Path(folder), int(port), views)
        draws = population.draws(question["size"], DRAWS)
        seconds = question.get("seconds")
        answer = _timed(made[views], draws, seconds) if seconds else _found(made[views], draws[0])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin)
