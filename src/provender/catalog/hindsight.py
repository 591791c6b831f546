"""What the catalog said at an instant, for one actor.

One axis: when something was said, not when data happened. Rights are today's, for the tags of
then and of now: what is closed now tells nothing of the time when it was open, and what was
closed by a tag then is not opened by looking back.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import DatasetRow
from provender.core.datasets import Dataset
from provender.core.people import Actor

PORTION = 500
WHOLE = "*"


def shown(db: Session, who: Actor, then: Mapping[str, Dataset], *, now: datetime) -> set[str]:
    """Return the URNs of those datasets of ``then`` that ``who`` may discover."""
    found: set[str] = set()
    every = sorted(then)
    for urns in (every[n : n + PORTION] for n in range(0, len(every), PORTION)):
        there = select(DatasetRow).where(
            DatasetRow.urn.in_(urns), DatasetRow.withdrawn_at.is_(None)
        )
        rows = db.scalars(there).all()
        asked = {row.name: _closed_by_both(row.value, then[row.urn]) for row in rows}
        allowed = access.discoverable(db, who, asked, now=now)
        found |= {row.urn for row in rows if row.name in allowed}
    return found


def _closed_by_both(now: Dataset, then: Dataset) -> Dataset:
    """What is said now, with the tags that were on the whole dataset then as well."""
    of_whole = (*now.column_tags.get(WHOLE, ()), *then.tags, *then.column_tags.get(WHOLE, ()))
    return replace(now, column_tags={**now.column_tags, WHOLE: of_whole})
