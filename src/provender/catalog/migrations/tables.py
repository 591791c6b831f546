"""What the revisions make tables of, and how they move rows: frozen with the first that used it.

SQLite cannot change a table that others point to, so tables that get another key are set aside
as ``old_…``, without keys, and made anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

Instant = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
Name = sa.String().with_variant(sa.String(collation="C"), "postgresql")
BATCH = 5_000


def text(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    """Return a column of text; ``default`` fills rows that are there."""
    given = None if default is None else sa.text(f"'{default}'")
    return sa.Column(name, sa.Text(), nullable=null, server_default=given)


def word(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    """Return a column of short text."""
    given = None if default is None else sa.text(f"'{default}'")
    return sa.Column(name, sa.String(), nullable=null, server_default=given)


def name(called: str) -> sa.Column[str]:
    """Return a column of text that is listed letter by letter."""
    return sa.Column(called, Name, nullable=False)


def number(called: str, *, null: bool = False) -> sa.Column[int]:
    """Return a column of integers that we give out ourselves."""
    return sa.Column(called, sa.Integer(), autoincrement=False, nullable=null)


def small(called: str) -> sa.Column[int]:
    """Return a column of small integers."""
    return sa.Column(called, sa.SmallInteger(), autoincrement=False, nullable=False)


def big(called: str, *, null: bool = False) -> sa.Column[int]:
    """Return a column of big integers."""
    return sa.Column(called, sa.BigInteger(), autoincrement=False, nullable=null)


def flag(called: str) -> sa.Column[bool]:
    """Return a column of yes and no."""
    return sa.Column(called, sa.Boolean(), nullable=False)


def instant(called: str, *, null: bool = False) -> sa.Column[Any]:
    """Return a column of instants."""
    return sa.Column(called, Instant, nullable=null)


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def of_dataset(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["dataset"], ["datasets.id"], name=f"fk_{table}_dataset")


def of_version(table: str) -> sa.ForeignKeyConstraint:
    there = ["versions.dataset", "versions.number"]
    return sa.ForeignKeyConstraint(["dataset", "number"], there, name=f"fk_{table}_dataset_number")


def index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def in_order(column: str) -> str:
    """Return what to order by, so that both databases number rows alike."""
    return f'{column} COLLATE "C"' if is_postgresql() else column


def place(needle: str, column: str) -> str:
    """Return the expression of where ``needle`` is in ``column``, counted from 1; 0: nowhere."""
    return f"{'strpos' if is_postgresql() else 'instr'}({column}, '{needle}')"


def set_aside(*tables: str) -> None:
    """Copy tables to ``old_…`` and drop them, in that order."""
    for table in tables:
        op.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608 - our own names
    for table in tables:
        op.drop_table(table)


def drop_aside(*tables: str) -> None:
    for table in tables:
        op.execute(f"DROP TABLE old_{table}")


def rows(query: str) -> Sequence[Any]:
    """Return the rows of ``query``, instants as the database has them."""
    return op.get_bind().execute(sa.text(query)).all()


def insert(table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Add rows of ``columns``."""
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(f":{column}" for column in columns)
    statement = sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})")  # noqa: S608 - our own names
    batch: list[dict[str, Any]] = []
    for row in values:
        batch.append(dict(zip(columns, row, strict=True)))
        if len(batch) == BATCH:
            op.get_bind().execute(statement, batch)
            batch = []
    if batch:
        op.get_bind().execute(statement, batch)


def count_on(counter: str, table: str, column: str = "id") -> None:
    """Let numbers of ``counter`` go on after those of ``table``."""
    op.execute(
        f"INSERT INTO counters (name, value) SELECT '{counter}', COALESCE(MAX({column}), 0) "  # noqa: S608 - our own names
        f"FROM {table}"
    )
