"""Iceberg tables of the lake: one per dataset, with a catalog of its own; a version is a snapshot.

Each version is one data file, written with Iceberg's field ids. Snapshots and their files are
kept for good: the table says so, to other tools too. Iceberg writes absolute paths; a lake
that was moved gets a new table at the next publish, whose history begins there. Versions of before
are read as ever: the catalog names their files relative to the lake.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.schema import Schema as IcebergSchema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Snapshot
from sqlalchemy.exc import SQLAlchemyError

from provender.core.digest import short
from provender.core.errors import Conflict, Unavailable
from provender.tables import disk, storage
from provender.tables.arrow import arrow_schema, type_word
from provender.tables.parquet import ROW_GROUP_ROWS, Spool, Stored, read_parquet, write_parquet
from provender.tables.rows import inspect
from provender.tables.scans import typed
from provender.tables.session import session

DIGEST_KEY = "provender.logical_digest"
NAMESPACE = "lake"
CATALOG = "catalog.db"
PROPERTIES = {
    "format-version": "2",
    "gc.enabled": "false",
    "history.expire.min-snapshots-to-keep": "2147483647",
    "write.metadata.delete-after-commit.enabled": "false",
    "write.metadata.metrics.default": "none",
}
NARROW = re.compile(r"\bint(8|16)\b")
"""What is kept as 32 bits."""


def commit(rows: Spool, root: Path, place: str) -> Stored:
    """Commit the spooled rows to the table at ``place``, or find the snapshot that has them.

    Raises:
        Conflict: another writer, not one of ours, committed at the same time.
        Unavailable: the catalog of the table cannot be written.
    """
    folder = storage.resolve(root, place)
    storage.make_folder(folder / "data", root)
    with _opened(folder) as catalog:
        table = _table(catalog, folder, rows)
        snapshot = _find(table, rows) or _append(table, folder, rows)
        _flush(folder)
        paths = files_of(table, snapshot)
    return Stored(
        location=place,
        files=tuple(storage.entry(path, folder) for path in paths),
        native_snapshot=str(snapshot.snapshot_id),
    )


@contextmanager
def opened(folder: Path) -> Iterator[IcebergTable | None]:
    """The table in ``folder`` as it is; None where it was never committed to, or lies elsewhere."""
    if not (folder / CATALOG).is_file():
        yield None
        return
    with _opened(folder) as catalog:
        name = (NAMESPACE, folder.parent.name)
        table = None
        with suppress(NoSuchTableError, FileNotFoundError):
            table = catalog.load_table(name)
        yield table if table is not None and table.location() == f"file://{folder}" else None


def files_of(table: IcebergTable, snapshot: Snapshot) -> list[Path]:
    """Return the data files of a local table at ``snapshot``."""
    tasks = table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
    return sorted(Path(task.file.file_path.removeprefix("file://")) for task in tasks)


@contextmanager
def _opened(folder: Path) -> Iterator[SqlCatalog]:
    catalog = None
    try:
        catalog = SqlCatalog(
            NAMESPACE, uri=f"sqlite:///{folder / CATALOG}", warehouse=f"file://{folder}"
        )
        catalog.create_namespace_if_not_exists(NAMESPACE)
        yield catalog
    except CommitFailedException as error:
        raise Conflict(
            f"another writer committed to the Iceberg table {folder} meanwhile: {error}",
            hint="publish again",
        ) from error
    except SQLAlchemyError as error:
        raise Unavailable(
            f"the catalog {folder / CATALOG} of an Iceberg table cannot be used: {error}",
            hint="check the disk; nothing was published",
        ) from error
    finally:
        if catalog is not None:
            catalog.close()


def _table(catalog: SqlCatalog, folder: Path, rows: Spool) -> IcebergTable:
    """Return the table in ``folder``, made now if it is not there, or was somewhere else."""
    name = (NAMESPACE, folder.parent.name)
    location = f"file://{folder}"
    try:
        table = catalog.load_table(name)
        if table.location() == location:
            return table
        catalog.drop_table(name)
    except NoSuchTableError:
        pass
    except (FileNotFoundError, ValueError):  # elsewhere, or not yet on the disk in a power cut
        catalog.drop_table(name)
    if (folder / "metadata").exists():
        (folder / "metadata").rename(folder / f"metadata-{token_hex(4)}")
    schema = arrow_schema(rows.schema)
    return catalog.create_table(name, schema, location=location, properties=PROPERTIES)


def _find(table: IcebergTable, rows: Spool) -> Snapshot | None:
    """Return the latest snapshot that was made with these rows and still holds just them."""
    for snapshot in reversed(table.snapshots()):
        made_with = snapshot.summary.additional_properties if snapshot.summary else {}
        if made_with.get(DIGEST_KEY) == rows.logical_digest and _holds(table, snapshot, rows):
            return snapshot
    return None


def _holds(table: IcebergTable, snapshot: Snapshot, rows: Spool) -> bool:
    """Whether the rows that can be read are those of ``rows``: files may be damaged."""
    try:
        with session() as connection:
            relation = typed(
                read_parquet(connection, files_of(table, snapshot)), rows.schema, connection
            )
            facts = inspect(relation, rows.schema, connection)
    except (duckdb.Error, OSError):
        return False
    return facts.logical_digest == rows.logical_digest


def _append(table: IcebergTable, folder: Path, rows: Spool) -> Snapshot:
    """Commit one snapshot that has these rows and no others."""
    file = folder / "data" / f"{short(rows.logical_digest, length=24)}-{token_hex(4)}.parquet"
    old = [task.file for task in table.scan().plan_files()]
    with table.transaction() as change:
        _evolve(change, table.schema(), arrow_schema(rows.schema))
        _write(rows, change.table_metadata.schema(), file)
        update = change.update_snapshot(snapshot_properties={DIGEST_KEY: rows.logical_digest})
        with update.overwrite() if old else update.fast_append() as snapshot:
            for data_file in old:
                snapshot.delete_data_file(data_file)
            snapshot.append_data_file(
                parquet_file_to_data_file(table.io, change.table_metadata, f"file://{file}")
            )
    made = table.current_snapshot()
    if made is None:
        raise RuntimeError("a table has a snapshot after a commit")
    return made


def _evolve(change: Transaction, schema: IcebergSchema, wanted: pa.Schema) -> None:
    """Give the table the columns of ``wanted``; one of another type is another column."""
    old = schema_to_pyarrow(schema, include_field_ids=False)
    gone = [field.name for field in old if not _goes_on(field, wanted)]
    if gone:
        with change.update_schema(allow_incompatible_changes=True) as update:
            for name in gone:
                update.delete_column(name)
    if gone or set(wanted.names) - set(old.names):
        with change.update_schema(allow_incompatible_changes=True) as update:
            update.union_by_name(wanted)


def _goes_on(old: pa.Field, wanted: pa.Schema) -> bool:
    if old.name not in wanted.names:
        return False
    new = wanted.field(old.name)
    widened = NARROW.sub("int32", type_word(new.type))
    return type_word(old.type) == widened and (old.nullable or not new.nullable)


def _write(rows: Spool, schema: IcebergSchema, file: Path) -> None:
    """Write the rows with the table's field ids, by which every reader knows the columns."""
    target = schema_to_pyarrow(schema, include_field_ids=True)
    target = pa.schema([target.field(name) for name in rows.schema.names])
    with pq.ParquetFile(rows.file) as spool:
        write_parquet(spool.iter_batches(ROW_GROUP_ROWS), target, file)
    disk.flush(file)


def _flush(folder: Path) -> None:
    for path in (*(folder / "metadata").iterdir(), folder / CATALOG):
        disk.flush(path)
    disk.flush(folder / "metadata")
    disk.flush(folder / "data")
    disk.flush(folder)
