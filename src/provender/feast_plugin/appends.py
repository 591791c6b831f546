"""Rows added to the source of a feature view: a new immutable version, or one more file; never half of it."""

import itertools
import re
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource

from provender.core.datasets import DatasetVersion, Format
from provender.core.errors import InvalidInput, NotFound
from provender.core.policy import Action
from provender.core.training import Table
from provender.feast_plugin import collaborators
from provender.feast_plugin.destination import CatalogLoggingDestination
from provender.feast_plugin.files import is_remote
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.terms import Terms
from provender.online.casts import NO_CAST
from provender.tables.arrow import arrow_schema
from provender.tables.deltawrites import append_rows
from provender.tables.evidence import demanded
from provender.tables.places import SUFFIXES, local_files, partition_keys
from provender.tables.spill import spilling
from provender.tables.storage import publishing
from provender.tables.stream import staged, write_rows
from provender.tables.swaps import kept
from provender.tables.versions import append_version

PRODUCER = "feast.write_to_offline_store"
ROW_NUMBERS = re.compile(r"__index_level_\d+__")
"""What Arrow calls the index of a pandas frame, such as one that is a part of another."""


def append(source: DataSource | None, rows: pa.Table, terms: Terms, *, wanted_by: str) -> None:
    """Add ``rows`` to ``source``; nobody ever sees some of them.

    A dataset of the catalog gets a new version: the files of its latest, and one more. A folder of
    Parquet gets one more file, a single Parquet file is replaced by a longer one, a Delta
    table gets a commit.

    Raises:
        Denied: the actor may not publish the dataset.
        Conflict: somebody published, or committed, meanwhile.
        NotFound: the Delta table is not there.
        Unavailable: the disk is full, or object storage cannot be reached.
        InvalidInput: the columns are not those of the source, or it cannot be appended to.
    """
    if isinstance(source, CatalogSource):
        publish_behind(source, latest_of(source, terms), rows, terms)
        return
    if isinstance(source, FileSource):
        table = terms.place(source)
    else:
        table = terms.table(source, wanted_by=wanted_by)
    if table.format is Format.DELTA:
        append_rows(table, lambda schema: _fitted(rows, schema, table.location), terms.engine.spill)
    elif is_remote(table.location) or table.format is not Format.PARQUET:
        raise InvalidInput(
            f"rows cannot be appended to {table.location}",
            hint="append to a local file or folder, to a Delta table, or to a dataset of the catalog",
        )
    elif Path(table.location).is_dir():
        _add_file(table, rows, terms)
    elif Path(table.location).exists():
        _lengthen(Path(table.location), rows, terms)
    else:
        raise InvalidInput(
            f"rows cannot be appended to {table.location}, which stands for many files",
            hint="append to a source that is one file, or a folder",
        )


def as_in_source(rows: pa.Table, source: DataSource | None) -> pa.Table:
    """Return ``rows`` with the columns of ``source``: Feast has renamed those that it maps."""
    mapping = source.field_mapping if source else {}
    column_of = {
        logical: column for column, logical in mapping.items() if column not in rows.column_names
    }
    return rows.rename_columns([column_of.get(name, name) for name in rows.column_names])


def append_log(data: pa.Table | Path, destination: Any, terms: Terms) -> None:
    """Add served features to a folder of Parquet, in one new file per partition, each there whole.

    Raises:
        InvalidInput: the destination is not a folder of files.
    """
    if isinstance(destination, CatalogLoggingDestination):
        raise InvalidInput(
            "servers publish to this destination what they log themselves, nobody else does",
            hint="to write logs of your own, use FileLoggingDestination(path=…)",
        )
    if not isinstance(destination, FileLoggingDestination):
        raise InvalidInput(
            f"served features cannot be logged to {type(destination).__name__}",
            hint="use FileLoggingDestination(path=…)",
        )
    rows = data if isinstance(data, pa.Table) else pq.read_table(data)
    place = terms.path(destination.path, must_exist=False)
    if is_remote(place):
        _partition(rows, place, destination)
        return
    with spilling(terms.engine.spill) as parts:
        _partition(rows, str(parts), destination)
        for part in sorted(parts.rglob("*.parquet")):
            with pq.ParquetFile(part) as written:
                target = Path(place, part.relative_to(parts))
                _write(written.schema_arrow, written.iter_batches(), target, terms)


