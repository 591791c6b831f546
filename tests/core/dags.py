"""Random graphs of columns, and what happens to them: tags come and go, edges do, ways change."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from provender.core.tags import Way
from provender.core.travel import Carried, Place, Step, Stops, changes
from tests.oracle.travel import carried

TAGS = ("personal", "secret", "licence=bts", "late")
STOPS: Stops = {"personal": frozenset({Way.AGGREGATE}), "secret": frozenset({Way.HASH, Way.BUCKET})}


@dataclass
class Columns:
    """A `Graph` in memory."""

    tags: dict[int, set[str]] = field(default_factory=dict)
    edges: dict[tuple[int, int], Way | None] = field(default_factory=dict)
    known: dict[int, dict[str, Carried]] = field(default_factory=dict)

    def put(self, columns: Collection[int]) -> Mapping[int, Collection[str]]:
        return {column: self.tags[column] for column in columns if column in self.tags}

    def had(self, columns: Collection[int]) -> Mapping[int, Mapping[str, Carried]]:
        return {column: dict(self.known[column]) for column in columns if column in self.known}

    def had_over(self, columns: Collection[int]) -> Mapping[int, Mapping[str, Carried]]:
        over = set(columns)
        return {
            column: {tag: how for tag, how in tags.items() if how.over in over and how.distance}
            for column, tags in self.known.items()
        }

    def into(self, columns: Collection[int]) -> Sequence[Step]:
        ends = set(columns)
        return [Step(*pair, way) for pair, way in self.edges.items() if pair[1] in ends]

    def out_of(self, columns: Collection[int]) -> Sequence[Step]:
        ends = set(columns)
        return [Step(*pair, way) for pair, way in self.edges.items() if pair[0] in ends]

    def update(self, touched: Collection[int], stops: Stops = STOPS) -> dict[Place, Carried | None]:
        """Let what is known be so after ``touched`` changed, and return what is new."""
        new = changes(self, touched, stops)
        for (column, tag), how in new.items():
            tags = self.known.setdefault(column, {})
            if how is None:
                del tags[tag]
            else:
                tags[tag] = how
        return new

    def found(self) -> dict[Place, Carried]:
        """What is known."""
        return {(c, tag): how for c, tags in self.known.items() for tag, how in tags.items()}

    def anew(self, stops: Stops = STOPS) -> dict[Place, tuple[int, int]]:
        """What would be found by brute force."""
        steps = [(up, down, way) for (up, down), way in self.edges.items()]
        found: dict[Place, tuple[int, int]] = carried(self.tags, steps, stops)
        return found


def dag(dice: random.Random, *, columns: int, edges: int, masking: float = 0.1) -> Columns:
    """Return ``edges`` random edges from lower to higher numbers, a few of which anonymise."""
    made = Columns()
    while len(made.edges) < edges:
        up, down = sorted(dice.sample(range(1, columns + 1), 2))
        made.edges[up, down] = way(dice, masking)
    for column in dice.sample(range(1, columns + 1), max(2, columns // 25)):
        made.tags[column] = set(dice.sample(TAGS, dice.randint(1, 2)))
    return made


def way(dice: random.Random, masking: float) -> Way | None:
    return dice.choice(list(Way)) if dice.random() < masking else None


def happen(dice: random.Random, graph: Columns, *, circles: bool = False) -> set[int]:
    """Change something about ``graph``; return the columns that are touched by it."""
    columns = sorted({end for pair in graph.edges for end in pair})
    match dice.randrange(5):
        case 0:
            column = dice.choice(columns)
            graph.tags.setdefault(column, set()).add(dice.choice(TAGS))
            return {column}
        case 1 if graph.tags:
            column = dice.choice(sorted(graph.tags))
            graph.tags[column].discard(dice.choice(sorted(graph.tags[column])))
            if not graph.tags[column]:
                del graph.tags[column]
            return {column}
        case 2:
            ends = dice.sample(columns, 2)
            up, down = ends if circles else sorted(ends)
            graph.edges[up, down] = way(dice, 0.1)
            return {down}
        case 3:
            pair = dice.choice(sorted(graph.edges))
            graph.edges[pair] = way(dice, 0.5)
            return {pair[1]}
    _, down = dice.choice(sorted(graph.edges))
    for pair in [pair for pair in graph.edges if pair[1] == down]:
        del graph.edges[pair]
    return {down}
