"""The nodes of the lineage graph by their numbers, and which datasets they rest on."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog import naming
from provender.catalog.rows import DatasetRow, NodeRow, RestsOnRow
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef

PORTION = 500
"""How many nodes one query asks about."""


def dataset_node(ref: DatasetRef) -> Node:
    """Return the node of a dataset, or of one version of it."""
    return Node(NodeKind.DATASET, str(ref))


def defined_node(kind: NodeKind, project: str, name: str) -> Node:
    """Return the node of something that a project defines: ``project/name``."""
    return Node(kind, f"{project}/{name}")


def known(db: Session, nodes: Iterable[Node]) -> dict[Node, int]:
    """Return the numbers of those of ``nodes`` that there are, by any name of their datasets."""
    asked = _called_now(db, nodes)
    there = _known(db, asked.values())
    return {node: there[now] for node, now in asked.items() if now in there}


def _known(db: Session, nodes: Iterable[Node]) -> dict[Node, int]:
    found: dict[Node, int] = {}
    for portion in _portions(set(nodes)):
        wanted = select(NodeRow.id, NodeRow.kind, NodeRow.name).where(
            NodeRow.kind.in_({node.kind.value for node in portion}),
            NodeRow.name.in_({node.name for node in portion}),
            NodeRow.column_name == "",
        )
        named = {(kind, name): number for number, kind, name in db.execute(wanted)}
        there = {node: named.get((node.kind.value, node.name)) for node in portion}
        found |= {node: number for node, number in there.items() if number is not None}
    return found


def ensured(db: Session, nodes: Iterable[Node]) -> dict[Node, int]:
    """Return the number of each of ``nodes``; those that are new get one."""
    asked = _called_now(db, nodes)
    wanted = set(asked.values())
    found = _known(db, wanted)
    new = sorted(wanted - found.keys())
    if new:
        found |= _added(db, new)
    return {node: found[now] for node, now in asked.items()}


def _added(db: Session, new: Sequence[Node]) -> dict[Node, int]:
    datasets = _datasets(db, new)
    given = {node: number for number, node in enumerate(new, naming.take(db, "node", len(new)))}
    db.execute(
        insert(NodeRow),
        [
            {
                "id": number,
                "kind": node.kind.value,
                "name": node.name,
                "column_name": "",
                "dataset": datasets.get(_dataset_name(node)),
                "scope": 0,
            }
            for node, number in given.items()
        ],
    )
    return given


def _called_now(db: Session, nodes: Iterable[Node]) -> dict[Node, Node]:
    """Each node with what it is called now: a dataset's has the dataset's name."""
    asked = set(nodes)
    names = {_dataset_name(node) for node in asked} - {""}
    now = naming.current(db, names) if names else {}
    return {node: _renamed(node, now.get(_dataset_name(node), "")) for node in asked}


def _renamed(node: Node, name: str) -> Node:
    return Node(node.kind, name + node.name[len(_dataset_name(node)) :]) if name else node


def named(db: Session, numbers: Collection[int]) -> dict[int, Node]:
    """Return the node of each number."""
    found: dict[int, Node] = {}
    for portion in _portions(numbers):
        wanted = select(NodeRow.id, NodeRow.kind, NodeRow.name).where(NodeRow.id.in_(portion))
        for number, kind, name in db.execute(wanted):
            found[number] = Node(NodeKind(kind), name)
    return found


def rest_on(db: Session, node: Node, datasets: Iterable[str]) -> None:
    """Let ``node`` be discovered by those who may discover all of ``datasets``."""
    number = ensured(db, [node])[node]
    db.execute(delete(RestsOnRow).where(RestsOnRow.node == number))
    rows = [
        {"node": number, "dataset": dataset}
        for dataset in sorted(naming.numbers(db, datasets).values())
    ]
    if rows:
        db.execute(insert(RestsOnRow), rows)


def _datasets(db: Session, nodes: Iterable[Node]) -> dict[str, int]:
    names = {name for node in nodes if (name := _dataset_name(node))}
    found = db.execute(select(DatasetRow.name, DatasetRow.id).where(DatasetRow.name.in_(names)))
    return {row.name: row.id for row in found}


def _dataset_name(node: Node) -> str:
    return node.name.partition("@")[0] if node.kind is NodeKind.DATASET else ""


def _portions(values: Collection[int] | Collection[Node]) -> Iterator[Sequence]:  # type: ignore[type-arg]
    every = list(values)
    for start in range(0, len(every), PORTION):
        yield every[start : start + PORTION]
