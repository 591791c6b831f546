"""Rows added to the source of a feature view: a new immutable version, or one more file; never half of it."""

import fcntl
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.policy import Action
from provender.core.training import Table
from provender.feast_plugin import collaborators
from provender.feast_plugin.files import is_remote
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.terms import Terms
from provender.tables.arrow import arrow_schema
from provender.tables.storage import publishing
from provender.tables.versions import append_version

PRODUCER = "feast.write_to_offline_store"


def append(source: DataSource | None, rows: pa.Table, terms: Terms, *, wanted_by: str) -> None:
    """Add ``rows`` to ``source``; nobody ever sees some of them.

    A dataset of the catalog gets a new version: the files of its latest, and one more. A folder of
    Parquet gets one more file, a single Parquet file is replaced by a longer one, a Delta
    table gets a commit.

    Raises:
        Denied: the actor may not publish the dataset.
        Conflict: somebody published meanwhile.
        InvalidInput: the columns are not those of the source.
    """
    if isinstance(source, CatalogSource):
        _publish(source, rows, terms)
        return
    if isinstance(source, FileSource):
        table = terms.place(source)
    else:
        table = terms.table(source, wanted_by=wanted_by)
    if table.format is Format.DELTA:
        schema = pa.schema(DeltaTable(table.location).schema().to_arrow())
        write_deltalake(table.location, _fitted(rows, schema, table.location), mode="append")
    elif is_remote(table.location) or table.format is not Format.PARQUET:
        raise InvalidInput(
            f"rows cannot be appended to {table.location}",
            hint="append to a local file or folder, to a Delta table, or to a dataset of the catalog",
        )
    elif Path(table.location).is_dir():
        _add_file(Path(table.location), rows)
    else:
        _lengthen(Path(table.location), rows)


def append_log(data: pa.Table | Path, destination: Any, terms: Terms) -> None:
    """Add served features to a folder of Parquet, in one new file per partition.

    Raises:
        InvalidInput: the destination is not a folder of files.
    """
    if not isinstance(destination, FileLoggingDestination):
        raise InvalidInput(
            f"served features cannot be logged to {type(destination).__name__}",
            hint="use FileLoggingDestination(path=…)",
        )
    rows = data if isinstance(data, pa.Table) else pq.read_table(data)
    pads.write_dataset(
        rows,
        terms.path(destination.path, must_exist=False),
        format="parquet",
        partitioning=destination.partition_by or None,
        partitioning_flavor="hive" if destination.partition_by else None,
        basename_template=f"{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )


def _publish(source: CatalogSource, rows: pa.Table, terms: Terms) -> None:
    catalog = collaborators.catalog(terms.settings)
    dataset = catalog.dataset(source.ref)
    latest = catalog.resolve(source.ref.at(None))
    catalog.permit(
        Action.PUBLISH,
        sorted(Table.of(latest).columns(latest.manifest.schema.names)),
        purpose=terms.purpose,
    )
    added = _fitted(rows, _nullable(arrow_schema(latest.manifest.schema)), source.dataset)
    if added.num_rows == 0:
        return
    lake = terms.settings.lake
    with publishing(lake):
        manifest = append_version(lake, dataset, latest, added, producer=PRODUCER)
        catalog.publish(dataset.ref, manifest, parent=latest.number)


def _add_file(folder: Path, rows: pa.Table) -> None:
    first = next(iter(sorted(folder.rglob("*.parquet"))), None)
    fitted = _fitted(rows, pq.read_schema(first), str(folder)) if first else rows
    _write([fitted], fitted.schema, folder / f"part-{uuid.uuid4().hex}.parquet")


def _lengthen(path: Path, rows: pa.Table) -> None:
    """Replace the file by a longer one: its row groups are copied one by one, in constant memory."""
    with _only_writer(path), pq.ParquetFile(path) as before:
        added = _fitted(rows, before.schema_arrow, str(path))
        groups = (before.read_row_group(number) for number in range(before.num_row_groups))
        _write(itertools.chain(groups, [added]), before.schema_arrow, path)


def _nullable(schema: pa.Schema) -> pa.Schema:
    """Arrow says no word of the row where a null may not be; `append_version` does."""
    return pa.schema([field.with_nullable(True) for field in schema])


def _write(parts: Iterable[pa.Table], schema: pa.Schema, target: Path) -> None:
    """Write the file ``target``: a reader sees what was there before, or all of it."""
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with pq.ParquetWriter(staged, schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(part)
        with staged.open("rb") as written:
            os.fsync(written.fileno())
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of the file that is at ``path`` now; writers replace it, so look again after waiting."""
    while True:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _fitted(rows: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Return ``rows`` with the columns and types of ``schema``."""
    missing = sorted(set(schema.names) - set(rows.column_names))
    extra = sorted(set(rows.column_names) - set(schema.names))
    if missing or extra:
        said = [f"lack {', '.join(missing)}"] if missing else []
        said += [f"have {', '.join(extra)} besides"] if extra else []
        raise InvalidInput(
            f"the rows for {where} {' and '.join(said)}",
            hint=f"its columns are {', '.join(schema.names)}",
        )
    try:
        return rows.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"the rows for {where} have values of another type: {error}",
            hint=f"its types are {', '.join(f'{f.name}: {f.type}' for f in schema)}",
        ) from error
