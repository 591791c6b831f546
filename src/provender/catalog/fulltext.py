"""Full-text indices in a backup: the codes that each document is found by, whichever database has them.

A code is of a word or of a facet's value; with a plus before it, it stands in the title. What a
document was found by in the past cannot be made anew from other rows, so it is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, String, Table, cast, column, func, insert, select
from sqlalchemy import table as any_table

from provender.catalog.nominate import DOCUMENT_BITS, NOW, PAST, rowid

INDEX_OF = {place.table: place.index for place in (NOW, PAST)}
CODES = "codes"
TITLE, OTHER = "codes_in_title", "other_codes"
VECTOR = "vector"


def is_indexed(table: Table) -> bool:
    """Return whether the rows of a table are found by codes; before revision 0007 none are."""
    return table.name in INDEX_OF and "impact" in table.columns


def with_codes(connection: Connection, table: Table, columns: Sequence[Any]) -> Select[Any]:
    """Return the query of ``columns`` of an indexed table, and of the codes of each row."""
    if connection.dialect.name == "postgresql":
        return select(*columns, func.tsvector_to_array(table.c[VECTOR]).label(CODES))
    index = any_table(
        INDEX_OF[table.name], column("rowid"), column("title"), column("columns"), column("body")
    )
    number = table.c.impact.op("<<")(DOCUMENT_BITS).op("|")(table.c.id)
    other = index.c["columns"] + " " + index.c.body
    found = [index.c.title.label(TITLE), cast(other, String).label(OTHER)]
    return select(*columns, *found).join_from(table, index, index.c.rowid == number, isouter=True)


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of `with_codes` with its codes as a list, the same from both databases."""
    said = dict(row)
    if TITLE in said:
        title = (said.pop(TITLE) or "").split()
        said[CODES] = [*title, *(f"+{code}" for code in title), *(said.pop(OTHER) or "").split()]
    if CODES in said:
        said[CODES] = sorted(set(said[CODES]))
    return said


def add(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of an indexed table, and let each be found by its codes."""
    codes = [row.pop(CODES) for row in rows]
    if connection.dialect.name == "postgresql":
        for row, found in zip(rows, codes, strict=True):
            row[VECTOR] = " ".join(found)
        connection.execute(insert(table), rows)
        return
    connection.execute(insert(table), rows)
    entries = [
        (rowid(row["impact"], row["id"]), *_by_place(found))
        for row, found in zip(rows, codes, strict=True)
    ]
    connection.exec_driver_sql(
        f"INSERT INTO {INDEX_OF[table.name]} "  # noqa: S608 - our own names
        "(rowid, title, columns, body) VALUES (?, ?, '', ?)",
        entries,
    )


def _by_place(codes: Sequence[str]) -> tuple[str, str]:
    """The codes in the title, and the others."""
    title = [code[1:] for code in codes if code.startswith("+")]
    return " ".join(title), " ".join(c for c in codes if not c.startswith("+") and c not in title)
