"""The versions that decide about a new one: of equal content, the newest for readers, the last.

There may be thousands of versions, and one comes all the time: none but these are looked at.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import any_, bindparam, func, select, union_all
from sqlalchemy.orm import Session

from provender.catalog.rows import VersionRow

_there = VersionRow.dataset == bindparam("dataset")
EQUAL = 20
"""How many versions of equal content are looked at, the newest: there may be many that came back."""
_equal = (
    select(VersionRow.number)
    .where(_there, VersionRow.content == bindparam("content"))
    .order_by((VersionRow.number + 0).desc())  # else PostgreSQL looks at all of the dataset's
    .limit(EQUAL)
    .subquery()
)
_deciding = select(
    union_all(
        select(_equal.c.number),
        select(func.max(VersionRow.number)).where(_there),
        select(bindparam("latest", type_=VersionRow.__table__.c.number.type)),
    )
    .subquery()
    .c[0]
)
_versions = select(*VersionRow.__table__.c).where(_there).order_by(VersionRow.number)
DECIDING = {
    "sqlite": _versions.where(VersionRow.number.in_(_deciding)),
    "postgresql": _versions.where(
        VersionRow.number == any_(func.array(_deciding.scalar_subquery()))
    ),
}
"""By database: PostgreSQL would ask for the numbers at each version, but for an array once."""


def of(db: Session, dataset: int, content: str, *, latest: int | None) -> Sequence[Any]:
    """Return the rows of the versions of a dataset that decide about one with ``content``, by number."""
    asked = {"dataset": dataset, "content": content, "latest": latest}
    connection = db.connection()
    return connection.execute(DECIDING[connection.dialect.name], asked).all()
