import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from provender.core.lineage import Edge, Node, NodeKind
from provender.web.drawing import HOPS, MOST_IN_COLUMN, draw, label, layout, without_versions


def data(name: str) -> Node:
    return Node(NodeKind.DATASET, name)


def edges(*pairs: tuple[str, str]) -> list[Edge]:
    return [Edge(data(a), data(b)) for a, b in pairs]


names = st.sampled_from([f"d.n{i}" for i in range(9)])
graphs = st.lists(st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]), max_size=25)


def test_a_node_stands_left_of_everything_made_from_it():
    placed = layout(
        data("d.c"), edges(("d.a", "d.b"), ("d.b", "d.c"), ("d.c", "d.e"), ("d.a", "d.c"))
    )
    assert placed.columns == ((data("d.a"),), (data("d.b"),), (data("d.c"),), (data("d.e"),))


def test_an_edge_that_a_longer_way_says_is_left_out():
    placed = layout(data("d.c"), edges(("d.a", "d.b"), ("d.b", "d.c"), ("d.a", "d.c")))
    assert placed.edges == tuple(edges(("d.a", "d.b"), ("d.b", "d.c")))


def test_what_is_far_away_or_too_much_is_counted_not_drawn():
    chain = edges(*((f"d.n{i}", f"d.n{i + 1}") for i in range(HOPS + 3)))
    assert layout(data("d.n0"), chain).omitted == 3
    fan = edges(*(("d.x", f"d.n{i}") for i in range(MOST_IN_COLUMN + 4)))
    assert layout(data("d.x"), fan).omitted == 4


def test_versions_are_drawn_as_their_dataset():
    found = without_versions(edges(("d.a@1", "d.b@2"), ("d.b@2", "d.b"), ("d.a@1", "d.b@1")))
    assert found == edges(("d.a", "d.b"))


@given(graph=graphs)
def test_any_graph_can_be_drawn_circles_included(graph):
    focus = data("d.n0")
    found = edges(*graph)
    placed = layout(focus, found)
    drawn = [node for column in placed.columns for node in column]
    assert len(drawn) == len(set(drawn))
    assert focus in drawn
    place = {node: x for x, column in enumerate(placed.columns) for node in column}
    assert all(place[edge.upstream] < place[edge.downstream] for edge in placed.edges)
    svg = ET.fromstring(draw(focus, placed, "caption"))
    links = svg.findall("{http://www.w3.org/2000/svg}a")
    assert len(links) == len(drawn)


def test_names_are_escaped_and_cut():
    node = Node(NodeKind.VIEW, "p/" + "<b>" * 20)
    svg = draw(node, layout(node, []), '"caption"')
    assert "<b>" not in svg
    assert len(label(node)[1]) <= 20
    ET.fromstring(svg)
