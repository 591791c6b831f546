"""Lineage at scale: what is around a node, five steps both ways, by who may see some of it.

The graph has a million edges between 300,000 nodes of every kind: mostly from what was made
shortly before, a tenth from anywhere, so that there are circles. One dataset in twenty is
hidden from who asks. The floor is the same walk over bare SQL, which shows everything to anybody.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Engine, insert, text

from benchmarks import catalog_databases
from benchmarks.results import Benchmark, Claim, Figure, Options, Row
from provender.catalog import scopes
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.finder import LocalFinder
from provender.catalog.graph import MOST_EDGES
from provender.catalog.rows import (
    CounterRow,
    DatasetNameRow,
    DatasetRow,
    EdgeRow,
    FactRow,
    NodeRow,
    OwnerRow,
    RestsOnRow,
    RuleRow,
    ScopeRow,
)
from provender.catalog.scopes import Policy
from provender.core.datasets import Dataset, Format
from provender.core.lineage import How, Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.policy import Action, Rule

NAME = "catalog_lineage"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DEPTH = 5
QUESTIONS, WARM = (400, 80), 10
AT_ONCE = 10_000
PORTION = 500
DOMAINS = 40
HIDDEN = 20
"""One dataset in so many is of a domain that who asks may not discover."""
KINDS = (
    *(NodeKind.DATASET,) * 4,
    NodeKind.VIEW,
    NodeKind.VIEW,
    NodeKind.ON_DEMAND,
    NodeKind.SERVICE,
    NodeKind.TRAINING_SET,
    NodeKind.TRAINING_SET,
)
"""What nodes are, in turn: as many of each as there are here in ten."""
TARGET = Claim("five steps both ways, p95 at most 100 ms", "value", 100)


@dataclass(frozen=True, slots=True)
class Size:
    """How many nodes and edges a graph has."""

    nodes: int
    edges: int

    def __str__(self) -> str:
        return f"{self.edges:,} edges, {self.nodes:,} nodes, depth {DEPTH}"


SIZES = (Size(300_000, 1_000_000), Size(30_000, 100_000))


def run(options: Options) -> Iterator[Row]:
    """Measure both databases."""
    size = SIZES[options.quick]
    for kind in catalog_databases.KINDS:
        case = f"{size}, p95, {kind}"
        if not options.wants(case):
            continue
        options.say(f"{NAME}: {case}")
        with catalog_databases.empty(kind, options) as url:
            if url is not None:
                yield _measured(url, size, case, options)


def _measured(url: str, size: Size, case: str, options: Options) -> Row:
    engine = open_database(url)
    try:
        began = time.perf_counter()
        fill(engine, size)
        options.say(f"  filled in {time.perf_counter() - began:.0f} s")
        with catalog_databases.as_served():
            return _asked(engine, size, case, options)
    finally:
        engine.dispose()


def _asked(engine: Engine, size: Size, case: str, options: Options) -> Row:
    finder = LocalFinder(Door(engine, actor="person:ana", clock=lambda: NOW))
    starts = _starts(size, QUESTIONS[options.quick] + WARM)
    ours, floor, found, cut = Timed(), Timed(), list[int](), 0
    for number in starts:
        seen = ours.of(lambda number=number: finder.lineage(node(number), depth=DEPTH))
        floor.of(lambda number=number: _bare(engine, number))
        found.append(len(seen.edges))
        cut += seen.truncated
    found.sort()
    return Row(
        bench=NAME,
        case=case,
        unit="ms",
        figures=(ours.figure("ours"), floor.figure("floor")),
        claims=(TARGET,),
        seen={
            "p50 and worst, ms": [round(ours.part(0.5), 2), round(ours.part(1), 2)],
            "edges shown, p50 and p95": [found[len(found) // 2], found[len(found) * 95 // 100]],
            "cut": cut,
            "load": round(os.getloadavg()[0], 1),
        },
    )


class Timed:
    """Milliseconds of every call but the first few."""

    def __init__(self) -> None:
        self._walls: list[float] = []
        self._cpu = 0.0

    def of(self, work: Callable[[], Any]) -> Any:
        """Return what ``work`` does, and remember how long it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        answer = work()
        self._walls.append((time.perf_counter() - wall) * 1000)
        self._cpu += time.process_time() - cpu
        return answer

    def part(self, share: float) -> float:
        """Return what so large a share of the calls did not take longer than."""
        walls = sorted(self._walls[WARM:])
        return walls[min(len(walls) - 1, int(len(walls) * share))]

    def figure(self, name: str) -> Figure:
        """Return the 95th percentile, and the processor time of all calls in this process."""
        return Figure(name=name, value=round(self.part(0.95), 3), cpu_seconds=round(self._cpu, 2))


