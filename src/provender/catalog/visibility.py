"""What an actor may discover of a few datasets, by any name that they have or had."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import DatasetNameRow, DatasetRow
from provender.core.datasets import Dataset
from provender.core.derivation import column_named
from provender.core.people import Actor
from provender.core.policy import Action


def shown(
    db: Session,
    who: Actor,
    names: Iterable[str],
    *,
    action: Action = Action.DISCOVER,
    now: datetime,
) -> frozenset[str]:
    """Return those of ``names``, of now or once, whose datasets ``who`` may discover, or the like."""
    wanted = (
        select(DatasetNameRow.name)
        .join(DatasetRow, DatasetRow.id == DatasetNameRow.dataset)
        .where(DatasetNameRow.name.in_(sorted(set(names))))
        .where(access.is_visible(db, who, action, now=now))
    )
    return frozenset(db.scalars(wanted))


def told(
    db: Session, who: Actor, datasets: Sequence[Dataset], *, now: datetime
) -> tuple[Dataset, ...]:
    """Return ``datasets`` without sources of columns that ``who`` may not discover.

    Who governs declares them, and is told them all.
    """
    named = {name for dataset in datasets for name in _sources(dataset)}
    if not named:
        return tuple(datasets)
    hidden = named - shown(db, who, named, now=now)
    if not hidden or access.governs(db, who, now=now):
        return tuple(datasets)
    return tuple(_without(dataset, hidden) for dataset in datasets)


def _sources(dataset: Dataset) -> Iterable[str]:
    return (
        str(column_named(source)[0])
        for sources in dataset.column_from.values()
        for source in sources
    )


def _without(dataset: Dataset, hidden: Iterable[str]) -> Dataset:
    begins = tuple(f"{name}." for name in hidden)
    known = {
        column: tuple(source for source in sources if not source.startswith(begins))
        for column, sources in dataset.column_from.items()
    }
    left = {column: sources for column, sources in known.items() if sources}
    ways = {column: way for column, way in dataset.column_anonymises.items() if column in left}
    return replace(dataset, column_from=left, column_anonymises=ways)
