"""What was computed from what: nodes, edges, and walks along them."""

from collections.abc import Iterable
from dataclasses import dataclass
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
