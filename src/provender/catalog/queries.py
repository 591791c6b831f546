"""Queries as text, for those that every search asks: to put one together takes longer than its answer."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Answer = Callable[[], list[Any]]
"""Waits for rows that were asked for, and returns them."""
CURSOR = "driver_cursor"
"""Where a session has the cursor that it asks PostgreSQL by."""


def is_postgresql(db: Session) -> bool:
    """Return whether the database is PostgreSQL."""
    return db.get_bind().dialect.name == "postgresql"


def rows(db: Session, query: str, *lists: Collection[int] | Collection[str]) -> list[Any]:
    """Return the rows of ``query``, in which each ``IN ({})`` is for the values of a list, not empty.

    What the session has yet to write is not seen. PostgreSQL plans a question once, however long
    its lists are.
    """
    if is_postgresql(db):
        given: tuple[Any, ...] = tuple(map(list, lists))
        query = query.replace("NOT IN ({})", "<> ALL(%s)").replace("IN ({})", "= ANY(%s)")
        if all(isinstance(value, int) for values in given for value in values[:1]):
            return plain(db, query, given)
    else:
        given = tuple(chain.from_iterable(lists))
        query = query.format(*(", ".join("?" * len(values)) for values in lists))
    return list(db.connection().exec_driver_sql(query, given).all())


@contextmanager
def ahead(db: Session, query: str, given: tuple[Any, ...]) -> Iterator[Answer]:
    """Ask ``query`` now, for rows that are wanted later; until then ``db`` is asked nothing else.

    PostgreSQL works meanwhile. SQLite, which would not, is asked when the rows are wanted.
    """
    if not is_postgresql(db):
        yield lambda: list(db.connection().exec_driver_sql(query, given).all())
        return
    cursor = _cursor(db)
    with _told(cursor, query), cursor.connection.pipeline():
        cursor.execute(query, given)
        yield cursor.fetchall


def plain(db: Session, query: str, given: tuple[Any, ...] = ()) -> list[Any]:
    """Return the rows of ``query``, a SELECT that is given no words of people, with nothing between.

    SQLAlchemy takes as long again as the driver does to ask PostgreSQL.
    """
    if not is_postgresql(db):
        return list(db.connection().exec_driver_sql(query, given).all())
    cursor = _cursor(db)
    with _told(cursor, query):
        cursor.execute(query, given)
        found: list[Any] = cursor.fetchall()
    return found


def _cursor(db: Session) -> Any:
    """The driver's cursor of a transaction: to make one takes as long as to ask."""
    connection: Any = db.connection().connection.driver_connection
    known = db.info.get(CURSOR)
    if known is None or known.connection is not connection:
        known = db.info[CURSOR] = connection.cursor()
    return known


@contextmanager
def _told(cursor: Any, query: str) -> Iterator[None]:
    """Tell errors of the driver as SQLAlchemy does."""
    try:
        yield
    except cursor.connection.Error as error:
        raise DBAPIError.instance(query, None, error, type(error)) from error


def at_least(number: int, parts: Sequence[str], both: str, either: str) -> str:
    """Return what holds where so many of the ``parts`` do, each said as seldom as can be.

    Indices look at every part that is said: to list the choices takes them twice as long.
    """
    if number in (1, len(parts)):
        return (either if number == 1 else both).join(parts)
    first, *others = parts
    with_first = at_least(number - 1, others, both, either)
    return f"({first}{both}({with_first})){either}({at_least(number, others, both, either)})"
