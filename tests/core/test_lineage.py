import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.core.lineage import Edge, Node, NodeKind, downstream, upstream

NODES = st.sampled_from([Node(NodeKind.DATASET, f"a.n{n}@1") for n in range(6)])
EDGES = st.lists(st.builds(Edge, NODES, NODES), max_size=12)


def by_hand(start: Node, edges: list[Edge]) -> dict[Node, int]:
    """Distances by relaxing every edge until nothing changes."""
    found = {start: 0}
    for _ in range(len(edges) + 1):
        for edge in edges:
            if edge.upstream in found:
                near = found[edge.upstream] + 1
                found[edge.downstream] = min(found.get(edge.downstream, near), near)
    del found[start]
    return found


@given(NODES, EDGES)
def test_walks_agree_with_those_done_by_hand_cycles_and_all(start: Node, edges: list[Edge]) -> None:
    assert downstream(start, edges) == by_hand(start, edges)
    turned = [Edge(edge.downstream, edge.upstream) for edge in edges]
    assert upstream(start, turned) == by_hand(start, edges)


@given(EDGES)
def test_up_and_down_are_each_others_mirror(edges: list[Edge]) -> None:
    nodes = {node for edge in edges for node in (edge.upstream, edge.downstream)}
    for node in nodes:
        for reached, distance in downstream(node, edges).items():
            assert upstream(reached, edges)[node] == distance


def test_a_node_that_made_itself_is_not_its_own_ancestor() -> None:
    node = Node(NodeKind.VIEW, "weather")
    assert upstream(node, [Edge(node, node)]) == {}


@pytest.mark.parametrize("kind", NodeKind)
def test_a_node_reads_back_as_it_was_written(kind: NodeKind) -> None:
    node = Node(kind, "a.b:c@1")
    assert Node.parse(str(node)) == node


@pytest.mark.parametrize("text", ["", "dataset", "dataset:", "table:x", ":x"])
def test_what_is_no_node_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a node"):
        Node.parse(text)
