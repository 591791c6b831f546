"""The lineage graph by the numbers of its nodes: facts say edges, walks go along those in sight.

What somebody may not discover is neither shown nor counted: a walk goes around it, and ends
where there is more to see than anybody looks at, whatever else there may be.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, and_, delete, func, insert, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from provender.catalog import access, naming
from provender.catalog.nodes import portions
from provender.catalog.rows import DatasetRow, EdgeRow, FactRow, NodeRow, RestsOnRow
from provender.core.lineage import How, NodeKind
from provender.core.people import Actor
from provender.core.policy import Action

MOST_EDGES = 2000
"""A walk ends after so many edges; more cannot be looked at anyway."""
NOT_THERE = 0
"""The number of no dataset."""
PAGE = 2 * MOST_EDGES
"""How many edges are read at a time, seen or not."""


class Said(NamedTuple):
    """How it is known that one node was made from another, and whether it tells nothing of it."""

    how: How
    masking: bool = False


Pair = tuple[int, int]
"""The numbers of what something was made from, and of what was made."""


@dataclass(slots=True)
class Walk:
    """The edges within some steps; ``truncated`` where there were more in sight."""

    edges: dict[Pair, Said] = field(default_factory=dict)
    truncated: bool = False


class Sight:
    """Which nodes an actor may discover: those of which they may discover every dataset."""

    def __init__(self, db: Session, who: Actor, *, now: datetime) -> None:
        self._db = db
        self._shown: Select[int] = access.visible_numbers(db, who, Action.DISCOVER, now=now)
        self._datasets: dict[int, bool] = {}
        self._nodes: dict[int, bool] = {}

    def of(self, numbers: Collection[int]) -> set[int]:
        """Return those of the nodes ``numbers`` that are in sight."""
        new = [number for number in dict.fromkeys(numbers) if number not in self._nodes]
        for portion in portions(new):
            self._look(portion)
        return {number for number in numbers if self._nodes[number]}

    def _look(self, numbers: Sequence[int]) -> None:
        rests = self._rests(numbers)
        asked = {dataset for each in rests.values() for dataset in each}
        asked -= self._datasets.keys()
        for portion in portions(sorted(asked)):
            shown = set(self._db.scalars(self._shown.where(DatasetRow.id.in_(portion))))
            self._datasets |= {dataset: dataset in shown for dataset in portion}
        for number in numbers:
            self._nodes[number] = all(map(self._datasets.__getitem__, rests.get(number, ())))

    def _rests(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        """The datasets that nodes are of, or rest on; a column rests on what the whole does."""
        whole = aliased(NodeRow)
        same = and_(whole.kind == NodeRow.kind, whole.name == NodeRow.name, whole.column_name == "")
        own = select(NodeRow.id, func.coalesce(NodeRow.dataset, NOT_THERE)).where(
            NodeRow.id.in_(numbers), NodeRow.kind == NodeKind.DATASET.value
        )
        others = (
            select(NodeRow.id, RestsOnRow.dataset)
            .join(whole, same)
            .join(RestsOnRow, RestsOnRow.node == whole.id)
            .where(NodeRow.id.in_(numbers), NodeRow.kind != NodeKind.DATASET.value)
        )
        found: dict[int, list[int]] = {}
        for number, dataset in self._db.execute(union_all(own, others)):
            found.setdefault(number, []).append(dataset)
        return found


def walk(
    db: Session, sight: Sight, starts: Sequence[int], depth: int, *, down: bool, most: int
) -> Walk:
    """Return the edges within ``depth`` steps of ``starts`` that are in sight, at most ``most``.

    The nearest first; of those equally near, by the numbers of their nodes. Circles are safe.
    """
    found = Walk()
    seen, frontier = set(starts), sorted(set(starts))
    for _ in range(depth):
        reached: dict[int, None] = {}
        for pair, said in _steps(db, sight, frontier, down=down):
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
        if not frontier:
            break
    return found


def say(db: Session, facts: Mapping[str, Mapping[Pair, Said]]) -> bool:
    """Let the edges of each fact be those given, in place of what it said; whether that is new."""
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
                    "masking": said.masking,
                }
                for fact, (up, down), said in fresh
            ],
        )
    return bool(stale or fresh)


def _said(db: Session, facts: Iterable[str]) -> tuple[dict[str, int], dict[str, dict[Pair, Said]]]:
    """The numbers of those ``facts`` that there are, and the edges that each says."""
    wanted = (
        select(
            FactRow.name,
            FactRow.id,
            EdgeRow.upstream,
            EdgeRow.downstream,
            EdgeRow.how,
            EdgeRow.masking,
        )
        .outerjoin(EdgeRow, EdgeRow.fact == FactRow.id)
        .where(FactRow.name.in_(sorted(facts)))
    )
    known: dict[str, int] = {}
    edges: dict[str, dict[Pair, Said]] = {}
    for name, number, up, down, how, masking in db.execute(wanted):
        known[name] = number
        said = edges.setdefault(name, {})
        if up is not None:
            said[up, down] = Said(How(how), masking)
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
    db: Session, sight: Sight, frontier: Sequence[int], *, down: bool
) -> Iterator[tuple[Pair, Said]]:
    """The edges from ``frontier`` to what is in sight, in order."""
    for portion in portions(frontier):
        for page in _pages(db, portion, down=down):
            shown = sight.of([pair[down] for pair, _ in page])
            yield from ((pair, said) for pair, said in page if pair[down] in shown)


def _pages(db: Session, numbers: Sequence[int], *, down: bool) -> Iterator[list[tuple[Pair, Said]]]:
    near, far = EdgeRow.upstream, EdgeRow.downstream
    if not down:
        near, far = far, near
    place = tuple_(near, far, EdgeRow.fact)
    wanted = (
        select(EdgeRow.upstream, EdgeRow.downstream, EdgeRow.fact, EdgeRow.how, EdgeRow.masking)
        .where(near.in_(numbers))
        .order_by(near, far, EdgeRow.fact)
        .limit(PAGE)
    )
    after: tuple[int, int, int] | None = None
    while True:
        rows = db.execute(wanted if after is None else wanted.where(place > after)).all()
        yield [((row[0], row[1]), Said(How(row[3]), row[4])) for row in rows]
        if len(rows) < PAGE:
            return
        up, to, fact = rows[-1][:3]
        after = (up, to, fact) if down else (to, up, fact)


def _better(one: Said, other: Said) -> Said:
    """What two facts say of one edge: the surer way; masking only if both say so."""
    ranks = list(How)
    return Said(min(one.how, other.how, key=ranks.index), one.masking and other.masking)
