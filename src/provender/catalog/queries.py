"""Queries as text, for those that every search asks: to put one together takes longer than its answer."""

from collections.abc import Collection
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session


def rows(db: Session, query: str, *lists: Collection[int] | Collection[str]) -> list[Any]:
    """Return the rows of ``query``, in which each ``{}`` is for the values of a list, not empty.

    What the session has yet to write is not seen.
    """
    mark = "%s" if db.get_bind().dialect.name == "postgresql" else "?"
    marks = (", ".join([mark] * len(values)) for values in lists)
    values = tuple(chain.from_iterable(lists))
    return list(db.connection().exec_driver_sql(query.format(*marks), values).all())
