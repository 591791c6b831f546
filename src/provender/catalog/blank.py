"""The tables of a new SQLite catalog, as all revisions leave them: made at once.

To go through every revision takes half a second, and as long again to import what goes through
them. `blank.sql` is what they make, nothing else, which the tests see to.
"""

from importlib import resources

from sqlalchemy import Connection, inspect

BETWEEN = ";\n\n"
"""What stands after each statement of `blank.sql`."""


def is_blank(connection: Connection) -> bool:
    """Return whether there is nothing in a database that `fill_in` could fill."""
    return connection.dialect.name == "sqlite" and not inspect(connection).get_table_names()


def fill_in(connection: Connection) -> None:
    """Make the tables, and what rows revisions leave in them, in the transaction of ``connection``."""
    statements = (resources.files("provender.catalog.migrations") / "blank.sql").read_text("utf-8")
    for statement in statements.split(BETWEEN):
        if statement:
            connection.exec_driver_sql(statement)
