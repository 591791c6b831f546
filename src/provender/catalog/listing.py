"""Datasets in a list: those that an actor may discover, narrowed and in portions."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    and_,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
)
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
from provender.core.erasure import ERASED
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import Action

AFTER_POINT = chr(ord(".") + 1)
FILTERS = ("domain", "owner", "tag", "term")
FEW = 5_000
"""Datasets that are sorted by name; more are looked for in the order of their names."""
ENDS = tuple(
    case((VersionRow.data_gone_why.startswith(ERASED), None), else_=end)
    for end in (VersionRow.earliest, VersionRow.latest)
)
"""The range of its events, of which nothing is told where a subject was erased from it."""
OF_A_VERSION = (
    VersionRow.number,
    VersionRow.row_count,
    VersionRow.size_bytes,
    VersionRow.published_at,
    *ENDS,
)
"""What a summary says of a version, in the order of `summary`."""
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
    fitting = (DatasetRow.name > after, among(db, visible), *_filtered(filters))
    last = aliased(VersionRow)
    newest_state = (
        select(last.state)
        .where(last.dataset == DatasetRow.id)
        .order_by(last.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    wanted = select(
        DatasetRow.value,
        func.coalesce(VersionRow.state, newest_state, ""),
        *OF_A_VERSION,
    ).outerjoin(
        VersionRow,
        and_(VersionRow.dataset == DatasetRow.id, VersionRow.number == DatasetRow.latest),
    )
    if _are_few(db, filters):
        few = select(DatasetRow.id, DatasetRow.name).where(*fitting).cte("few")
        few = few.prefix_with("MATERIALIZED")
        first = select(few.c.id).order_by(few.c.name).limit(limit)
        wanted = wanted.where(DatasetRow.id.in_(first))
    else:
        wanted = wanted.where(*fitting).limit(limit)
    return [summary(*row, now=now) for row in db.execute(wanted.order_by(DatasetRow.name))]


def among(db: Session, visible: Visible) -> ColumnElement[bool]:
    """Return the condition on datasets, that were not withdrawn, to be ``visible``.

    It is decided once for each scope and not for each dataset.
    """
    scope = "(datasets.scope + 0)"  # else SQLite goes by scopes, and sorts all of them by name
    inside: ColumnElement[bool] = literal_column(f"({within(db, scope, visible.scopes)})", Boolean)
    if visible.datasets:
        inside = or_(inside, DatasetRow.id.in_(sorted(visible.datasets)))
    return and_(DatasetRow.withdrawn_at.is_(None), inside)


def _filtered(filters: Mapping[str, tuple[str, ...]]) -> Iterator[ColumnElement[bool]]:
    for name, values in filters.items():
        if name == "domain":
            yield or_(false(), *(_in_domain(domain) for domain in values))
        else:
            yield DatasetRow.id.in_(_that_have(name, values))


def _in_domain(domain: str) -> ColumnElement[bool]:
    """By the name, that begins with the domain and is in the order of which it is listed."""
    return and_(DatasetRow.name > f"{domain}.", DatasetRow.name < f"{domain}{AFTER_POINT}")


def _that_have(name: str, values: tuple[str, ...]) -> Select[int]:
    match name:
        case "owner":
            return select(OwnerRow.dataset).where(OwnerRow.actor.in_(values))
        case "tag":
            return select(AssignmentRow.dataset).where(AssignmentRow.tag.in_(values))
        case "term":
            return select(DatasetTermRow.dataset).where(DatasetTermRow.term.in_(values))
    raise unknown("filter of datasets", name, FILTERS)


def _are_few(db: Session, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether so few datasets have a value that is asked for that they are better sorted.

    A tag or a term may be on many columns of each. An owner it has in a few roles at most, which
    are not told apart: PostgreSQL would look through all owners there are for that.
    """
    for name, values in filters.items():
        if name != "domain":
            wanted = _that_have(name, values)
            wanted = wanted if name == "owner" else wanted.distinct()
            some = wanted.limit(FEW + 1).subquery()
            if db.scalars(select(func.count()).select_from(some)).one() <= FEW:
                return True
    return False


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
