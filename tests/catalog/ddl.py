"""What a database is made of, one line a thing, the order of columns left out."""

import re

from sqlalchemy import Connection, text

COLUMNS = """
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
    || COALESCE(collation_name, '') || ' ' || COALESCE(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public'
"""
INDICES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = """
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""


def ddl(connection: Connection) -> set[str]:
    """Return a line for each column, index and constraint; full-text indices among them."""
    if connection.dialect.name == "postgresql":
        lines = {
            line
            for query in (COLUMNS, INDICES, CONSTRAINTS)
            for line in connection.scalars(text(query))
        }
        return {line for line in lines if not line.startswith("alembic_version")}
    return set(_of_sqlite(connection))


def _of_sqlite(connection: Connection) -> list[str]:
    lines = []
    for kind, name, sql in connection.execute(text("SELECT type, name, sql FROM sqlite_master")):
        if sql is None:  # made by the table itself, for a key
            continue
        if kind == "table" and not sql.upper().startswith("CREATE VIRTUAL"):
            lines += [f"{name}: {part}" for part in _parts(sql)]
        else:
            lines.append(_plain(sql))
    return lines


def _parts(sql: str) -> list[str]:
    """What stands in the parentheses of a table: its columns and constraints."""
    inside = _plain(sql[sql.index("(") + 1 : sql.rindex(")")])
    return [part.strip() for part in re.split(r",(?![^(]*\))", inside)]


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql.replace('"', "")).strip()