def node(number: int) -> Node:
    """Return the node with that number; the same for every graph."""
    kind = KINDS[number % len(KINDS)]
    if kind is NodeKind.DATASET:
        return Node(kind, _dataset(number))
    if kind is NodeKind.TRAINING_SET:
        return Node(kind, f"ts_{number:08x}")
    return Node(kind, f"project_{number % DOMAINS}/thing_{number}")


def fill(engine: Engine, size: Size) -> None:
    """Write a graph, its datasets, and rules for who asks. The same each time."""
    dice = random.Random(3)  # noqa: S311 - the same graph each time
    with transaction(engine, write=True) as db:
        for table, rows in (
            (RuleRow, _rules()),
            (ScopeRow, _scopes()),
            (DatasetRow, _datasets(size)),
            (DatasetNameRow, _names(size)),
            (OwnerRow, _owners(size)),
            (NodeRow, _nodes(size)),
            (FactRow, [{"id": 1, "name": "benchmark"}]),
            (RestsOnRow, _rests(size, dice)),
            (EdgeRow, _edges(size, dice)),
        ):
            left = iter(rows)
            while portion := list(islice(left, AT_ONCE)):
                db.connection().execute(insert(table), portion)  # ten times as fast as the session
        for counter, value in (("node", size.nodes + 1), (scopes.COUNTER, 2 * DOMAINS)):
            db.merge(CounterRow(name=counter, value=value))
        db.flush()
        db.execute(text("ANALYZE"))


def _starts(size: Size, count: int) -> list[int]:
    """Nodes that who asks may discover, from anywhere."""
    dice = random.Random(5)  # noqa: S311 - the same questions each time
    found: list[int] = []
    while len(found) < count:
        number = dice.randrange(1, size.nodes)
        if KINDS[number % len(KINDS)] is NodeKind.DATASET and not _is_hidden(number):
            found.append(number)
    return found


def _bare(engine: Engine, start: int) -> int:
    """The same walk over the edges alone."""
    return sum(_reached(engine, start, down=down) for down in (True, False))


def _reached(engine: Engine, start: int, *, down: bool) -> int:
    near = "upstream" if down else "downstream"
    seen, frontier, edges = {start}, [start], 0
    with engine.connect() as connection:
        for _ in range(DEPTH):
            reached: list[int] = []
            for at in range(0, len(frontier), PORTION):
                among = ",".join(map(str, frontier[at : at + PORTION]))
                rows = connection.exec_driver_sql(
                    f"SELECT upstream, downstream FROM edges WHERE {near} IN ({among}) "
                    f"LIMIT {MOST_EDGES - edges}"
                )
                for pair in rows:
                    edges += 1
                    if pair[down] not in seen:
                        seen.add(pair[down])
                        reached.append(pair[down])
            frontier = reached
            if not frontier or edges >= MOST_EDGES:
                break
    return edges


def _dataset(number: int) -> str:
    return f"{_domain(number, hidden=_is_hidden(number))}.table_{number}"


def _domain(number: int, *, hidden: bool) -> str:
    return "secret" if hidden else f"domain_{number % DOMAINS}"


