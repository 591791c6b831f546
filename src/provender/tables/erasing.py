"""Rows of a subject in the lake: found by keyed digests, left out of the next version, and gone from files.

Files are looked into one by one, each once however many versions it is of. Nothing here knows a
value in advance: each distinct one of a key's columns is digested and compared.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from provender.core.datasets import DatasetVersion, FileEntry, Format, Manifest
from provender.core.erasure import PRODUCER, Sought
from provender.core.training import Table
from provender.tables import deltalog, format_for, storage
from provender.tables.arrow import arrow_schema, literal, quote
from provender.tables.parquet import ROW_GROUP_ROWS, Spool, Stored, read_parquet, write_parquet
from provender.tables.rows import Facts, inspect
from provender.tables.session import session
from provender.tables.versions import Measure, following

Key = tuple[str, str]
"""A file: the location of its version, and its path there."""


@dataclass(slots=True)
class Search:
    """Looks for a subject in the files of versions below ``root``, in ``columns``."""

    root: Path
    sought: Sought
    columns: tuple[str, ...]
    _seen: dict[Key, bool] = field(default_factory=dict)

    def is_in(self, version: DatasetVersion) -> bool:
        """Return whether a row of ``version`` is the subject's.

        Raises:
            Corrupt: a file of it is gone or changed.
        """
        table = Table.of(version)
        if not self._asked(table):
            return False
        return any(self._in_file(table, entry) for entry in table.entries)

    def _in_file(self, table: Table, entry: FileEntry) -> bool:
        key = (table.location, entry.path)
        if key not in self._seen:
            alone = replace(table, entries=(entry,), files=(entry.path,))
            with session() as connection:
                found = self._values(alone, connection)
                self._seen[key] = any(len(values) for values in found.values())
        return self._seen[key]

    def _asked(self, table: Table) -> list[str]:
        return [name for name in self.columns if table.schema is None or name in table.schema]

    def _values(
        self, table: Table, connection: duckdb.DuckDBPyConnection
    ) -> Mapping[str, pa.ChunkedArray]:
        """The subject's values in each column, as they are written there."""
        rows = format_for(table.format).relation(table, self.root, connection)
        return {name: matched(rows, name, self.sought) for name in self._asked(table)}

    def without(self, version: DatasetVersion, measure: Measure) -> tuple[Manifest | None, int]:
        """Write the rows of ``version`` but for the subject's; return the manifest, and how many those are.

        None where no row is left. ``measure`` looks at the rows that stay. The layout is lost.

        Raises:
            Corrupt: a file of ``version`` is gone or changed.
            Unavailable: the lake cannot be written.
        """
        before, fmt = version.manifest, format_for(version.manifest.format)
        with storage.staging(self.root) as staged:
            folder = staged / "rows"
            folder.mkdir()
            spool = Spool(folder=folder, schema=before.schema, logical_digest="")
            self._write_rest(version, spool.file, spill=staged / "spill")
            facts = _looked_at(spool.file, before, measure, spill=staged / "spill")
            gone = before.row_count - facts.row_count
            if not facts.row_count:
                return None, gone
            spool = replace(spool, logical_digest=facts.logical_digest)
            location = f"{version.ref.domain}/{version.ref.name}"
            stored: Stored = fmt.write(spool, self.root, location)
        return following(version, stored, facts, producer=PRODUCER), gone

    def _write_rest(self, version: DatasetVersion, file: Path, *, spill: Path) -> None:
        """Write the rows of ``version`` that are not the subject's."""
        table, target = Table.of(version), arrow_schema(version.manifest.schema)
        with session() as connection:
            connection.execute(f"SET temp_directory={literal(str(spill))}")
            rows = format_for(table.format).relation(table, self.root, connection)
            rows.create_view("rows_of_all")
            left = _left("rows_of_all", self._values(table, connection), connection)
            write_parquet(connection.sql(left).to_arrow_reader(ROW_GROUP_ROWS), target, file)


def _looked_at(file: Path, before: Manifest, measure: Measure, *, spill: Path) -> Facts:
    """The facts about the rows in ``file``, which ``measure`` looks at if there are any."""
    with session() as connection:
        rows = read_parquet(connection, [file])
        facts = inspect(rows, before.schema, connection, event_timestamp=before.event_timestamp)
    if facts.row_count:
        with session() as connection:
            connection.execute(f"SET temp_directory={literal(str(spill))}")
            measure(read_parquet(connection, [file]), before.schema, connection)
    return facts


def matched(rows: duckdb.DuckDBPyRelation, column: str, sought: Sought) -> pa.ChunkedArray:
    """Return the distinct values of ``column`` that are the subject's."""
    distinct = rows.select(duckdb.ColumnExpression(column)).distinct()
    reader = distinct.to_arrow_reader(ROW_GROUP_ROWS)
    chunks = []
    for batch in reader:
        values = batch.column(0)
        mask = pa.array([sought.is_of(value) for value in values.to_pylist()], pa.bool_())
        chunks.append(values.filter(mask))
    return pa.chunked_array(chunks, reader.schema.field(0).type)


def only_in(gone: Sequence[Manifest], kept: Sequence[Manifest]) -> dict[Key, int]:
    """Return the files that ``gone`` have and ``kept`` do not need, with their bytes."""
    needed = {(one.location, entry.path) for one in kept for entry in one.files}
    return {
        (one.location, entry.path): entry.size_bytes
        for one in gone
        for entry in one.files
        if (one.location, entry.path) not in needed
    }


def forget_in_logs(
    root: Path, gone: Sequence[Manifest], kept: Callable[[], Sequence[Manifest]]
) -> None:
    """Take out of the logs of Delta tables what they tell of values in files that are gone.

    Raises:
        Conflict: a publisher is at work for more than a minute.
        Unavailable: the lake cannot be written.
    """
    places = {one.location for one in gone if one.format is Format.DELTA}
    with storage.nobody_publishing(root), storage.explained(root):
        staying = kept()
        for place in sorted(places):
            folder = storage.resolve(root, place)
            if (folder / deltalog.LOG).is_dir():
                with storage.locked(root, place.replace("/", ".")):
                    deltalog.forget_values(folder, _paths(staying, place))


def _paths(manifests: Sequence[Manifest], place: str) -> Collection[str]:
    return {entry.path for one in manifests if one.location == place for entry in one.files}


def _left(
    view: str, values: Mapping[str, pa.ChunkedArray], connection: duckdb.DuckDBPyConnection
) -> str:
    """Return the SQL of the rows of ``view`` in which none of ``values`` is."""
    conditions = ["true"]
    for number, (column, found) in enumerate(values.items()):
        name = f"sought_{number}"
        connection.register(name, pa.table({"value": found}))
        conditions.append(
            f"({quote(column)} IS NULL OR {quote(column)} NOT IN (SELECT value FROM {name}))"
        )
    return f"SELECT * FROM {view} WHERE {' AND '.join(conditions)}"
