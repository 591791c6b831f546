"""The lineage graph by the numbers of its nodes: facts say edges, walks go along those in sight.

What somebody may not discover is neither shown nor counted: a walk goes around it, and ends
where there is more to see than anybody looks at, whatever else there may be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.orm import Session

from provender.catalog import epoch, naming
from provender.catalog.nodes import OF_KIND, Part, portions
from provender.catalog.rows import EdgeRow, FactRow
from provender.core import derivation
from provender.core.lineage import How, Node, NodeKind
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.tags import Way

MOST_EDGES = 2000
"""A walk ends after so many edges; more cannot be looked at anyway."""
PAGE = 2 * MOST_EDGES
"""How many edges are read at a time, seen or not."""
MOST_READ = 50_000
"""A walk reads so many edges, or a page more, whether they are in sight or not."""


class Said(NamedTuple):
    """How it is known that one node was made from another, and how it was anonymised, if it was."""

    how: How
    way: Way | None = None


NODES = (
    "SELECT nodes.id, nodes.kind, nodes.name, nodes.column_name, datasets.id, datasets.scope"
    " FROM nodes LEFT JOIN datasets ON datasets.id = nodes.dataset WHERE nodes.id IN ({})"
)
RESTING = (
    "SELECT rests_on.node, datasets.id, datasets.scope FROM rests_on"
    " JOIN datasets ON datasets.id = rests_on.dataset WHERE rests_on.node IN ({})"
)
COLUMNS_RESTING = (
    "SELECT part.id, datasets.id, datasets.scope FROM nodes AS part"
    " JOIN nodes AS whole ON whole.kind = part.kind AND whole.name = part.name"
    " AND whole.column_name = '' JOIN rests_on ON rests_on.node = whole.id"
    " JOIN datasets ON datasets.id = rests_on.dataset WHERE part.id IN ({})"
)
EDGES = (
    "SELECT upstream, downstream, fact, how, way FROM edges WHERE {near} IN ({among}) {after}"
    " ORDER BY {near}, {far}, fact LIMIT {limit}"
)
"""A walk asks for other numbers each time, so that there is nothing to compile once."""
SAID = {
    (code, way): Said(how, known)
    for code, how in enumerate(How)
    for way, known in enumerate((None, *Way))
}
"""By what the database has of an edge."""
Pair = tuple[int, int]
"""The numbers of what something was made from, and of what was made."""


@dataclass(slots=True)
class Walk:
    """The edges within some steps; ``truncated`` where there was more than is looked at."""

    edges: dict[Pair, Said] = field(default_factory=dict)
    truncated: bool = False


@dataclass(slots=True)
class _Reading:
    """How many edges may be read still; ``is_over`` where there were more."""

    left: int
    is_over: bool = False


class Sight:
    """Which nodes an actor may discover: as `derivation.is_seen` says of their datasets."""

    def __init__(self, db: Session, who: Actor, *, now: datetime) -> None:
        self._connection = db.connection()
        self._shown = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
        self._nodes: dict[int, bool] = {}
        self._parts: dict[int, Part] = {}

    def of(self, numbers: Collection[int]) -> set[int]:
        """Return those of the nodes ``numbers`` that are in sight."""
        new = [number for number in dict.fromkeys(numbers) if number not in self._nodes]
        for portion in portions(new):
            self._look(portion)
        return {number for number in numbers if self._nodes[number]}

    def parts(self, numbers: Collection[int]) -> dict[int, Part]:
        """Return which node, and which column of it, each number is of."""
        for portion in portions([number for number in numbers if number not in self._parts]):
            self._read(portion)
        return {number: self._parts[number] for number in numbers}

    def _look(self, numbers: Sequence[int]) -> None:
        """A column rests on what the whole does; a dataset, or a version of it, on the dataset."""
        shown = dict.fromkeys(numbers, True)
        wholes, columns = list[int](), list[int]()
        for number, dataset, scope in self._read(numbers):
            node, column = self._parts[number]
            if node.kind is NodeKind.DATASET:
                shown[number] = self._opens(dataset, scope)
            else:
                (columns if column else wholes).append(number)
        opened: dict[int, list[bool]] = defaultdict(list)
        for question, asked in ((RESTING, wholes), (COLUMNS_RESTING, columns)):
            for number, dataset, scope in self._rows(question, asked):
                opened[number].append(self._opens(dataset, scope))
        for number, each in opened.items():
            shown[number] = derivation.is_seen(self._parts[number][0], each, (True,))
        self._nodes |= shown

    def _opens(self, dataset: int | None, scope: int | None) -> bool:
        return scope in self._shown.scopes or dataset in self._shown.datasets

    def _read(self, numbers: Sequence[int]) -> list[tuple[int, int | None, int | None]]:
        """Keep what the nodes are, and return the dataset that each is of, if any, and its scope."""
        rows = self._rows(NODES, numbers)
        for number, kind, name, column, _, _ in rows:
            self._parts[number] = Node(OF_KIND[kind], name), column
        return [(row[0], row[4], row[5]) for row in rows]

    def _rows(self, question: str, numbers: Sequence[int]) -> Sequence[Any]:
        if not numbers:
            return ()
        return self._connection.exec_driver_sql(question.format(_listed(numbers))).all()


def walk(
    db: Session, sight: Sight, starts: Sequence[int], depth: int, *, down: bool, most: int
) -> Walk:
    """Return the edges within ``depth`` steps of ``starts`` that are in sight, at most ``most``.

    The nearest first; of those equally near, by the numbers of their nodes. Circles are safe.
    """
    found, reading = Walk(), _Reading(MOST_READ)
    seen, frontier = set(starts), sorted(set(starts))
    for _ in range(depth):
        reached: dict[int, None] = {}
        for pair, said in _steps(db, sight, frontier, reading, down=down):
            if pair in found.edges:
                found.edges[pair] = _better(found.edges[pair], said)
                continue
            if len(found.edges) == most:
                found.truncated = True
                return found
            found.edges[pair] = said
            reached[pair[down]] = None
        frontier = sorted(number for number in reached if number not in seen)
        seen.update(frontier)
        found.truncated = reading.is_over
        if reading.is_over or not frontier:
            break
    return found


def say(db: Session, facts: Mapping[str, Mapping[Pair, Said]]) -> frozenset[int]:
    """Let the edges of each fact be those given, in place of what it said.

    Returns the nodes of which other things are said than before: what edges that are gone led to,
    and both ends of those that are new.
    """
    known, before = _said(db, facts)
    stale = [
        (number, pair)
        for fact, number in known.items()
        for pair, said in before[fact].items()
        if facts[fact].get(pair) != said
    ]
    fresh = [
        (fact, pair, said)
        for fact, edges in facts.items()
        for pair, said in edges.items()
        if before.get(fact, {}).get(pair) != said
    ]
    _forget(db, stale)
    new = [fact for fact in dict.fromkeys(fact for fact, _, _ in fresh) if fact not in known]
    if new:
        known |= {
            fact: number for number, fact in enumerate(new, naming.take(db, "fact", len(new)))
        }
        db.execute(insert(FactRow), [{"id": known[fact], "name": fact} for fact in new])
    if fresh:
        db.execute(
            insert(EdgeRow),
            [
                {
                    "upstream": up,
                    "downstream": down,
                    "fact": known[fact],
                    "how": said.how.value,
                    "way": said.way or "",
                }
                for fact, (up, down), said in fresh
            ],
        )
    ends = (end for _, pair, _ in fresh for end in pair)
    return frozenset((*(down for _, (_, down) in stale), *ends))


def _said(db: Session, facts: Iterable[str]) -> tuple[dict[str, int], dict[str, dict[Pair, Said]]]:
    """The numbers of those ``facts`` that there are, and the edges that each says."""
    wanted = (
        select(
            FactRow.name,
            FactRow.id,
            EdgeRow.upstream,
            EdgeRow.downstream,
            EdgeRow.how,
            EdgeRow.way,
        )
        .outerjoin(EdgeRow, EdgeRow.fact == FactRow.id)
        .where(FactRow.name.in_(sorted(facts)))
    )
    known: dict[str, int] = {}
    edges: dict[str, dict[Pair, Said]] = {}
    for name, number, up, down, how, way in db.execute(wanted):
        known[name] = number
        said = edges.setdefault(name, {})
        if up is not None:
            said[up, down] = Said(How(how), Way(way) if way else None)
    return known, edges


def _forget(db: Session, stale: Sequence[tuple[int, Pair]]) -> None:
    by_fact: dict[int, list[Pair]] = {}
    for fact, pair in stale:
        by_fact.setdefault(fact, []).append(pair)
    for fact, pairs in by_fact.items():
        for portion in portions(pairs):
            gone = tuple_(EdgeRow.upstream, EdgeRow.downstream).in_(portion)
            db.execute(delete(EdgeRow).where(EdgeRow.fact == fact, gone))


def _steps(
    db: Session, sight: Sight, frontier: Sequence[int], reading: _Reading, *, down: bool
) -> Iterator[tuple[Pair, Said]]:
    """The edges from ``frontier`` to what is in sight, in order."""
    for portion in portions(frontier):
        for page in _pages(db, portion, reading, down=down):
            shown = sight.of([pair[down] for pair, _ in page])
            yield from ((pair, said) for pair, said in page if pair[down] in shown)


def _pages(
    db: Session, numbers: Sequence[int], reading: _Reading, *, down: bool
) -> Iterator[list[tuple[Pair, Said]]]:
    near, far = ("upstream", "downstream") if down else ("downstream", "upstream")
    after = ""
    while not reading.is_over:
        question = EDGES.format(near=near, far=far, among=_listed(numbers), after=after, limit=PAGE)
        rows = db.connection().exec_driver_sql(question).all()
        yield [((up, to), SAID[how, way]) for up, to, _, how, way in rows]
        reading.left -= len(rows)
        if len(rows) < PAGE:
            return
        reading.is_over = reading.left <= 0
        up, to, fact = rows[-1][:3]
        last = (up, to, fact) if down else (to, up, fact)
        after = f"AND ({near}, {far}, fact) > ({_listed(last)})"


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(str(int(number)) for number in numbers)


def _better(one: Said, other: Said) -> Said:
    """What two facts say of one edge: how it is known best; anonymised only if both say so."""
    ranks = list(How)
    ways = [said.way for said in (one, other) if said.way]
    way = min(ways, key=list(Way).index) if len(ways) == 2 else None
    return Said(min(one.how, other.how, key=ranks.index), way)
