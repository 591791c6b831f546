"""Delta Lake: one table per dataset; publishing is one commit, a version pins one of them.

Old commits and their files are kept for good: the table says so, to other tools too. The
logical digest is in the commit's metadata, so that rows which are there already are found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from provender.core import typewords as words
from provender.core.datasets import FileEntry, Format
from provender.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import disk, storage
from provender.tables.arrow import arrow_schema
from provender.tables.endpoints import NO_BUCKET, Endpoint
from provender.tables.guard import check_files
from provender.tables.parquet import ROW_GROUP_ROWS, Spool, Stored, folder_name, read_parquet
from provender.tables.places import is_remote
from provender.tables.rows import inspect
from provender.tables.scans import Scan
from provender.tables.session import session
from provender.tables.sources import Source

DIGEST_KEY = "provender.logical_digest"
FOR_GOOD = "interval 36500 days"
CONFIGURATION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": FOR_GOOD,
    "delta.deletedFileRetentionDuration": FOR_GOOD,
}
REFUSED = frozenset("[]|^\\%")
"""deltalake 1.6 stops with a panic, or looks elsewhere, where these are in a local path."""
PLAIN_FEATURES = frozenset({"timestampNtz"})
"""What a table may ask of its readers that deltalake's Arrow dataset understands."""
ABSENT = frozenset({"uint8", "uint16", "uint32", "uint64", "time", "timestamp_ns"})


