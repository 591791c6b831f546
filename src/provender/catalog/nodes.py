"""The nodes of the lineage graph by their numbers, and which datasets they rest on."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import and_, delete, insert, literal, select
from sqlalchemy.orm import Session, aliased

from provender.catalog import naming, queries
from provender.catalog.rows import DatasetRow, NodeRow, RestsOnRow
from provender.core.lineage import Node, NodeKind, dataset_node, defined_node

__all__ = ["dataset_node", "defined_node"]

PORTION = 500
"""How many nodes one query asks about."""
COUNTER = "node"
WHOLE = ""
"""The column of a node that is a thing, not a column of it."""
Part = tuple[Node, str]
"""A node and a column of it."""
OF_KIND = {kind.value: kind for kind in NodeKind}
NAMED = "SELECT id, kind, name, column_name FROM nodes WHERE id IN ({})"
T = TypeVar("T")


def known(db: Session, nodes: Iterable[Node]) -> dict[Node, int]:
    """Return the numbers of those of ``nodes`` that there are."""
    found = known_parts(db, ((node, WHOLE) for node in nodes))
    return {node: number for (node, _), number in found.items()}


def known_parts(db: Session, parts: Iterable[Part]) -> dict[Part, int]:
    """Return the numbers of those of ``parts`` that there are, by any name of their datasets."""
    asked = _called_now(db, parts)
    there = _known_parts(db, asked.values())
    return {part: there[now] for part, now in asked.items() if now in there}


def _known_parts(db: Session, parts: Iterable[Part]) -> dict[Part, int]:
    found: dict[Part, int] = {}
    for portion in portions(set(parts)):
        wanted = select(NodeRow.id, NodeRow.kind, NodeRow.name, NodeRow.column_name).where(
            NodeRow.kind.in_({node.kind.value for node, _ in portion}),
            NodeRow.name.in_({node.name for node, _ in portion}),
            NodeRow.column_name.in_({column for _, column in portion}),
        )
        named = {(kind, name, column): number for number, kind, name, column in db.execute(wanted)}
        there = {
            (node, column): named.get((node.kind.value, node.name, column))
            for node, column in portion
        }
        found |= {part: number for part, number in there.items() if number is not None}
    return found


def ensured(db: Session, nodes: Iterable[Node]) -> dict[Node, int]:
    """Return the number of each of ``nodes``; those that are new get one."""
    found = ensured_parts(db, ((node, WHOLE) for node in nodes))
    return {node: number for (node, _), number in found.items()}


def ensured_parts(db: Session, parts: Iterable[Part]) -> dict[Part, int]:
    """Return the number of each of ``parts``; those that are new get one."""
    asked = _called_now(db, parts)
    wanted = set(asked.values())
    found = _known_parts(db, wanted)
    new = sorted(wanted - found.keys())
    if new:
        found |= _added(db, new)
    return {part: found[now] for part, now in asked.items()}


def _added(db: Session, new: Sequence[Part]) -> dict[Part, int]:
    datasets = _datasets(db, (node for node, _ in new))
    given = {part: number for number, part in enumerate(new, naming.take(db, COUNTER, len(new)))}
    db.execute(
        insert(NodeRow),
        [
            {
                "id": number,
                "kind": node.kind.value,
                "name": node.name,
                "column_name": column,
                "dataset": datasets.get(_dataset_name(node)),
                "scope": 0,
            }
            for (node, column), number in given.items()
        ],
    )
    return given


def _called_now(db: Session, parts: Iterable[Part]) -> dict[Part, Part]:
    """Each part with what its node is called now: a dataset's has the dataset's name."""
    asked = set(parts)
    names = {_dataset_name(node) for node, _ in asked} - {""}
    now = naming.current(db, names) if names else {}
    return {
        (node, column): (_renamed(node, now.get(_dataset_name(node), "")), column)
        for node, column in asked
    }


def _renamed(node: Node, name: str) -> Node:
    return Node(node.kind, name + node.name[len(_dataset_name(node)) :]) if name else node


def columns_of(db: Session, numbers: Collection[int]) -> list[int]:
    """Return the numbers of the columns of the nodes ``numbers``, which are wholes."""
    column, whole = NodeRow, aliased(NodeRow)
    same = and_(whole.kind == column.kind, whole.name == column.name)
    found: list[int] = []
    for portion in portions(numbers):
        wanted = select(column.id).join(whole, same)
        wanted = wanted.where(whole.id.in_(portion), column.column_name != WHOLE)
        found += db.scalars(wanted.order_by(column.column_name, column.id))
    return found


def named(db: Session, numbers: Collection[int]) -> dict[int, Part]:
    """Return which node, and which column of it, each number is of."""
    found: dict[int, Part] = {}
    for portion in portions(numbers):
        for number, kind, name, column in queries.rows(db, NAMED, portion):
            found[number] = Node(OF_KIND[kind], name), column
    return found


def rest_on(db: Session, node: Node, datasets: Collection[str]) -> None:
    """Let ``node`` be discovered by those who may discover all of ``datasets``."""
    all_rest_on(db, {node: datasets})


def all_rest_on(db: Session, sources: Mapping[Node, Collection[str]]) -> dict[int, frozenset[int]]:
    """Let each node be discovered by those who may discover all of its datasets.

    Returns the numbers of the nodes, each with those of the datasets that it rested on before.

    Raises:
        NotFound: there never was a dataset of one of the names.
    """
    numbers = ensured(db, sources)
    before: dict[int, set[int]] = {number: set() for number in numbers.values()}
    for portion in portions(before):
        rests = select(RestsOnRow.node, RestsOnRow.dataset).where(RestsOnRow.node.in_(portion))
        for number, dataset in db.execute(rests):
            before[number].add(dataset)
    of = naming.numbers(db, {name for names in sources.values() for name in names})
    now = {numbers[node]: {of[name] for name in names} for node, names in sources.items()}
    changed = [number for number, datasets in now.items() if datasets != before[number]]
    for portion in portions(changed):
        db.execute(delete(RestsOnRow).where(RestsOnRow.node.in_(portion)))
    rows = [{"node": number, "dataset": one} for number in changed for one in sorted(now[number])]
    if rows:
        db.execute(insert(RestsOnRow), rows)
    return {number: frozenset(datasets) for number, datasets in before.items()}


def rest_as(db: Session, node: Node, other: Node) -> None:
    """Let ``node``, which rests on nothing yet, be discovered by those who may discover ``other``."""
    numbers = known(db, [node, other])
    rests = select(literal(numbers[node]), RestsOnRow.dataset).where(
        RestsOnRow.node == numbers[other]
    )
    db.execute(insert(RestsOnRow).from_select(["node", "dataset"], rests))


def rest_on_themselves(db: Session, datasets: Iterable[DatasetRow]) -> None:
    """Let datasets be discovered by those who may discover them."""
    of_nodes = {dataset_node(row.value.ref): row.id for row in datasets}
    numbers = ensured(db, of_nodes)
    db.execute(delete(RestsOnRow).where(RestsOnRow.node.in_(list(numbers.values()))))
    rows = [{"node": numbers[node], "dataset": dataset} for node, dataset in of_nodes.items()]
    db.execute(insert(RestsOnRow), rows)


def portions(values: Collection[T]) -> Iterator[list[T]]:
    """Yield ``values`` in lists of what one query asks about."""
    every = list(values)
    for start in range(0, len(every), PORTION):
        yield every[start : start + PORTION]


def _datasets(db: Session, nodes: Iterable[Node]) -> dict[str, int]:
    names = {name for node in nodes if (name := _dataset_name(node))}
    if not names:
        return {}
    found = db.execute(select(DatasetRow.name, DatasetRow.id).where(DatasetRow.name.in_(names)))
    return {row.name: row.id for row in found}


def _dataset_name(node: Node) -> str:
    return node.name.partition("@")[0] if node.kind is NodeKind.DATASET else ""
