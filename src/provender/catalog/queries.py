"""Queries as text, for those that every search asks: to put one together takes longer than its answer."""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session


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


def at_least(number: int, parts: Sequence[str], both: str, either: str) -> str:
    """Return what holds where so many of the ``parts`` do, each said as seldom as can be.

    Indices look at every part that is said: to list the choices takes them twice as long.
    """
    if number in (1, len(parts)):
        return (either if number == 1 else both).join(parts)
    first, *others = parts
    with_first = at_least(number - 1, others, both, either)
    return f"({first}{both}({with_first})){either}({at_least(number, others, both, either)})"
