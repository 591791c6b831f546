"""What is made anew from what the catalog holds, after a migration: the search index before all."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from provender.catalog import carried, facets, findable, indexing, vocabulary
from provender.catalog.nominate import NOW, PAST
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import (
    CounterRow,
    DatasetRow,
    FacetCountRow,
    FacetValueRow,
    NodeRow,
    PastDocumentRow,
    PastRestsOnRow,
    RepoRow,
    SearchDocumentRow,
    SearchTagRow,
    SearchTextRow,
    SearchWordRow,
    StubRow,
    SynonymRow,
    TermRow,
)

STALE = "search_stale"
"""The counter that is 1 while the index has to be made anew."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


def rebuild(db: Session) -> int:
    """Make the whole index anew from what the catalog holds; return how many documents it has.

    What documents were before is forgotten: each is found as of when it was said last, and after.
    """
    _clear(db)
    every = db.scalars(select(TermRow.value).order_by(TermRow.name)).all()
    vocabulary.learn_synonyms(db, every)
    indexing.settle_all(db)
    number = indexing.put_all(db, findable.every(db), at=BEGINNING)
    _date(db)
    db.execute(update(CounterRow).where(CounterRow.name == STALE).values(value=0))
    return number


def is_stale(db: Session) -> bool:
    """Return whether something has to be made anew before it answers."""
    return bool(_stale(db))


def freshen(db: Session) -> None:
    """Make anew what a revision of the tables left to be made: the index, or tags that travel."""
    stale = _stale(db)
    if carried.STALE in stale:
        carried.remake(db)
    if STALE in stale:
        rebuild(db)


def _stale(db: Session) -> set[str]:
    raised = (CounterRow.name.in_((STALE, carried.STALE)), CounterRow.value > 0)
    return set(db.scalars(select(CounterRow.name).where(*raised)))


def _date(db: Session) -> None:
    """Let documents be as they are since what they are of was said last."""
    said = (
        select(DatasetRow.changed_at)
        .join(NodeRow, NodeRow.dataset == DatasetRow.id)
        .where(NodeRow.id == SearchDocumentRow.node)
        .scalar_subquery()
    )
    of_dataset = SearchDocumentRow.domain != facets.NONE
    _set_dates(db, of_dataset, said)
    last = select(RepoRow.project, func.max(RepoRow.recorded_at)).group_by(RepoRow.project)
    for project, recorded_at in db.execute(last).all():
        value = facets.known(db, [(facets.PROJECT, project)]).get((facets.PROJECT, project))
        if value is not None:
            _set_dates(db, SearchDocumentRow.project == value, recorded_at)


def _set_dates(db: Session, which: ColumnElement[bool], at: Any) -> None:
    dated = update(SearchDocumentRow).where(which).values(from_at=at)
    db.execute(dated.execution_options(synchronize_session=False))


def _clear(db: Session) -> None:
    if not is_postgresql(db):
        for index in (NOW.index, PAST.index):
            db.connection().exec_driver_sql(f"DELETE FROM {index}")  # noqa: S608 - our own names
    for row in (
        PastRestsOnRow,
        PastDocumentRow,
        SearchTagRow,
        SearchTextRow,
        SearchDocumentRow,
        StubRow,
        SearchWordRow,
        SynonymRow,
        FacetCountRow,
        FacetValueRow,
    ):
        db.execute(delete(row))
