"""Who reads which version of a dataset: what a recall has to tell."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import indexing, naming
from provender.catalog.changes import Change
from provender.catalog.rows import ConsumptionRow
from provender.core.lineage import dataset_node
from provender.core.names import DatasetRef

NOT_TOLD = 0
"""The number of a version that nobody named."""


def consumed(db: Session, change: Change, ref: DatasetRef, *, by: str, kind: str) -> None:
    """Write down that ``by``, a consumer of that ``kind``, reads what ``ref`` names.

    Raises:
        NotFound: there never was such a dataset.
    """
    dataset = naming.numbers(db, [ref.dataset])[ref.dataset]
    row = db.get(ConsumptionRow, (dataset, ref.version or NOT_TOLD, kind, by))
    if row is not None:
        row.last_at, row.times = change.at, row.times + 1
        return
    db.add(
        ConsumptionRow(
            dataset=dataset,
            number=ref.version or NOT_TOLD,
            consumer_kind=kind,
            consumer=by,
            first_at=change.at,
            last_at=change.at,
            times=1,
        )
    )
    db.flush()
    others = select(ConsumptionRow.consumer_kind, ConsumptionRow.consumer).where(
        ConsumptionRow.dataset == dataset
    )
    used = db.scalar(select(func.count()).select_from(others.distinct().subquery()))
    indexing.touch(db, dataset_node(ref.at(None)), used=used or 0)