def _is_hidden(number: int) -> bool:
    return number * 2_654_435_761 % 2**32 % HIDDEN == 0


def _numbers(size: Size) -> Iterator[int]:
    return (n for n in range(1, size.nodes) if KINDS[n % len(KINDS)] is NodeKind.DATASET)


def _rules() -> Sequence[dict[str, Any]]:
    """One for each domain, as catalogs have them."""
    rules = [
        Rule(
            id=f"known-{number}",
            actors=("anyone",),
            actions=(Action.DISCOVER,),
            datasets=(f"domain_{number}.*",),
        )
        for number in range(DOMAINS)
    ]
    return [{"id": rule.id, "value": rule} for rule in rules]


def _scopes() -> Iterator[dict[str, Any]]:
    policy = Policy(rules=tuple(row["value"] for row in _rules()), protected=frozenset())
    for place in range(DOMAINS):
        for hidden in (True, False):
            key = scopes.key_of(_declared(f"{_domain(place, hidden=hidden)}.any", place), policy)
            yield {"id": _scope(place, hidden=hidden), "key": key}


def _scope(number: int, *, hidden: bool) -> int:
    return 1 + 2 * (number % DOMAINS) + hidden


def _datasets(size: Size) -> Iterator[dict[str, Any]]:
    for number in _numbers(size):
        name = _dataset(number)
        yield {
            "id": number,
            "urn": f"urn:provender:dataset:{number}",
            "name": name,
            "domain": name.partition(".")[0],
            "revision": 1,
            "latest": None,
            "scope": _scope(number, hidden=_is_hidden(number)),
            "value": _declared(name, number),
            "created_at": NOW,
            "changed_at": NOW,
            "withdrawn_at": None,
        }


def _declared(name: str, number: int) -> Dataset:
    return Dataset(
        ref=DatasetRef.parse(name),
        description="A table.",
        owner=_owner(number),
        format=Format.PARQUET,
    )


def _names(size: Size) -> Iterator[dict[str, Any]]:
    for number in _numbers(size):
        yield {"name": _dataset(number), "dataset": number, "since_at": NOW, "until_at": None}


def _owners(size: Size) -> Iterator[dict[str, Any]]:
    for number in _numbers(size):
        yield {"dataset": number, "actor": _owner(number), "role": "accountable"}


def _owner(number: int) -> str:
    return f"team:owner-{number % DOMAINS}"


def _nodes(size: Size) -> Iterator[dict[str, Any]]:
    for number in range(1, size.nodes + 1):
        one = node(number)
        yield {
            "id": number,
            "kind": one.kind.value,
            "name": one.name,
            "column_name": "",
            "dataset": number if one.kind is NodeKind.DATASET else None,
            "scope": 0,
        }


def _rests(size: Size, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Each thing rests on one to three of the datasets before it."""
    for number in range(1, size.nodes + 1):
        if KINDS[number % len(KINDS)] is NodeKind.DATASET:
            continue
        last = number - number % len(KINDS)
        near = {
            max(0, last - len(KINDS) * dice.randrange(50)) + 1 for _ in range(dice.randint(1, 3))
        }
        yield from ({"node": number, "dataset": dataset} for dataset in sorted(near))


def _edges(size: Size, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Most from what was made shortly before, by a few hundred; a tenth from anywhere."""
    made: set[tuple[int, int]] = set()
    while len(made) < size.edges:
        down = dice.randrange(2, size.nodes)
        near = max(1, down - 1 - int(dice.expovariate(1 / 2000)))
        made.add((near if dice.random() < 0.9 else dice.randrange(1, size.nodes), down))
    how = How.DECLARED.value
    for up, down in sorted(made):
        yield {"upstream": up, "downstream": down, "fact": 1, "how": how, "way": ""}


BENCHMARK = Benchmark(
    name=NAME,
    claim="a million lineage edges, five steps both ways, with rights: p95 at most 100 ms",
    run=run,
)
