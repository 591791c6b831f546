"""Datasets in a list: those that an actor may discover, narrowed and in portions."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from provender.catalog import epoch
from provender.catalog.epoch import Visible
from provender.catalog.rows import (
    AssignmentRow,
    DatasetRow,
    DatasetTermRow,
    OwnerRow,
    VersionRow,
)
from provender.catalog.scopes import within
from provender.core.datasets import Dataset, DatasetSummary, EventRange, newest
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import Action

FILTERS = ("domain", "owner", "tag", "term")
FEW = 1_000
NO_FILTERS: Mapping[str, tuple[str, ...]] = {}


def summaries(
    db: Session,
    who: Actor,
    *,
    filters: Mapping[str, tuple[str, ...]] = NO_FILTERS,
    after: str = "",
    limit: int | None = None,
    now: datetime,
) -> list[DatasetSummary]:
    """Return the datasets that ``who`` may discover, by name, from beyond the name ``after``.

    Of each of ``filters`` one value has to fit.

    Raises:
        NotFound: datasets cannot be filtered by that.
    """
    visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    last = aliased(VersionRow)
    newest_state = (
        select(last.state)
        .where(last.dataset == DatasetRow.id)
        .order_by(last.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    wanted = (
        select(
            DatasetRow.value,
            func.coalesce(VersionRow.state, newest_state, ""),
            VersionRow.number,
            VersionRow.row_count,
            VersionRow.size_bytes,
            VersionRow.published_at,
            VersionRow.earliest,
            VersionRow.latest,
        )
        .outerjoin(
            VersionRow,
            and_(VersionRow.dataset == DatasetRow.id, VersionRow.number == DatasetRow.latest),
        )
        .where(DatasetRow.name > after, among(db, visible), *_filtered(db, filters))
        .order_by(DatasetRow.name)
        .limit(limit)
    )
    return [summary(*row, now=now) for row in db.execute(wanted)]


def among(db: Session, visible: Visible) -> ColumnElement[bool]:
    """Return the condition on datasets, that were not withdrawn, to be ``visible``.

    It is decided once for each scope and not for each dataset.
    """
    scope = "(datasets.scope + 0)"  # else SQLite goes by scopes, and sorts all of them by name
    inside: ColumnElement[bool] = literal_column(f"({within(db, scope, visible.scopes)})", Boolean)
    if visible.datasets:
        inside = or_(inside, DatasetRow.id.in_(sorted(visible.datasets)))
    return and_(DatasetRow.withdrawn_at.is_(None), inside)


def _filtered(db: Session, filters: Mapping[str, tuple[str, ...]]) -> Iterator[ColumnElement[bool]]:
    for name, values in filters.items():
        match name:
            case "domain":
                yield DatasetRow.domain.in_(values)
            case "owner":
                yield _has(db, OwnerRow, OwnerRow.actor.in_(values))
            case "tag":
                yield _has(db, AssignmentRow, AssignmentRow.tag.in_(values))
            case "term":
                yield _has(db, DatasetTermRow, DatasetTermRow.term.in_(values))
            case _:
                raise unknown("filter of datasets", name, FILTERS)


def _has(
    db: Session, kind: type[OwnerRow | AssignmentRow | DatasetTermRow], fits: ColumnElement[bool]
) -> ColumnElement[bool]:
    """A few are named: else PostgreSQL may go through all datasets by name to find them."""
    there = select(kind.dataset).where(fits)
    some = db.scalars(there.distinct().limit(FEW + 1)).all()
    return DatasetRow.id.in_(some if len(some) <= FEW else there)


def summary(
    dataset: Dataset,
    state: str,
    number: int | None,
    row_count: int | None,
    size_bytes: int | None,
    published_at: datetime | None,
    earliest: datetime | None,
    latest: datetime | None,
    *,
    now: datetime,
) -> DatasetSummary:
    """Return a dataset in a list, with what is of its latest version, if it has one."""
    return DatasetSummary(
        name=dataset.ref.dataset,
        description=dataset.description,
        owner=dataset.owner,
        format=dataset.format,
        tags=dataset.tags,
        latest=number,
        row_count=row_count,
        size_bytes=size_bytes,
        published_at=published_at,
        event_range=EventRange(earliest=earliest, latest=latest) if earliest and latest else None,
        state=state,
        fresh=dataset.is_fresh(newest(latest, published_at), now=now) if published_at else None,
    )
