"""What was computed from what: nodes, edges, and walks along them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provender.core.errors import InvalidInput


class NodeKind(StrEnum):
    """What a node of the lineage graph is."""

    DATASET = "dataset"  # a version, domain.name@version; domain.name is made from its latest
    VIEW = "feature-view"
    ON_DEMAND = "on-demand-view"
    SERVICE = "feature-service"
    TRAINING_SET = "training-set"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One thing in the graph."""

    kind: NodeKind
    name: str

    @classmethod
    def parse(cls, text: str) -> "Node":
        """Return the node written as ``kind:name``.

        Raises:
            InvalidInput: ``text`` is not of that form.
        """
        kind, _, name = text.partition(":")
        if kind not in list(NodeKind) or not name:
            raise InvalidInput(
                f"{text!r} is not a node of the lineage",
                hint=f"write kind:name; kinds are {', '.join(NodeKind)}",
            )
        return cls(NodeKind(kind), name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """``downstream`` was made from ``upstream``."""

    upstream: Node
    downstream: Node


class How(StrEnum):
    """How it is known that one thing was made from another."""

    OBSERVED = "observed"  # while it was made
    DECLARED = "declared"  # in a definition
    GUESSED = "guessed"


@dataclass(frozen=True, slots=True, order=True)
class ColumnEdge:
    """Column ``to`` of ``downstream`` was made from ``column`` of ``upstream``.

    ``masking``: what came out does not tell what went in.
    """

    upstream: Node
    column: str
    downstream: Node
    to: str
    how: How = How.OBSERVED
    masking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The edges around a node; ``truncated`` where there are more than anybody looks at."""

    edges: tuple[Edge, ...]
    columns: tuple[ColumnEdge, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who or what reads a dataset; ``version`` is None where it was not told."""

    kind: str
    name: str
    version: int | None
    first_at: datetime
    last_at: datetime
    times: int


def upstream(node: Node, edges: Iterable[Edge]) -> dict[Node, int]:
    """Return everything ``node`` was made from, with its distance; cycles are safe."""
    return _reach(node, [(edge.downstream, edge.upstream) for edge in edges])


def downstream(node: Node, edges: Iterable[Edge]) -> dict[Node, int]:
    """Return everything made from ``node``, with its distance; cycles are safe."""
    return _reach(node, [(edge.upstream, edge.downstream) for edge in edges])


def _reach(start: Node, steps: list[tuple[Node, Node]]) -> dict[Node, int]:
    following: dict[Node, list[Node]] = {}
    for source, target in steps:
        following.setdefault(source, []).append(target)
    found: dict[Node, int] = {}
    frontier, distance = [start], 0
    while frontier:
        distance += 1
        frontier = [
            target
            for node in frontier
            for target in sorted(following.get(node, ()))
            if target != start and found.setdefault(target, distance) == distance
        ]
        frontier = list(dict.fromkeys(frontier))
    return found
