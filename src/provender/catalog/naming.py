"""What datasets are called, and the numbers that stand for them inside the catalog.

A number and a URN are given once and never change; a name can. Numbers are given out under the
writer's lock, so they are the same on both databases, without gaps and in the order of commits.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from provender.catalog.rows import CounterRow, DatasetNameRow, DatasetRow
from provender.core.errors import Conflict
from provender.core.names import unknown

PREFIX = "urn:provender:dataset:"
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Five bits each, without letters that are mistaken for others."""
RANDOM_BITS = 80
LENGTH = 26


def take(db: Session, counter: str, count: int = 1) -> int:
    """Return the first of ``count`` numbers that nothing of that kind has. Needs the write lock."""
    further = update(CounterRow).where(CounterRow.name == counter)
    raised = further.values(value=CounterRow.value + count).returning(CounterRow.value)
    last = db.scalar(raised.execution_options(synchronize_session=False))
    if last is None:
        db.add(CounterRow(name=counter, value=count))
        db.flush()
        return 1
    return last - count + 1


def new_urn(now: datetime) -> str:
    """Return a URN that nothing has: the milliseconds of ``now``, then 80 random bits."""
    bits = (int(now.timestamp() * 1000) << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
    return PREFIX + "".join(DIGITS[bits >> 5 * at & 31] for at in reversed(range(LENGTH)))


def numbers(db: Session, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each dataset of ``names``, withdrawn or not.

    Raises:
        NotFound: there never was a dataset of that name.
    """
    wanted = sorted(set(names))
    known = known_numbers(db, wanted)
    for name in wanted:
        if name not in known:
            raise unknown("dataset", name, ())
    return known


def known_numbers(db: Session, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each dataset of ``names`` that there ever was."""
    wanted = sorted(set(names))
    found = db.execute(select(DatasetRow.name, DatasetRow.id).where(DatasetRow.name.in_(wanted)))
    return {row.name: row.id for row in found}


def add_name(db: Session, dataset: int, name: str, *, now: datetime) -> None:
    """Let a dataset be called ``name`` from ``now`` on.

    Raises:
        Conflict: another dataset is called so, or was once.
    """
    taken = db.get(DatasetNameRow, name)
    if taken is not None and taken.dataset != dataset:
        raise Conflict(
            f"{name} is the name of another dataset, or was once",
            hint="choose another name: old references to that one must keep their meaning",
        )
    if taken is None:
        db.add(DatasetNameRow(name=name, dataset=dataset, since_at=now, until_at=None))
    else:
        taken.until_at = None
