"""Queries as text, for those that every search asks: to put one together takes longer than its answer."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Answer = Callable[[], list[Any]]
"""Waits for rows that were asked for, and returns them."""


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
    connection: Any = db.connection().connection.driver_connection
    try:
        with connection.pipeline(), connection.cursor() as cursor:
            cursor.execute(query, given)
            yield cursor.fetchall
    except connection.Error as error:  # as SQLAlchemy, which does not ask this, tells them
        raise DBAPIError(query, None, error) from error


def at_least(number: int, parts: Sequence[str], both: str, either: str) -> str:
    """Return what holds where so many of the ``parts`` do, each said as seldom as can be.

    Indices look at every part that is said: to list the choices takes them twice as long.
    """
    if number in (1, len(parts)):
        return (either if number == 1 else both).join(parts)
    first, *others = parts
    with_first = at_least(number - 1, others, both, either)
    return f"({first}{both}({with_first})){either}({at_least(number, others, both, either)})"
