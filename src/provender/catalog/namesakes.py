"""Documents by what they are called: whole, once, or as far as it is typed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from provender.catalog.nominate import LAST, Place
from provender.catalog.queries import is_postgresql


@dataclass(frozen=True, slots=True)
class Once:
    """A ``query`` for the names of datasets once called ``name``, and not so ``now``."""

    query: str
    name: str
    now: str


def named(
    db: Session, place: Place, names: Sequence[str], key: str, once: Once, *, shown: str, limit: int
) -> list[tuple[int, bool]]:
    """Return documents with one of ``names``, or whose short name runs together as ``key``.

    And those of datasets that were ``once`` called so: these are True, and come first.
    """
    mark = "%s" if is_postgresql(db) else "?"
    of = f"FROM {place.table} d WHERE ({shown}) AND"
    now = f"SELECT d.id AS id, d.impact AS impact, 0 AS was {of}"
    then = f"SELECT d.id, d.impact, 1 {of} d.name IN ({once.query.format(mark, mark)})"
    called = f"{now} d.name IN ({', '.join(mark for _ in names)})"
    query = (  # one index after the other: with OR SQLite uses none of them
        f"SELECT id, was FROM ({called} UNION {now} d.short_name = {mark} UNION {then}) c "
        f"ORDER BY was DESC, impact DESC, id DESC LIMIT {limit}"
    )
    found = db.connection().exec_driver_sql(query, (*names, key, once.name, once.now)).all()
    return [(number, bool(was)) for number, was in found]


def beginning(db: Session, place: Place, key: str, *, shown: str, limit: int) -> list[int]:
    """Return the ids of documents whose short name begins with ``key``, by their names."""
    mark = "%s" if is_postgresql(db) else "?"
    query = (
        f"SELECT d.id FROM {place.table} d "
        f"WHERE d.short_name >= {mark} AND d.short_name < {mark} "
        f"AND ({shown}) ORDER BY d.short_name, d.id DESC LIMIT {limit}"
    )
    return [row[0] for row in db.connection().exec_driver_sql(query, (key, key + LAST))]
