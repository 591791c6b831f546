"""Writing and verifying dataset versions: the one door by which rows enter the lake.

Rows are first spooled to the staging folder in their stored form and looked at there; only
then does the format make them a version, in one step. Until that step nothing can be seen,
and after it the catalog alone decides whether the version exists.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from provender.core.datasets import Dataset, DatasetVersion, Format, Manifest
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import DatasetRef, suggest
from provender.core.protocols import TableFormat
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import format_for, storage
from provender.tables.arrow import Naive, arrow_schema, literal, schema_of, stored_schema
from provender.tables.parquet import (
    PART,
    ROW_GROUP_ROWS,
    Appending,
    Spool,
    Stored,
    read_parquet,
    write_parquet,
)
from provender.tables.rows import Facts, inspect, recorded, together
from provender.tables.session import session

INSTANTS = ("timestamp", "date")

Measure = Callable[[duckdb.DuckDBPyRelation, Schema, duckdb.DuckDBPyConnection], object]
"""Looks at rows that are about to become a version; what does not fit into memory goes to the disk."""


def write_version(
    root: Path,
    dataset: Dataset,
    rows: pa.Table | pa.RecordBatchReader,
    *,
    inputs: Sequence[DatasetRef] = (),
    producer: str = "",
    naive: Naive = Naive.UTC,
    accept: Callable[[Manifest], object] = lambda manifest: None,
    measure: Measure | None = None,
) -> Manifest:
    """Write ``rows`` to the lake at ``root`` and return the manifest to publish in the catalog.

    Timestamps are kept as microseconds in UTC; those without a zone are taken as UTC unless
    ``naive`` says otherwise. Equal rows, in whatever order, give the same content. ``accept`` is
    asked before anything is kept: it gets the manifest as far as it is known, without files,
    and raises to refuse. Then ``measure``, where given, may look at the rows.

    Raises:
        InvalidInput: there are no rows; the event timestamp is missing, null or no instant; a
            column or value cannot be stored in the dataset's format.
        Unavailable: the lake cannot be written: read-only, or the disk is full.
        Conflict: another process publishes the same dataset and does not finish.
        Corrupt: these rows are there already, but damaged beyond repair.
    """
    if isinstance(rows, pa.Table) and rows.num_rows == 0:
        raise _no_rows(dataset)
    schema = stored_schema(rows.schema, event_timestamp=dataset.event_timestamp, naive=naive)
    _check_event_timestamp(dataset, schema)
    location = f"{dataset.ref.domain}/{dataset.ref.name}"
    storage.resolve(root, location)
    with storage.staging(root) as staged:
        folder = staged / "rows"
        folder.mkdir()
        facts = _spool(rows, schema, folder, dataset)
        manifest = Manifest(
            format=dataset.format,
            location=location,
            files=(),
            schema=schema,
            row_count=facts.row_count,
            logical_digest=facts.logical_digest,
            event_timestamp=dataset.event_timestamp,
            event_range=facts.event_range,
            inputs=tuple(inputs),
            producer=producer,
            sums=facts.sums,
        )
        accept(manifest)
        if measure is not None:
            _look(measure, folder, schema, spill=staged / "spill")
        spool = Spool(folder=folder, schema=schema, logical_digest=facts.logical_digest)
        stored: Stored = format_for(dataset.format).write(spool, root, location)
    return replace(
        manifest,
        location=stored.location,
        files=stored.files,
        native_snapshot=stored.native_snapshot,
    )


def append_version(
    root: Path,
    dataset: Dataset,
    latest: DatasetVersion,
    rows: pa.Table | pa.RecordBatchReader,
    *,
    producer: str = "",
) -> Manifest:
    """Write ``rows`` behind those of ``latest`` and return the manifest of the new version.

    The files of ``latest`` stay as they are and become files of the new version too; formats
    that have one file per version are written anew, as a stream. Whatever layout ``latest``
    has, the new version has none.

    Raises:
        InvalidInput: there are no rows, or their columns are not those of ``latest``.
        Corrupt: a file of ``latest`` is gone or changed.
        Unavailable: the lake cannot be written: read-only, or the disk is full.
    """
    before, fmt = latest.manifest, format_for(latest.manifest.format)
    _check_columns(rows.schema, before.schema, latest)
    location = f"{dataset.ref.domain}/{dataset.ref.name}"
    with storage.staging(root) as staged:
        folder = staged / "added"
        folder.mkdir()
        added = _spool(rows, before.schema, folder, dataset)
        facts = together(_facts(root, latest), added, before.schema)
        spool = Spool(folder=folder, schema=before.schema, logical_digest=facts.logical_digest)
        if isinstance(fmt, Appending):
            stored = fmt.append(spool, root, location, Table.of(latest))
        else:
            stored = _write_all(fmt, spool, root, location, latest)
    return following(latest, stored, facts, producer=producer)


def following(latest: DatasetVersion, stored: Stored, facts: Facts, *, producer: str) -> Manifest:
    """Return the manifest of the version that is made of ``latest``; it has no layout."""
    return replace(
        latest.manifest,
        location=stored.location,
        files=stored.files,
        native_snapshot=stored.native_snapshot,
        row_count=facts.row_count,
        logical_digest=facts.logical_digest,
        event_range=facts.event_range,
        sums=facts.sums,
        inputs=(latest.ref,),
        producer=producer,
        layout=None,
        whole="",
    )


def verify_version(root: Path, manifest: Manifest) -> None:
    """Return if every file of ``manifest`` is there, byte for byte. Other files do not matter.

    Raises:
        Corrupt: a file is missing, or has another size or other bytes; every such file is named.
    """
    storage.resolve(root, manifest.location)
    faults = []
    for expected in manifest.files:
        path = storage.resolve(root, f"{manifest.location}/{expected.path}")
        if wrong := storage.fault(path, expected):
            faults.append(f"file {path} {wrong}")
    if faults:
        heals = ", or publish the same rows again" if manifest.format is not Format.DELTA else ""
        raise Corrupt("; ".join(faults), hint=f"restore it from a backup{heals}")


def _spool(
    rows: pa.Table | pa.RecordBatchReader, schema: Schema, folder: Path, dataset: Dataset
) -> Facts:
    file = folder / f"{PART}.parquet"
    write_parquet(_batches(rows), arrow_schema(schema), file)
    with session() as connection:
        relation = read_parquet(connection, [file])
        facts = inspect(relation, schema, connection, event_timestamp=dataset.event_timestamp)
    if facts.row_count == 0:
        raise _no_rows(dataset)
    return facts


def _look(measure: Measure, folder: Path, schema: Schema, *, spill: Path) -> None:
    with session() as connection:
        connection.execute(f"SET temp_directory={literal(str(spill))}")
        measure(read_parquet(connection, [folder / f"{PART}.parquet"]), schema, connection)


def _check_columns(offered: pa.Schema, there: Schema, latest: DatasetVersion) -> None:
    found = {column.name: column.type for column in schema_of(offered).columns}
    wanted = {column.name: column.type for column in there.columns}
    if list(found.items()) != list(wanted.items()):
        raise InvalidInput(
            f"the rows to append have {_listed(found)}; {latest.ref} has {_listed(wanted)}",
            hint="give the same columns with the same types in the same order",
        )


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items())


def _facts(root: Path, version: DatasetVersion) -> Facts:
    """Return the facts about the rows of ``version``: as recorded, else by reading them."""
    manifest = version.manifest
    if known := recorded(manifest):
        return known
    with session() as connection:
        relation = format_for(manifest.format).relation(Table.of(version), root, connection)
        return inspect(
            relation, manifest.schema, connection, event_timestamp=manifest.event_timestamp
        )


def _write_all(
    fmt: TableFormat, added: Spool, root: Path, location: str, latest: DatasetVersion
) -> Stored:
    """Write the rows of ``latest`` and those ``added`` as a version with files of its own."""
    target = arrow_schema(added.schema)
    folder = added.folder.with_name("rows")
    folder.mkdir()
    spool = replace(added, folder=folder)
    with session() as connection:
        there = fmt.relation(Table.of(latest), root, connection)
        rows = there.union(read_parquet(connection, [added.file]))
        write_parquet(rows.to_arrow_reader(ROW_GROUP_ROWS), target, spool.file)
    stored: Stored = fmt.write(spool, root, location)
    return stored


def _no_rows(dataset: Dataset) -> InvalidInput:
    return InvalidInput(
        f"there are no rows to publish as {dataset.ref.dataset}",
        hint="a version holds at least one row; check what produced them",
    )


def _batches(rows: pa.Table | pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from rows.to_batches() if isinstance(rows, pa.Table) else rows
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(
            f"the rows to publish cannot be read to their end: {error}",
            hint="check what produces them; nothing was published",
        ) from error


def _check_event_timestamp(dataset: Dataset, schema: Schema) -> None:
    name = dataset.event_timestamp
    if name is None:
        return
    if name not in schema:
        raise InvalidInput(
            f"the rows have no column {name!r}, the event timestamp of {dataset.ref.dataset}; "
            f"they have {', '.join(schema.names)}",
            hint=suggest(name, schema.names),
        )
    found = schema.column(name).type
    if found not in INSTANTS:
        raise InvalidInput(
            f"the event timestamp {name!r} of {dataset.ref.dataset} is {found}, not a timestamp",
            hint="convert it to a timestamp in UTC, or a date",
        )
