"""The search index as a whole: whether it holds what is there, and how it is made anew."""

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from provender.catalog import indextruth, remaking
from provender.catalog.changes import Change
from provender.catalog.db import Progress, open_database, transaction, unheard
from provender.catalog.legibility import AS_IT_WAS


def check(db: Session) -> Iterator[tuple[str, str]]:
    """Yield what the index does not say as it is, and what is wrong with it."""
    yield from indextruth.check(db)


def rebuild(db: Session, change: Change) -> None:
    """Make the index anew, of every dataset and of what every project defines now."""
    remaking.rebuild(db)


def open_catalog(url: str, *, progress: Progress = unheard) -> Engine:
    """Return the engine of the catalog at ``url``, its tables and its index brought up to date.

    Raises:
        Misconfigured, Unavailable, Corrupt: as `db.open_database`.
    """
    engine = open_database(url, progress=progress)
    try:
        _freshen(engine, progress)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _freshen(engine: Engine, progress: Progress) -> None:
    """Make what a revision of the tables left to be made anew."""
    with transaction(engine) as db:
        if not remaking.is_stale(db):
            return
    progress("search index", 0.0)
    with transaction(engine.execution_options(**{AS_IT_WAS: True}), write=True) as db:
        if remaking.is_stale(db):
            remaking.freshen(db)
    progress("search index", 1.0)
