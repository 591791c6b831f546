"""What all revisions make of an empty SQLite file, as statements.

`python -m tests.catalog.blank` writes them anew, after a new revision.
"""

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, create_engine, text

from provender.catalog.blank import BETWEEN
from provender.catalog.db import open_database, upgrade
from provender.catalog.rows import SCHEMA
from tests.catalog.populated import is_inside_an_index

WRITTEN = Path(str(resources.files("provender.catalog.migrations"))) / "blank.sql"


def statements(connection: Connection) -> list[str]:
    """Return what makes the tables and indices of ``connection``, and their rows, in order."""
    made = connection.execute(
        text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    ).all()
    own = [(kind, name, sql) for kind, name, sql in made if not is_inside_an_index(name)]
    tables = [name for kind, name, sql in own if kind == "table" and "VIRTUAL" not in sql]
    return [sql for _, _, sql in own] + [row for name in tables for row in rows(connection, name)]


def rows(connection: Connection, table: str) -> list[str]:
    """Return what puts the rows into ``table`` that are there."""
    found = connection.execute(text(f'SELECT * FROM "{table}"'))
    names = ", ".join(f'"{name}"' for name in found.keys())  # noqa: SIM118 - not a dict
    return [
        f"INSERT INTO {table} ({names}) VALUES ({', '.join(map(literal, row))})"
        for row in sorted(map(tuple, found))
    ]


def literal(value: object) -> str:
    if isinstance(value, int):
        return str(int(value))
    assert isinstance(value, str)
    return "'" + value.replace("'", "''") + "'"


def made_by_revisions(path: Path) -> list[str]:
    """Return the statements for a new file at ``path`` that went through every revision."""
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine, SCHEMA)  # by its number: "head" is made at once
    engine.dispose()
    opened = open_database(f"sqlite:///{path}")
    with opened.connect() as connection:
        found = statements(connection)
    opened.dispose()
    return found


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        written = "".join(f"{one}{BETWEEN}" for one in made_by_revisions(Path(folder) / "new.db"))
    WRITTEN.write_text(written, "utf-8")
