"""The neighbourhood of a node: as a list that is complete, and as a drawing that stays readable.

Versions of a dataset are drawn as the dataset. The drawing is SVG text without styles or
scripts of its own; the layout is pure and cannot fail on cycles.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from provender.core.lineage import Edge, Node, NodeKind, downstream, upstream
from provender.core.protocols import Library
from provender.web.wording import address, plural

DEPTH = 8
"""Steps asked of the catalog; a dataset and its versions are a step apart."""
HOPS = 3
"""Steps drawn on each side."""
MOST_IN_COLUMN = 9
MOST_COLUMNS = 6
"""Columns that fit a wide page, made a little smaller if they must; the style sheet knows it too."""
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 176, 46, 32, 14, 8
MOST_LETTERS = 20
KIND_WORDS = {
    NodeKind.DATASET: "dataset",
    NodeKind.VIEW: "feature view",
    NodeKind.ON_DEMAND: "on-demand view",
    NodeKind.SERVICE: "feature service",
    NodeKind.TRAINING_SET: "training set",
    NodeKind.MODEL: "model",
    NodeKind.ENTITY: "entity",
    NodeKind.SAVED_DATASET: "saved dataset",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing, and the whole neighbourhood as facts: upstream and downstream, nearest first.

    ``columns`` are those of the drawing. ``cut``: there is more than was looked at, or may be. ``page`` is the address of its own page.
    """

    svg: Markup
    listed: Mapping[str, list[dict[str, Any]]]
    columns: int
    cut: bool
    omitted: int
    page: str

    @property
    def facts(self) -> dict[str, Any]:
        """The neighbourhood for a JSON twin."""
        return {**self.listed, "truncated": self.cut}


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns from left to right, each a list of nodes from top to bottom."""

    columns: tuple[tuple[Node, ...], ...]
    edges: tuple[Edge, ...]
    omitted: int


def pictured(catalog: Library, node: Node) -> Picture:
    """Return the neighbourhood of ``node`` that the catalog's actor may discover."""
    focus = without_version(node)
    found = catalog.finder.lineage(node, depth=DEPTH)
    versions = _versions(found.edges)
    edges = without_versions(found.edges)
    up, down = upstream(focus, edges), downstream(focus, edges)
    placed = layout(focus, edges)
    cut = found.truncated or _goes_on(node, found.edges)
    return Picture(
        svg=draw(focus, placed, _caption(focus, up, down, cut=cut)) if up or down else Markup(),
        listed={"upstream": _listed(up, versions), "downstream": _listed(down, versions)},
        columns=len(placed.columns),
        cut=cut,
        omitted=placed.omitted,
        page=f"/lineage?{urlencode({'node': str(focus)})}",
    )


def without_version(node: Node) -> Node:
    """Return the dataset that ``node`` is a version of, or ``node`` itself."""
    if node.kind is not NodeKind.DATASET:
        return node
    return Node(node.kind, node.name.partition("@")[0])


def without_versions(edges: Iterable[Edge]) -> list[Edge]:
    """Return ``edges`` between datasets in place of their versions, each once."""
    whole = (Edge(without_version(e.upstream), without_version(e.downstream)) for e in edges)
    return sorted({edge for edge in whole if edge.upstream != edge.downstream})


def layout(focus: Node, edges: Sequence[Edge]) -> Layout:
    """Return what of the neighbourhood is drawn, and where.

    A node stands left of everything made from it; an edge that a longer way says already is left out.
    """
    up, down = upstream(focus, edges), downstream(focus, edges)
    left = _layers(focus, [n for n, hops in up.items() if hops <= HOPS], edges, down=False)
    right_nodes = [n for n, hops in down.items() if hops <= HOPS and n not in up]
    right = _layers(focus, right_nodes, edges, down=True)
    columns = [*reversed(left), [focus], *right]
    cut = [column[:MOST_IN_COLUMN] for column in columns]
    drawn = {node for column in cut for node in column}
    place = {node: x for x, column in enumerate(cut) for node in column}
    forward = [
        edge
        for edge in edges
        if edge.upstream in drawn
        and edge.downstream in drawn
        and place[edge.upstream] < place[edge.downstream]
    ]
    kept = _without_shortcuts(forward, place)
    everything = {*up, *down} - {focus}
    return Layout(
        columns=tuple(tuple(column) for column in _untangled(cut, kept)),
        edges=kept,
        omitted=len(everything - drawn),
    )