def _partition(rows: pa.Table, place: str, destination: FileLoggingDestination) -> None:
    pads.write_dataset(
        rows,
        place,
        format="parquet",
        partitioning=destination.partition_by or None,
        partitioning_flavor="hive" if destination.partition_by else None,
        basename_template=f"{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )


def latest_of(source: CatalogSource, terms: Terms) -> DatasetVersion:
    """Return the latest version of the dataset of ``source``, whichever version it names.

    Raises:
        NotFound: there is no such dataset, or it has no version yet.
    """
    return collaborators.catalog(terms.settings).resolve(source.ref.at(None))


def publish_behind(
    source: CatalogSource, latest: DatasetVersion, rows: pa.Table, terms: Terms, *, note: str = ""
) -> None:
    """Publish ``latest`` with ``rows`` behind its own as the next version; no rows make none.

    Raises:
        Denied: the actor may not publish the dataset.
        Conflict: ``latest`` is not the latest any more.
        InvalidInput: the columns are not those of ``latest``.
        Unavailable: the lake cannot be written.
    """
    catalog = collaborators.catalog(terms.settings)
    dataset = catalog.dataset(source.ref)
    catalog.permit(
        Action.PUBLISH,
        sorted(Table.of(latest).columns(latest.manifest.schema.names)),
        purpose=terms.purpose,
    )
    added = _fitted(rows, schema_behind(latest), source.dataset)
    if added.num_rows == 0:
        return
    lake = terms.settings.lake
    with publishing(lake):
        manifest = append_version(lake, dataset, latest, added, producer=PRODUCER)
        evidence = demanded(catalog, dataset.ref, manifest, lake)
        catalog.publish(dataset.ref, manifest, parent=latest.number, evidence=evidence, note=note)


def schema_behind(latest: DatasetVersion) -> pa.Schema:
    """Return the columns of rows that may come behind those of ``latest``.

    Each may be null here: Arrow says no word of the row where a null may not be; `append_version` does.
    """
    schema = arrow_schema(latest.manifest.schema)
    return pa.schema([field.with_nullable(True) for field in schema])


def _add_file(table: Table, rows: pa.Table, terms: Terms) -> None:
    folder = Path(table.location)
    try:
        base, files = local_files(table, *SUFFIXES[Format.PARQUET])
    except NotFound:
        base, files = folder, []
    if keys := partition_keys(base, files):
        raise InvalidInput(
            f"rows cannot be appended to {folder}, which is partitioned by {', '.join(keys)}",
            hint="append to a Delta table, to a dataset of the catalog, or to a folder without name=value folders",
        )
    fitted = _fitted(rows, pq.read_schema(files[0]), str(folder)) if files else _own_columns(rows)
    target = folder / f"part-{uuid.uuid4().hex}.parquet"
    _write(fitted.schema, fitted.to_batches(), target, terms)


def _lengthen(path: Path, rows: pa.Table, terms: Terms) -> None:
    """Replace the file by a longer one: its rows are copied batch by batch, in constant memory."""
    with kept(path), pq.ParquetFile(path) as before:
        added = _fitted(rows, before.schema_arrow, str(path))
        batches = itertools.chain(before.iter_batches(), added.to_batches())
        _write(before.schema_arrow, batches, path, terms)


def _write(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], target: Path, terms: Terms
) -> None:
    with staged(target, spill=terms.engine.spill) as file:
        write_rows(file, schema, batches)


def _fitted(rows: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Return ``rows`` with the columns and types of ``schema``."""
    rows = _own_columns(rows, but=schema.names)
    check_columns(rows.column_names, schema.names, where)
    try:
        return rows.select(schema.names).cast(schema)
    except NO_CAST as error:
        raise InvalidInput(
            f"the rows for {where} have values of another type: {error}",
            hint=f"its types are {', '.join(f'{f.name}: {f.type}' for f in schema)}",
        ) from error


def _own_columns(rows: pa.Table, *, but: Sequence[str] = ()) -> pa.Table:
    """Return ``rows`` without the row numbers of a pandas frame, unless they are wanted."""
    names = rows.column_names
    return rows.select([name for name in names if name in but or not ROW_NUMBERS.fullmatch(name)])


def check_columns(given: Iterable[str], wanted: Sequence[str], where: str) -> None:
    """Return if the columns ``given`` for ``where`` are those ``wanted``, in any order.

    Raises:
        InvalidInput: some are missing, or there are others; all of them are named.
    """
    missing = sorted(set(wanted) - set(given))
    extra = sorted(set(given) - set(wanted))
    if missing or extra:
        said = [f"lack {', '.join(missing)}"] if missing else []
        said += [f"have {', '.join(extra)} besides"] if extra else []
        raise InvalidInput(
            f"the rows for {where} {' and '.join(said)}",
            hint=f"its columns are {', '.join(wanted)}",
        )