class DeltaFormat:
    """Reads and writes Delta tables."""

    def write(self, rows: Spool, root: Path, location: str) -> Stored:
        """Commit the spooled rows to the table at ``location``, or find the commit that has them.

        Raises:
            InvalidInput: Delta has no type for a column.
            Conflict: another writer, not one of ours, committed at the same time.
        """
        return _written(rows, root, f"{location}/delta")

    def write_apart(self, rows: Spool, root: Path, location: str) -> Stored:
        """Commit the spooled rows to a table of their own below ``location``; raises as `write`."""
        return _written(rows, root, folder_name(location, "delta", rows.logical_digest))

    def append(self, added: Spool, root: Path, location: str, before: Table) -> Stored:
        """Commit the spooled rows behind those of ``before``, or find the commit that has them all.

        Where the table went on from ``before``, be it by a publisher that was killed, it is
        taken back to it first: one more commit, which changes no file.

        Raises:
            Corrupt: a file of ``before`` is gone or changed.
            Conflict: another writer, not one of ours, committed at the same time.
        """
        folder = storage.resolve(root, before.location)
        with storage.locked(root, before.location.replace("/", ".")):
            there = storage.verified_files(root, before)
            table = _existing(folder)
            if table is None:
                raise Corrupt(
                    f"the log of the Delta table {folder} is gone",
                    hint=f"restore {folder / '_delta_log'} from a backup",
                )
            if (pinned := _find(table, folder, added)) is not None:
                return _stored(pinned, folder, before.location)
            if set(_paths(table)) != set(there):
                table.restore(int(before.snapshot))
            _commit(added, folder, mode="append")
            known = {entry.path: entry for entry in before.entries}
            return _committed(added, folder, before.location, known)

    def relation(
        self, table: Table, root: Path, connection: duckdb.DuckDBPyConnection
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of ``table`` at its snapshot (none: the latest).

        Data files are read by DuckDB itself; tables with partitions by deltalake's Arrow
        dataset; those with deletion vectors or mapped columns are streamed by deltalake.

        Raises:
            Corrupt: a file of a governed table is gone or changed.
            NotFound: there is no table at that place, or not that snapshot of it.
            InvalidInput: a local file is broken, or declares far more than it holds.
            Unavailable: object storage cannot be reached.
        """
        if table.version is not None:
            return read_parquet(connection, storage.verified_files(root, table))
        return _read(opened(table), table, connection)

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return the data files of ``table``, where rows are in them alone; see `TableFormat`."""
        if table.version is not None:
            return storage.verified_files(root, table)
        if is_remote(table.location):
            return None
        return _plain_files(opened(table))


def _written(rows: Spool, root: Path, place: str) -> Stored:
    _check_types(rows.schema)
    folder = storage.resolve(root, place)
    check_path(folder)
    with storage.locked(root, place.replace("/", ".")):
        table = _existing(folder)
        if table is not None and (pinned := _find(table, folder, rows)) is not None:
            return _stored(pinned, folder, place)
        storage.make_folder(folder, root)
        _commit(rows, folder, mode="overwrite")
        return _committed(rows, folder, place)


def pin(table: Table) -> tuple[Table, list[Path]]:
    """Return a local table that no catalog governs at its snapshot of now, and its data files.

    Raises:
        NotFound: there is no table at that place, or not that snapshot of it.
    """
    found = opened(table)
    return replace(table, snapshot=str(found.version())), _paths(found)


def sizes(table: Table) -> dict[str, int]:
    """Return the bytes of each data file of a table that no catalog governs, as its log has them."""
    found = pa.table(opened(table).get_add_actions(flatten=True))
    paths = (f"{table.location}/{path}" for path in found.column("path").to_pylist())
    return dict(zip(paths, found.column("size_bytes").to_pylist(), strict=True))


def _commit(rows: Spool, folder: Path, *, mode: Literal["append", "overwrite"]) -> None:
    target = arrow_schema(rows.schema)
    with pq.ParquetFile(rows.file) as spool:
        batches = pa.RecordBatchReader.from_batches(target, spool.iter_batches(ROW_GROUP_ROWS))
        try:
            write_deltalake(
                folder,
                batches,
                mode=mode,
                schema_mode="overwrite" if mode == "overwrite" else None,
                configuration=CONFIGURATION,
                writer_properties=_properties(rows.schema),
                commit_properties=CommitProperties(
                    custom_metadata={DIGEST_KEY: rows.logical_digest}, max_commit_retries=0
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except CommitFailedError as error:
            raise Conflict(
                f"another writer committed to the Delta table {folder} meanwhile: {error}",
                hint="publish again",
            ) from error
        except DeltaError as error:
            raise Unavailable(
                f"the Delta table {folder} cannot be written: {error}",
                hint="check the disk and the folder; nothing was published",
            ) from error


def _properties(schema: Schema) -> WriterProperties:
    """Say how files are written: floats without minimum and maximum, as in `write_parquet`."""
    untold = ColumnProperties(statistics_enabled="NONE")
    floats = [c.name for c in schema.columns if c.type in ("float32", "float64")]
    return WriterProperties(compression="ZSTD", column_properties=dict.fromkeys(floats, untold))


def _existing(folder: Path) -> DeltaTable | None:
    try:
        return DeltaTable(folder)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise Corrupt(
            f"the log of the Delta table {folder} cannot be read: {error}",
            hint=f"restore {folder / '_delta_log'} from a backup",
        ) from error


def _find(table: DeltaTable, folder: Path, rows: Spool) -> DeltaTable | None:
    """Return the table at the latest commit that still holds exactly these rows, if one does."""
    found = _pinned(table, folder, rows.logical_digest)
    return next((pinned for pinned in found if _holds(pinned, rows)), None)


def _pinned(table: DeltaTable, folder: Path, logical_digest: str) -> list[DeltaTable]:
    """Return the table at each commit that was made with ``logical_digest``, latest first."""
    return [
        DeltaTable(folder, version=commit["version"])
        for commit in table.history()
        if commit.get(DIGEST_KEY) == logical_digest
    ]


def _holds(pinned: DeltaTable, rows: Spool) -> bool:
    """Whether the rows that can be read are those of ``rows``: files may be damaged."""
    try:
        with session() as connection:
            relation = read_parquet(connection, _paths(pinned))
            facts = inspect(relation, rows.schema, connection)
    except duckdb.Error:
        return False
    return facts.logical_digest == rows.logical_digest


def _committed(
    rows: Spool, folder: Path, place: str, known: Mapping[str, FileEntry] = storage.NOTHING
) -> Stored:
    """Return where the rows are that were just committed, once they are on the disk."""
    pinned = _pinned(DeltaTable(folder), folder, rows.logical_digest)[0]
    _flush(pinned, folder)
    return _stored(pinned, folder, place, known)


def _stored(
    pinned: DeltaTable, folder: Path, place: str, known: Mapping[str, FileEntry] = storage.NOTHING
) -> Stored:
    paths = _paths(pinned)
    return Stored(
        location=place,
        files=tuple(
            known.get(path.relative_to(folder).as_posix()) or storage.entry(path, folder)
            for path in paths
        ),
        native_snapshot=str(pinned.version()),
    )


def _paths(pinned: DeltaTable) -> list[Path]:
    """Return the data files; deltalake writes their places percent-encoded."""
    return sorted(Path(unquote(uri.removeprefix("file://"))) for uri in pinned.file_uris())


def _flush(pinned: DeltaTable, folder: Path) -> None:
    for path in _paths(pinned):
        disk.flush(path)
    log = folder / "_delta_log"
    disk.flush(log / f"{pinned.version():020}.json")
    disk.flush(log)
    disk.flush(folder)


def _check_types(schema: Schema) -> None:
    absent = [f"{c.name} ({c.type})" for c in schema.columns if words.parse(c.type).kinds & ABSENT]
    if absent:
        raise InvalidInput(
            f"Delta has no such type: {', '.join(absent)}",
            hint="cast unsigned integers to wider signed ones, or publish as parquet",
        )


def check_path(folder: Path) -> None:
    if refused := sorted(REFUSED.intersection(str(folder))):
        raise Unavailable(
            f"Delta tables cannot be kept in {folder}: its path has {' '.join(refused)}",
            hint="set PROVENDER_HOME to a folder without these characters",
        )


def opened(table: Table) -> DeltaTable:
    location, options = table.location.removeprefix("file://"), None
    if is_remote(location):
        options = Endpoint.of(table).delta_options
    else:
        check_path(Path(location))
    version = _version(table)
    try:
        return DeltaTable(location, version=version, storage_options=options)
    except TableNotFoundError as error:
        raise NotFound(
            f"there is no Delta table at {location}", hint="check the path of the source"
        ) from error
    except (DeltaError, OSError) as error:
        if options is not None:
            raise unreachable(table, location, error) from error
        raise NotFound(
            f"the Delta table {location} has no readable snapshot {table.snapshot or '(latest)'}"
            f": {error}",
            hint="check the snapshot; old ones may have been vacuumed",
        ) from error


def _version(table: Table) -> int | None:
    if table.snapshot and not table.snapshot.isdecimal():
        raise InvalidInput(
            f"{table.snapshot!r} is not a version of the Delta table {table.location}",
            hint="versions are counted from 0",
        )
    return int(table.snapshot) if table.snapshot else None


def unreachable(table: Table, location: str, error: Exception) -> NotFound | Unavailable:
    """Return what is wrong with a table in object storage, without what the storage said."""
    if NO_BUCKET in str(error) or table.snapshot:
        return NotFound(
            f"there is no Delta table at {location}, or no readable snapshot {table.snapshot or 'of it'}",
            hint="check the bucket, the path and the snapshot of the source",
        )
    return Unavailable(
        f"the Delta table {location} cannot be reached or read",
        hint="check the bucket, the credentials of the environment and the storage's endpoint",
    )


def _read(
    table: DeltaTable, asked: Table, connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    features = set(table.protocol().reader_features or ())
    plain = not _is_mapped(table) and not ("deletionVectors" in features and _has_deleted(table))
    schema = pa.schema(table.schema().to_arrow())
    if not is_remote(asked.location):
        check_files([path for path in _paths(table) if path.is_file()])  # not all may be needed
    if plain and not table.metadata().partition_columns:
        source = _source(table, asked)
        if not source.files:
            return connection.from_arrow(schema.empty_table())
        relation = source.relation(connection, "read_parquet", options=", union_by_name=true")
        if relation.columns == schema.names:
            return relation
    if plain and features <= PLAIN_FEATURES:
        return connection.from_arrow(table.to_pyarrow_dataset())

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        target = pa.schema([schema.field(name) for name in names])
        for batch in pa.RecordBatchReader.from_stream(table.scan(columns=names)):
            yield batch.select(names).cast(target)

    return connection.from_arrow(Scan(schema, read))


def _source(table: DeltaTable, asked: Table) -> Source:
    """Return the data files as DuckDB opens them."""
    if is_remote(asked.location):
        files = tuple(sorted(map(unquote, table.file_uris())))
        endpoint: Endpoint | None = Endpoint.of(asked)
    else:
        files, endpoint = tuple(map(str, _paths(table))), None
    return Source(
        format=Format.DELTA,
        base=asked.location,
        files=files,
        endpoint=endpoint,
        is_exact=True,
    )


def _plain_files(table: DeltaTable) -> list[Path] | None:
    """Return the data files if each has just the table's columns, and no row of one is deleted."""
    features = set(table.protocol().reader_features or ())
    if _is_mapped(table) or table.metadata().partition_columns:
        return None
    if features - PLAIN_FEATURES - {"deletionVectors"} or _has_deleted(table):
        return None
    names = [field.name for field in table.schema().fields]
    paths = _paths(table)
    check_files(paths)
    plain = bool(paths) and all(pq.read_schema(path).names == names for path in paths)
    return paths if plain else None


def _is_mapped(table: DeltaTable) -> bool:
    """Whether columns are called otherwise in the files than in the table."""
    mode = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    return bool(mode != "none")


def _has_deleted(table: DeltaTable) -> bool:
    vectors = pa.RecordBatchReader.from_stream(table.deletion_vectors())
    return any(batch.num_rows for batch in vectors)