def draw(focus: Node, placed: Layout, caption: str) -> Markup:
    """Return the SVG of ``placed``, each node a link to its page."""
    tallest = max(len(column) for column in placed.columns)
    width = len(placed.columns) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    corner = {
        node: (_x(x), _y(y, len(column), height))
        for x, column in enumerate(placed.columns)
        for y, node in enumerate(column)
    }
    classes = "lineage whole" if len(placed.columns) <= MOST_COLUMNS else "lineage"
    edges = Markup().join(_edge(corner[e.upstream], corner[e.downstream]) for e in placed.edges)
    nodes = Markup().join(_box(node, *corner[node], focus=node == focus) for node in corner)
    return Markup(
        '<svg class="{classes}" role="group" aria-label="{caption}" width="{width}" height="{height}"'
        ' viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        "{edges}{nodes}</svg>"
    ).format(classes=classes, caption=caption, width=width, height=height, edges=edges, nodes=nodes)


def _layers(
    focus: Node, nodes: Sequence[Node], edges: Sequence[Edge], *, down: bool
) -> list[list[Node]]:
    """Return ``nodes`` by their longest way to ``focus``; an edge that closes a circle is not gone."""
    following: dict[Node, list[Node]] = {}
    among = {focus, *nodes}
    for edge in edges:
        near, far = (edge.upstream, edge.downstream) if down else (edge.downstream, edge.upstream)
        if near in among and far in among:
            following.setdefault(near, []).append(far)
    depth = {focus: 0}
    for node in _ordered(focus, following):
        for far in following.get(node, ()):
            if far != focus and depth.get(far, 0) <= depth[node]:
                depth[far] = depth[node] + 1
    layers: dict[int, list[Node]] = {}
    for node in sorted(depth.keys() - {focus}):
        layers.setdefault(depth[node], []).append(node)
    return [layers[number] for number in sorted(layers)]


