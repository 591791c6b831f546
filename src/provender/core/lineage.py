"""What was computed from what: nodes, edges, and walks along them."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.tags import Way

Place = TypeVar("Place", bound=Hashable)


class NodeKind(StrEnum):
    """What a node of the lineage graph is."""

    DATASET = "dataset"  # a version, domain.name@version; domain.name is made from its latest
    VIEW = "feature-view"
    ON_DEMAND = "on-demand-view"
    SERVICE = "feature-service"
    TRAINING_SET = "training-set"
    MODEL = "model"  # a version, name@number
    ENTITY = "entity"
    SAVED_DATASET = "saved-dataset"


class Direction(StrEnum):
    """Which way from a node."""

    UPSTREAM = "upstream"  # what it was made from
    DOWNSTREAM = "downstream"  # what was made from it
    BOTH = "both"


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

    @property
    def whole(self) -> "Node":
        """The dataset that this is a version of, or the node itself."""
        if self.kind is not NodeKind.DATASET:
            return self
        return Node(self.kind, self.name.partition("@")[0])

    @property
    def words(self) -> str:
        """As people say it: ``training set ts_1``."""
        return f"{self.kind.replace('-', ' ')} {self.name}"

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def dataset_node(ref: DatasetRef) -> Node:
    """Return the node of a dataset, or of one version of it."""
    return Node(NodeKind.DATASET, str(ref))


def defined_node(kind: NodeKind, project: str, name: str) -> Node:
    """Return the node of something that a project defines: ``project/name``."""
    return Node(kind, f"{project}/{name}")


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

    ``way``: how what came out was anonymised, so that it does not tell what went in; None: it was not.
    """

    upstream: Node
    column: str
    downstream: Node
    to: str
    how: How = How.OBSERVED
    way: Way | None = None


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
    return _reach([node], [(edge.downstream, edge.upstream) for edge in edges])


def downstream(node: Node, edges: Iterable[Edge]) -> dict[Node, int]:
    """Return everything made from ``node``, with its distance; cycles are safe."""
    return _reach([node], [(edge.upstream, edge.downstream) for edge in edges])


def impact(node: Node, column: str, edges: Iterable[ColumnEdge]) -> dict[tuple[Node, str], int]:
    """Return the columns that break if ``column`` of ``node`` goes, with their distance.

    Of a dataset without a version: if it goes from every version of it.
    """
    known = list(edges)
    steps = [((e.upstream, e.column), (e.downstream, e.to)) for e in known]
    starts = {near for near, _ in steps if near[1] == column and near[0].whole == node}
    return _reach(sorted(starts | {(node, column)}), steps)


def unattributed(node: Node, found: Neighbourhood) -> tuple[Node, ...]:
    """Return what was made from ``node`` while no column of it is known to lead there."""
    steps = [((e.upstream, e.column), (e.downstream, e.to)) for e in found.columns]
    starts = {near for near, _ in steps if near[0].whole == node.whole}
    told = {place.whole for place, _ in (*starts, *_reach(sorted(starts), steps))}
    made = {edge.downstream.whole for edge in found.edges if edge.upstream.whole == node.whole}
    return tuple(sorted(made - told - {node.whole}))


def towards(found: Neighbourhood, node: Node, direction: Direction) -> Neighbourhood:
    """Return the part of what was found around ``node`` that lies in one direction."""
    if direction is Direction.BOTH:
        return found
    down = direction is Direction.DOWNSTREAM
    edges = [(e.upstream, e.downstream) for e in found.edges]
    columns = [((e.upstream, e.column), (e.downstream, e.to)) for e in found.columns]
    wholes = {near for pair in edges for near in pair if _starts(near, node, down=down)}
    parts = {near for pair in columns for near in pair if _starts(near[0], node, down=down)}
    reached = {*wholes, *_reach(sorted(wholes), [pair if down else pair[::-1] for pair in edges])}
    ends = {*parts, *_reach(sorted(parts), [pair if down else pair[::-1] for pair in columns])}
    near = 0 if down else 1
    return replace(
        found,
        edges=tuple(e for e, p in zip(found.edges, edges, strict=True) if p[near] in reached),
        columns=tuple(e for e, p in zip(found.columns, columns, strict=True) if p[near] in ends),
    )


def _starts(near: Node, node: Node, *, down: bool) -> bool:
    """Downstream of a dataset is what was made from any version of it."""
    return near == node or (down and near.whole == node)


def _reach(starts: Iterable[Place], steps: Iterable[tuple[Place, Place]]) -> dict[Place, int]:
    following: dict[Place, list[Place]] = {}
    for source, target in steps:
        following.setdefault(source, []).append(target)
    frontier = list(starts)
    begun, found, distance = set(frontier), dict[Place, int](), 0
    while frontier:
        distance += 1
        frontier = [
            target
            for place in frontier
            for target in following.get(place, ())
            if target not in begun and found.setdefault(target, distance) == distance
        ]
        frontier = list(dict.fromkeys(frontier))
    return found


def check_now(as_of: datetime | None) -> None:
    """Check that lineage is asked for as it is now.

    Raises:
        InvalidInput: it is asked for as it was.
    """
    if as_of is not None:
        raise InvalidInput(
            f"lineage is kept as it is now, not as it was at {as_of.isoformat()}",
            hint="ask for it without as_of; a version names its inputs, and history has the "
            "definitions of then",
        )
