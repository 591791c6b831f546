"""Tags travel: which columns carry the tags of what they were made from, and over which column.

A tag goes along every edge between columns, except where the edge anonymises in a way that the
tag stops at. Of several ways to a tag the shortest counts, of equally short ones that over the
column of the lowest number: so that what is kept bit by bit is what would be found anew, circles
and all. Pure: what there is, a `Graph` tells.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from provender.core.errors import InvalidInput
from provender.core.lineage import Node
from provender.core.names import suggest
from provender.core.tags import Assignment, Taxonomy, Way

UNTOLD = "what it was made from"
"""Where a tag came from, to who may not discover all of the way."""
Place = tuple[int, str]
"""A column's number, and a tag as it is written."""


class Carried(NamedTuple):
    """How a column has a tag: after so many steps, the last from column ``over``; 0: put there."""

    distance: int
    over: int


class Step(NamedTuple):
    """An edge between columns, and how it anonymises, if it does."""

    upstream: int
    downstream: int
    way: Way | None


Tags = Mapping[int, Mapping[str, Carried]]
"""By column, which tags it has and how."""
Stops = Mapping[str, frozenset[Way]]
"""By tag, at which ways to anonymise it stops; none: at nothing."""


class Graph(Protocol):
    """Columns as they are now, and the tags that they had before."""

    def put(self, columns: Collection[int]) -> Mapping[int, Collection[str]]:
        """Return the tags that were put on each of ``columns`` itself and may travel."""
        ...

    def had(self, columns: Collection[int]) -> Tags:
        """Return which tags each of ``columns`` had, and how."""
        ...

    def had_over(self, columns: Collection[int]) -> Tags:
        """Return the tags that others had over one of ``columns``: all that ended there."""
        ...

    def into(self, columns: Collection[int]) -> Sequence[Step]:
        """Return the edges to ``columns``."""
        ...

    def out_of(self, columns: Collection[int]) -> Sequence[Step]:
        """Return the edges from ``columns``."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Whence:
    """Where a carried tag was put: on a column of a node; ``over`` is the way, the source first."""

    node: Node
    column: str
    over: tuple[Node, ...] = ()

    def __str__(self) -> str:
        through = ", ".join(f"{node.kind} {node.name}" for node in self.over)
        place = f"{self.node.name}.{self.column}"
        return f"{place} through {through}" if through else place


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTag:
    """A tag on a column. ``whence`` is None where it was put there, or where that may not be told.

    ``carried``: it came along the lineage.
    """

    column: str
    tag: str
    carried: bool
    whence: Whence | None = None

    @property
    def why(self) -> str:
        """Why the column has the tag, in words."""
        if not self.carried:
            return "put here"
        return f"carried from {self.whence or UNTOLD}"


@dataclass(frozen=True, slots=True)
class Anonymising:
    """How the values of a column were anonymised: in which way, and what exactly was done."""

    way: Way
    says: str

    @classmethod
    def parse(cls, text: str) -> "Anonymising":
        """Return what is written as ``way: what was done``, such as ``aggregate: per day, k>=10``.

        Raises:
            InvalidInput: ``text`` has no way of the vocabulary, or does not say what was done.
        """
        word, _, says = (part.strip() for part in text.partition(":"))
        if word not in list(Way):
            raise InvalidInput(
                f"anonymises: {text[:80]!r} begins with no way to anonymise",
                hint=suggest(word, list(Way)),
            )
        if not says:
            raise InvalidInput(
                f"anonymises: {text!r} does not say what was done",
                hint=f"write {word}: …, so that somebody can judge it",
            )
        return cls(Way(word), says)


def stops(taxonomy: Taxonomy) -> Stops:
    """Return the ways to anonymise that each tag stops at."""
    return {tag.name: frozenset(tag.stops_at) for tag in taxonomy.tags if tag.stops_at}


def passes(stops: Stops, tag: str, way: Way | None) -> bool:
    """Return whether ``tag``, as it is written, goes along an edge that anonymises so."""
    return way is None or way not in stops.get(Assignment.parse(tag).tag, ())


def changes(graph: Graph, touched: Collection[int], stops: Stops) -> dict[Place, Carried | None]:
    """Return what is not any more as it was: how a column has a tag now, None: it has it no more.

    ``touched`` are the columns whose own tags or edges from elsewhere changed.
    """
    return _Finding(graph, stops, _lost(graph, touched, stops)).run(touched)


def _lost(graph: Graph, touched: Collection[int], stops: Stops) -> set[Place]:
    """The tags that columns do not have any more as they had them, with all that came over those."""
    put = graph.put(touched)
    lead = {
        (step.upstream, step.downstream, tag)
        for step, tags in _led(graph, graph.into(touched))
        for tag in tags
        if passes(stops, tag, step.way)
    }
    fresh = {
        (column, tag)
        for column, tags in graph.had(touched).items()
        for tag, how in tags.items()
        if not (
            tag in put.get(column, ()) if how.distance == 0 else (how.over, column, tag) in lead
        )
    }
    lost = set(fresh)
    while fresh:
        over = {column for column, _ in fresh}
        fresh = {
            (column, tag)
            for column, tags in graph.had_over(over).items()
            for tag, how in tags.items()
            if (how.over, tag) in fresh
        } - lost
        lost |= fresh
    return lost


def _led(graph: Graph, steps: Sequence[Step]) -> Iterable[tuple[Step, Mapping[str, Carried]]]:
    """Each step with the tags that its upstream had."""
    had = graph.had({step.upstream for step in steps})
    return ((step, had.get(step.upstream, {})) for step in steps)


@dataclass(slots=True)
class _Finding:
    """Tags found anew from the nearest on; ``lost`` are not where they were, until found again."""

    graph: Graph
    stops: Stops
    lost: set[Place]
    found: dict[Place, Carried] = field(default_factory=dict)
    ahead: defaultdict[int, dict[Place, int]] = field(default_factory=lambda: defaultdict(dict))
    """By distance: which tags may be had so, over which column."""

    def run(self, touched: Collection[int]) -> dict[Place, Carried | None]:
        self._begin({*touched, *(column for column, _ in self.lost)})
        while self.ahead:
            distance = min(self.ahead)
            self._settle(distance, self.ahead.pop(distance))
        gone: dict[Place, Carried | None] = dict.fromkeys(self.lost - self.found.keys())
        return gone | self.found

    def _begin(self, columns: Collection[int]) -> None:
        for column, tags in self.graph.put(columns).items():
            self.ahead[0] |= {(column, tag): column for tag in tags}
        self._go(self.graph.into(columns))

    def _go(self, steps: Sequence[Step]) -> None:
        for step, tags in _led(self.graph, steps):
            for tag, had in tags.items():
                how = self._now(step.upstream, tag, had)
                if how is not None and passes(self.stops, tag, step.way):
                    self._may_be(step, tag, how.distance + 1)

    def _may_be(self, step: Step, tag: str, distance: int) -> None:
        place = step.downstream, tag
        over = self.ahead[distance].get(place, step.upstream)
        self.ahead[distance][place] = min(over, step.upstream)

    def _now(self, column: int, tag: str, had: Carried | None) -> Carried | None:
        place = column, tag
        return self.found.get(place) or (None if place in self.lost else had)

    def _settle(self, distance: int, ahead: Mapping[Place, int]) -> None:
        had = self.graph.had({column for column, _ in ahead})
        nearer: dict[int, set[str]] = defaultdict(set)
        for place, over in ahead.items():
            column, tag = place
            now, how = self._now(*place, had.get(column, {}).get(tag)), Carried(distance, over)
            if now is None or how < now:
                self.found[place] = how
                if now is None or distance < now.distance:
                    nearer[column].add(tag)
        for step in self.graph.out_of(nearer):
            for tag in nearer[step.upstream]:
                if passes(self.stops, tag, step.way):
                    self._may_be(step, tag, distance + 1)
