"""Iceberg: one table per dataset, a version is a snapshot of it; and tables of others, at a snapshot."""

from dataclasses import replace
from pathlib import Path

import duckdb

from provender.core import typewords as words
from provender.core.datasets import Format
from provender.core.errors import Unavailable
from provender.core.training import Table
from provender.tables import storage
from provender.tables.icebergsnapshots import OpenSnapshot
from provender.tables.icebergwrites import commit
from provender.tables.keeping import check_kinds
from provender.tables.parquet import Spool, Stored, folder_name, read_parquet
from provender.tables.scans import typed

ABSENT = frozenset({"uint8", "uint16", "uint32", "uint64", "timestamp_ns"})
WIDENED = frozenset({"int8", "int16"})
"""Types that files hold as 32 bits, and that are read as what they were."""
REFUSED = frozenset("?#%")
"""Marks of URLs, which Iceberg takes paths for."""


class IcebergFormat:
    """Reads and writes Iceberg tables."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Commit the spooled rows to the table at ``location``, or find the snapshot that has them.

        Raises:
            InvalidInput: Iceberg has no type for a column.
            Conflict: another writer, not one of ours, committed at the same time.
            Unavailable: the lake's path has marks that Iceberg cannot take.
        """
        return _written(rows, root, f"{location}/iceberg")

    def write_apart(self, rows: Spool, root: Path, location: str) -> Stored:
        """Commit the spooled rows to a table of their own below ``location``; raises as `write`."""
        return _written(rows, root, folder_name(location, "iceberg", rows.logical_digest))

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table`` at its snapshot (none: the latest).

        Raises:
            Corrupt: a file of a governed table is gone.
            NotFound: there is no table at that place, or not that snapshot of it.
            InvalidInput: rows are deleted by equal values, or files are in several places.
            Unavailable: object storage cannot be reached.
        """
        if table.version is None:
            return OpenSnapshot.of(table).relation(connection)
        relation = read_parquet(connection, storage.verified_files(root, table))
        return relation if table.schema is None else typed(relation, table.schema, connection)

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return the data files of ``table``, where rows are in them alone; see `TableFormat`."""
        if table.version is None:
            return OpenSnapshot.of(table).plain_files()
        columns = table.schema.columns if table.schema is not None else ()
        if any(words.parse(column.type).kinds & WIDENED for column in columns):
            return None
        return storage.verified_files(root, table)


def _written(rows: Spool, root: Path, place: str) -> Stored:
    check_kinds(Format.ICEBERG, rows.schema, ABSENT)
    folder = storage.resolve(root, place)
    if refused := sorted(REFUSED.intersection(str(folder))):
        raise Unavailable(
            f"Iceberg tables cannot be kept in {folder}: its path has {' '.join(refused)}",
            hint="set PROVENDER_HOME to a folder without these characters",
        )
    with storage.locked(root, place.replace("/", ".")):
        return commit(rows, root, place)


def pin(table: Table) -> tuple[Table, list[Path]]:
    """Return a table that no catalog governs at its snapshot of now, and its local files.

    Raises:
        NotFound: there is no table at that place, or not that snapshot of it.
    """
    opened = OpenSnapshot.of(table)
    return replace(table, location=opened.metadata, snapshot=opened.snapshot), opened.local_files()
