"""A snapshot of an Iceberg table: data files are read by DuckDB, columns found by their field ids.

Deleted rows are left out by their file and position. What DuckDB cannot read so (files of other
formats or without field ids, nested columns that changed, deletion vectors) is streamed by
pyiceberg, one data file in memory at a time; deletes by equal values are refused. The table's own
properties say nothing about where files are or who may read them, and its files are all in one
place: here, or in one storage.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, PyArrowFileIO, schema_to_pyarrow
from pyiceberg.manifest import DataFile, FileFormat
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import DataScan, FileScanTask, StaticTable

from provender.core.datasets import Format
from provender.core.errors import InvalidInput, NotFound
from provender.core.training import Table
from provender.tables import objects
from provender.tables.arrow import literal, quote
from provender.tables.endpoints import Endpoint
from provender.tables.guard import check_files
from provender.tables.places import is_remote
from provender.tables.scans import Scan
from provender.tables.sources import Source

METADATA = ".metadata.json"
NUMBER = re.compile(r"v?(\d+)")
OURS = frozenset({"filename", "file_row_number"})
"""Columns that DuckDB adds where rows are left out; a table that has them is streamed."""


class FilesOfOnePlace(PyArrowFileIO):
    """Opens files here, or in the storage of ``endpoint``, and nothing elsewhere."""

    def __init__(self, endpoint: Endpoint | None) -> None:
        super().__init__({})
        self.endpoint = endpoint

    def _initialize_fs(self, scheme: str, netloc: str | None = None) -> pafs.FileSystem:
        if (scheme == "file") != (self.endpoint is None):
            raise InvalidInput(
                f"the Iceberg table names a file of {scheme}://{netloc or ''}, which is elsewhere",
                hint="a table is read where its metadata is; name the table at that place",
            )
        if self.endpoint is None:
            return pafs.LocalFileSystem()
        return pafs.PyFileSystem(pafs.FSSpecHandler(objects.files_of(self.endpoint)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSnapshot:
    """A table at one of its snapshots (none: a table without rows)."""

    table: StaticTable
    snapshot: str
    tasks: tuple[FileScanTask, ...]
    endpoint: Endpoint | None

    @classmethod
    def of(cls, table: Table) -> "OpenSnapshot":
        """Open what ``table`` names: a folder that holds ``metadata``, or a metadata file.

        Raises:
            NotFound: there is no table at that place, or not that snapshot of it.
            InvalidInput: rows are deleted by equal values; the metadata cannot be read.
            Unavailable: object storage cannot be reached.
        """
        endpoint = Endpoint.of(table) if is_remote(table.location) else None
        with objects.explained(table.location):
            opened = _open(table.location, endpoint)
            snapshot = _snapshot_id(opened, table)
            tasks = _tasks(opened, snapshot, table.location)
        return cls(table=opened, snapshot=snapshot, tasks=tasks, endpoint=endpoint)

    @property
    def metadata(self) -> str:
        """Where the metadata file is."""
        return str(self.table.metadata_location)

    @property
    def schema(self) -> pa.Schema:
        """The columns at the snapshot."""
        return schema_to_pyarrow(self._scan().projection(), include_field_ids=False)

    def local_files(self) -> list[Path]:
        """Return the data files, and those that say which rows are deleted, that are here.

        Raises:
            InvalidInput: a file is elsewhere than the table.
        """
        files = {file.file_path for task in self.tasks for file in (task.file, *task.delete_files)}
        for file in files:
            self.table.io.new_input(file)
        return [Path(urlparse(file).path) for file in sorted(files) if not is_remote(file)]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each data file, as the metadata has them."""
        return {task.file.file_path: task.file.file_size_in_bytes for task in self.tasks}

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the rows."""
        self.local_files()
        if not self.tasks:
            return connection.from_arrow(self.schema.empty_table())
        self._check_files()
        if self._is_native(connection):
            with self._source().explained():
                return connection.sql(self._query(connection))
        return connection.from_arrow(Scan(self.schema, self._read))

    def plain_files(self) -> list[Path] | None:
        """Return the data files if each has just the table's columns, and no row of one is deleted."""
        if self.endpoint is not None or not self.tasks:
            return None
        if any(task.delete_files or _is_foreign(task.file) for task in self.tasks):
            return None
        self._check_files()
        paths = [Path(file) for file in self._source().files]
        found = [pq.read_schema(path) for path in paths]
        wanted = [(name, str(number).encode()) for name, number in self._ids().items()]
        same = all(_ids_in(schema) == wanted and schema.equals(found[0]) for schema in found)
        return paths if same else None

    def _check_files(self) -> None:
        """Raise InvalidInput for a local Parquet file that is broken or declares far too much."""
        files = [file for task in self.tasks for file in (task.file, *task.delete_files)]
        named = {file.file_path for file in files if not _is_foreign(file)}
        check_files([Path(urlparse(path).path) for path in sorted(named) if not is_remote(path)])

    def _scan(self, columns: Sequence[str] = ()) -> DataScan:
        snapshot = int(self.snapshot) if self.snapshot else None
        return self.table.scan(snapshot_id=snapshot, selected_fields=tuple(columns) or ("*",))

    def _ids(self) -> dict[str, int]:
        return {field.name: field.field_id for field in self._scan().projection().fields}

    def _is_native(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether DuckDB can read all files as they are."""
        files = [file for task in self.tasks for file in (task.file, *task.delete_files)]
        if any(map(_is_foreign, files)) or _is_changed_within(self.table):
            return False
        if OURS.intersection(self._ids()):
            return False
        source = self._source()
        with source.explained():
            listed = ", ".join(literal(place) for place in source.places(connection))
            without = connection.sql(
                f"SELECT file_name FROM parquet_schema([{listed}]) "
                "GROUP BY 1 HAVING NOT bool_or(field_id IS NOT NULL)"
            )
            return not without.fetchall()

    def _source(self, files: Sequence[DataFile] = ()) -> Source:
        """Return ``files`` (none: the data files), as DuckDB opens them."""
        paths = sorted({file.file_path for file in files or [task.file for task in self.tasks]})
        if self.endpoint is None:
            paths = [urlparse(path).path for path in paths]
        base = self.table.location()
        return Source(
            format=Format.ICEBERG,
            base=base,
            files=tuple(paths),
            endpoint=self.endpoint,
            is_exact=True,
        )

    def _query(self, connection: duckdb.DuckDBPyConnection) -> str:
        wanted = ", ".join(quote(name) for name in self.schema.names)
        options = f", schema=MAP {{{self._columns(connection)}}}"
        deletes = sorted({d.file_path for task in self.tasks for d in task.delete_files})
        if not deletes:
            call = self._source().call(connection, "read_parquet", options=options)
            return f"SELECT {wanted} FROM {call}"
        options += ", filename=true, file_row_number=true"
        rows = self._source().call(connection, "read_parquet", options=options)
        return (
            f"SELECT {wanted} FROM {rows} AS r ANTI JOIN ({self._deleted(connection)}) AS d "
            "ON r.filename = d.place AND r.file_row_number = d.pos"
        )

    def _columns(self, connection: duckdb.DuckDBPyConnection) -> str:
        target = connection.from_arrow(self.schema.empty_table())
        ids = self._ids()
        return ", ".join(
            f"{ids[name]}: {{name: {literal(name)}, type: {literal(str(kind))}, default_value: NULL}}"
            for name, kind in zip(target.columns, target.types, strict=True)
        )

    def _deleted(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Return the SQL of the rows that are deleted: by file as DuckDB calls it, and position."""
        deletes = self._source([d for task in self.tasks for d in task.delete_files])
        named = sorted({task.file.file_path for task in self.tasks if task.delete_files})
        if self.endpoint is None:
            places = [urlparse(path).path for path in named]
        else:
            places = objects.attach(connection, self.endpoint, named)
        pairs = ", ".join(
            f"({literal(place)}, {literal(path)})"
            for place, path in zip(places, named, strict=True)
        )
        return (
            f"SELECT n.place, p.pos FROM {deletes.call(connection, 'read_parquet')} AS p "
            f"JOIN (VALUES {pairs}) AS n(place, path) ON p.file_path = n.path"
        )

    def _read(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one data file after the other: pyiceberg holds all that it is given."""
        projected = self._scan(names).projection()
        target = schema_to_pyarrow(projected, include_field_ids=False)
        scan = ArrowScan(self.table.metadata, self.table.io, projected, AlwaysTrue())
        for task in self.tasks:
            batches = scan.to_record_batches([task])
            reader = pa.RecordBatchReader.from_batches(target, batches).cast(target)
            for batch in reader:
                yield batch.select(names)


def _open(location: str, endpoint: Endpoint | None) -> StaticTable:
    files = FilesOfOnePlace(endpoint)
    metadata = location if location.endswith(METADATA) else _latest(location, endpoint)
    try:
        read = FromInputFile.table_metadata(files.new_input(metadata))
    except FileNotFoundError as error:
        raise _no_table(location) from error
    except (ValueError, ValidationError) as error:
        raise InvalidInput(
            f"the metadata {metadata} of an Iceberg table cannot be read: {error}",
            hint="name a metadata file that is whole",
        ) from error
    name = ("table", metadata)
    return StaticTable(name, read, metadata, files, NoopCatalog("none"))


def _latest(location: str, endpoint: Endpoint | None) -> str:
    """Return the metadata file with the greatest number.

    Raises:
        NotFound: there is none.
        InvalidInput: several have that number, as a writer left them that did not win.
    """
    folder = f"{location.rstrip('/')}/metadata"
    names = [name for name in _names(folder, endpoint) if name.endswith(METADATA)]
    if not names:
        raise _no_table(location)
    greatest = max(map(_number, names))
    last = [name for name in names if _number(name) == greatest]
    if len(last) > 1:
        raise InvalidInput(
            f"{folder} has several latest metadata files: {', '.join(sorted(last))}",
            hint="name one of them as the source; the catalog of the table knows which counts",
        )
    return f"{folder}/{last[0]}"


def _names(folder: str, endpoint: Endpoint | None) -> list[str]:
    if endpoint is not None:
        below = objects.files_of(endpoint).below(folder.partition("://")[2] + "/")
        return [path.rpartition("/")[2] for path in below]
    path = Path(urlparse(folder).path if folder.startswith("file:") else folder)
    return [file.name for file in path.iterdir()] if path.is_dir() else []


def _number(name: str) -> int:
    match = NUMBER.match(name)
    return int(match[1]) if match else -1


def _no_table(location: str) -> NotFound:
    return NotFound(f"there is no Iceberg table at {location}", hint="check the path of the source")


def _snapshot_id(opened: StaticTable, table: Table) -> str:
    """Return the id of the snapshot that ``table`` asks for by its id, branch or tag."""
    if not table.snapshot:
        current = opened.current_snapshot()
        return str(current.snapshot_id) if current else ""
    asked = table.snapshot
    named = opened.snapshot_by_name(asked)
    if named is None and asked.isdecimal():
        named = opened.snapshot_by_id(int(asked))
    if named is None:
        known = [str(snapshot.snapshot_id) for snapshot in opened.snapshots()]
        raise NotFound(
            f"the Iceberg table {table.location} has no snapshot {asked}",
            hint=f"snapshots are {', '.join(known[-5:]) or 'none'}; old ones may have expired",
        )
    return str(named.snapshot_id)


def _tasks(opened: StaticTable, snapshot: str, location: str) -> tuple[FileScanTask, ...]:
    if not snapshot:
        return ()
    try:
        return tuple(opened.scan(snapshot_id=int(snapshot)).plan_files())
    except ValueError as error:
        raise InvalidInput(
            f"the Iceberg table {location} cannot be read: {error}",
            hint="rewrite its data files without deletes by value first",
        ) from error


def _is_foreign(file: DataFile) -> bool:
    return bool(file.file_format != FileFormat.PARQUET)


def _is_changed_within(table: StaticTable) -> bool:
    """Whether a nested column ever was another, or a column has a value where files lack it."""
    seen: dict[int, Any] = {}
    for schema in table.metadata.schemas:
        for field in schema.fields:
            if getattr(field, "initial_default", None) is not None:
                return True
            before = seen.setdefault(field.field_id, field.field_type)
            if not field.field_type.is_primitive and before != field.field_type:
                return True
    return False


def _ids_in(schema: pa.Schema) -> list[tuple[str, bytes | None]]:
    return [(f.name, (f.metadata or {}).get(b"PARQUET:field_id")) for f in schema]
