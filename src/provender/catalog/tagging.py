"""The tags in force on the columns of something: those put there, and those that came there."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import datasets, lineage, nodes, queries, whence
from provender.catalog.graph import Sight
from provender.catalog.nodes import portions
from provender.catalog.rows import DatasetRow
from provender.core.lineage import Node, NodeKind
from provender.core.people import Actor
from provender.core.travel import ColumnTag


def of_node(db: Session, who: Actor, node: Node, *, now: datetime) -> tuple[ColumnTag, ...]:
    """Return the tags on the columns of ``node``, by column; of a version those of the dataset.

    Raises:
        NotFound: there is no such node for ``who``.
    """
    sight = Sight(db, who, now=now)
    node = lineage.check_known(db, who, node, sight, now=now).whole
    numbers = nodes.columns_of(db, list(nodes.known(db, [node]).values()))
    called = {number: column for number, (_, column) in nodes.named(db, numbers).items()}
    rows = [row for part in portions(numbers) for row in queries.rows(db, whence.BACK, part)]
    came = [(number, tag) for number, tag, distance, _ in rows if distance]
    found = dict.fromkeys(_put(db, node)) | {
        ColumnTag(column=called[number], tag=tag, carried=False): None
        for number, tag, distance, _ in rows
        if not distance
    }
    for (number, tag), source in whence.of_places(db, sight, came).items():
        found[ColumnTag(column=called[number], tag=tag, carried=True, whence=source)] = None
    return tuple(sorted(found, key=lambda one: (one.column, one.tag)))


def _put(db: Session, node: Node) -> Iterator[ColumnTag]:
    """The tags that were put on the columns of a dataset: not only of those that lead somewhere."""
    if node.kind is not NodeKind.DATASET:
        return
    for dataset in db.scalars(select(DatasetRow.value).where(DatasetRow.name == node.name)):
        for column in datasets.column_names(db, dataset):
            for tag in (*dataset.tags, *dataset.column_tags.get(column, ())):
                yield ColumnTag(column=column, tag=tag, carried=False)