def _ordered(focus: Node, following: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """Return the nodes reached from ``focus``, each before those that follow it, circles aside."""
    done: dict[Node, None] = {}
    entered = {focus}
    stack = [(focus, iter(following.get(focus, ())))]
    while stack:
        node, rest = stack[-1]
        fresh = next((far for far in rest if far not in entered), None)
        if fresh is None:
            done[node] = None
            stack.pop()
        else:
            entered.add(fresh)
            stack.append((fresh, iter(following.get(fresh, ()))))
    return list(reversed(done))


def _without_shortcuts(edges: Sequence[Edge], place: Mapping[Node, int]) -> tuple[Edge, ...]:
    """Return ``edges``, all going right, without those that a longer way says already."""
    next_to: dict[Node, list[Node]] = {}
    for edge in edges:
        next_to.setdefault(edge.upstream, []).append(edge.downstream)
    beyond: dict[Node, set[Node]] = {}
    for node in sorted(place, key=lambda node: -place[node]):
        beyond[node] = {far for near in next_to.get(node, ()) for far in (near, *beyond[near])}
    return tuple(
        edge
        for edge in edges
        if not any(edge.downstream in beyond[other] for other in next_to[edge.upstream])
    )


def _untangled(columns: Sequence[Sequence[Node]], edges: Sequence[Edge]) -> list[list[Node]]:
    """Return ``columns`` with each node near the middle of its neighbours, swept twice each way."""
    beside: dict[Node, list[Node]] = {}
    for edge in edges:
        beside.setdefault(edge.upstream, []).append(edge.downstream)
        beside.setdefault(edge.downstream, []).append(edge.upstream)
    swept = [list(column) for column in columns]
    for order in (range(len(swept)), range(len(swept) - 1, -1, -1)) * 2:
        for x in order:
            row = {
                node: y / max(1, len(column) - 1)
                for column in swept
                for y, node in enumerate(column)
            }
            swept[x].sort(key=lambda node, row=row: (_middle(node, beside, row), node))  # type: ignore[misc]
    return swept


def _middle(node: Node, beside: Mapping[Node, Sequence[Node]], row: Mapping[Node, float]) -> float:
    rows = [row[other] for other in beside.get(node, ())]
    return sum(rows) / len(rows) if rows else row[node]


def _x(column: int) -> int:
    return MARGIN + column * (WIDTH + GAP_X)


def _y(row: int, count: int, height: int) -> int:
    used = count * (HEIGHT + GAP_Y) - GAP_Y
    return (height - used) // 2 + row * (HEIGHT + GAP_Y)


def _edge(start: tuple[int, int], end: tuple[int, int]) -> Markup:
    x1, y1 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x2, y2 = end[0] - 2, end[1] + HEIGHT // 2
    bend = GAP_X // 2
    return Markup(
        '<path class="edge" d="M{} {} C{} {} {} {} {} {}" marker-end="url(#arrow)"/>'
    ).format(x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2)


def _box(node: Node, x: int, y: int, *, focus: bool) -> Markup:
    above, name = label(node)
    classes = f"node {node.kind}{' focus' if focus else ''}"
    return Markup(
        '<a href="{href}"><title>{full}</title>'
        '<rect class="{classes}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
        '<text class="above" x="{text}" y="{first}">{above}</text>'
        '<text class="name" x="{text}" y="{second}">{name}</text></a>'
    ).format(
        href=address(node),
        full=f"{KIND_WORDS[node.kind]} {node.name}",
        classes=classes,
        x=x,
        y=y,
        width=WIDTH,
        height=HEIGHT,
        text=x + 10,
        first=y + 18,
        second=y + 35,
        above=above,
        name=name,
    )


def label(node: Node) -> tuple[str, str]:
    """Return the small and the large line that a node is drawn with."""
    separator = "." if node.kind is NodeKind.DATASET else "/"
    within, _, name = node.name.rpartition(separator)
    words = KIND_WORDS[node.kind]
    above = f"{words} · {within}" if node.kind is NodeKind.DATASET and within else words
    return _cut(above, MOST_LETTERS + 5), _cut(name, MOST_LETTERS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _versions(edges: Iterable[Edge]) -> dict[Node, set[int]]:
    found: dict[Node, set[int]] = {}
    for node in (node for edge in edges for node in (edge.upstream, edge.downstream)):
        version = node.name.partition("@")[2]
        if node.kind is NodeKind.DATASET and version.isdecimal():
            found.setdefault(without_version(node), set()).add(int(version))
    return found


def _listed(
    distances: Mapping[Node, int], versions: Mapping[Node, set[int]]
) -> list[dict[str, Any]]:
    nearest_first = sorted(distances.items(), key=lambda item: (item[1], item[0]))
    return [
        {
            "kind": node.kind,
            "name": node.name,
            "steps": steps,
            "versions": sorted(versions.get(node, ())),
            "address": address(node),
        }
        for node, steps in nearest_first
    ]


def _goes_on(node: Node, edges: Iterable[Edge]) -> bool:
    """Whether something is as many steps away as were asked for, so that more may be behind it.

    Downstream of a dataset begins at each of its versions.
    """
    listed = list(edges)
    merged = [Edge(node if e.upstream.whole == node else e.upstream, e.downstream) for e in listed]
    steps = (*upstream(node, listed).values(), *downstream(node, merged).values())
    return max(steps, default=0) >= DEPTH


def _caption(focus: Node, up: Mapping[Node, int], down: Mapping[Node, int], *, cut: bool) -> str:
    least = "at least " if cut else ""
    return (
        f"Lineage of {focus.name}: made from {least}{plural(len(up), 'thing')}, "
        f"{least}{plural(len(down), 'thing')} made from it. The same follows as a list."
    )
