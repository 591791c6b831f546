"""What was found is kept when something else takes its place, for questions as of then."""

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provender.catalog import naming, nominate, vocabulary
from provender.catalog.indexed import Entry
from provender.catalog.nominate import PAST
from provender.catalog.rows import PastRestsOnRow, RestsOnRow

Rested = Mapping[int, Collection[int]]
"""Datasets that nodes rested on until now, by their numbers."""
NOWHERE_ELSE: Rested = MappingProxyType({})
"""Every node rests on what it rested on."""


def keep(
    db: Session, document: int, since: datetime, old: Entry, *, at: datetime, rested: Rested
) -> Collection[int]:
    """Keep a document as it was from ``since`` on; what lasted no time was never said.

    Returns the numbers of the words that are held once more.
    """
    if since >= at:
        return ()
    number = naming.take(db, "past_document")
    words_of = vocabulary.known(db, old.words())
    row = {
        "id": number,
        "document": document,
        "until_at": at,
        **old.text_columns,
        **old.row,
        "from_at": since,
    }
    nominate.add(db, PAST, [row], [old.codes(words_of)])
    node = old.row["node"]
    resting = rested[node] if node in rested else _resting(db, node)
    if resting:
        rows = [{"past": number, "dataset": dataset} for dataset in sorted(resting)]
        db.execute(insert(PastRestsOnRow), rows)
    return words_of.values()


def _resting(db: Session, node: int) -> Collection[int]:
    return db.scalars(select(RestsOnRow.dataset).where(RestsOnRow.node == node)).all()
