"""The rows of a version in another format: the same rows, proved by their logical digest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from provender.core.datasets import DatasetVersion, Format, Manifest
from provender.core.errors import Corrupt
from provender.core.protocols import TableFormat
from provender.core.training import Table
from provender.tables import format_for, storage
from provender.tables.arrow import arrow_schema, literal
from provender.tables.parquet import (
    PART,
    ROW_GROUP_ROWS,
    Spool,
    Stored,
    Tabular,
    read_parquet,
    write_parquet,
)
from provender.tables.rows import inspect
from provender.tables.session import session


def convert(
    root: Path,
    version: DatasetVersion,
    format: Format,  # noqa: A002 - the word of the field
    *,
    progress: Callable[[str, float], object] = lambda stage, done: None,
) -> Manifest:
    """Write the rows of ``version`` to the lake as ``format``, and return the manifest of that.

    Rows are streamed, and counted and digested before they are kept; the new files lie beside
    the version's. Until the catalog names them they are left over (`upkeep.sweep`). Files that an
    earlier conversion left are taken.

    Raises:
        InvalidInput: ``format`` has no type for a column, or cannot hold a value.
        Corrupt: a file of the version is gone or changed, or its rows are not those of its digest.
        Unavailable: the lake cannot be written: read-only, or the disk is full.
    """
    manifest = version.manifest
    location = f"{version.ref.domain}/{version.ref.name}"
    storage.resolve(root, location)
    with storage.staging(root) as staged:
        folder = staged / "rows"
        folder.mkdir()
        progress(f"reading {version.ref}", 0.0)
        spool = Spool(folder=folder, schema=manifest.schema, logical_digest=manifest.logical_digest)
        _copy(root, version, spool, spill=staged / "spill")
        progress(f"writing {version.ref} as {format}", 0.5)
        stored = _kept(format_for(format), spool, root, location)
    return replace(
        manifest,
        format=format,
        location=stored.location,
        files=stored.files,
        native_snapshot=stored.native_snapshot,
        layout=None,
        whole="",
    )


def _kept(fmt: TableFormat, spool: Spool, root: Path, location: str) -> Stored:
    """Keep the rows in files, or a table, that no version of the dataset is kept in."""
    if isinstance(fmt, Tabular):
        return fmt.write_apart(spool, root, location)
    stored: Stored = fmt.write(spool, root, location)
    return stored


def _copy(root: Path, version: DatasetVersion, spool: Spool, *, spill: Path) -> None:
    manifest, table = version.manifest, Table.of(version)
    with session() as connection:
        connection.execute(f"SET temp_directory={literal(str(spill))}")
        relation = format_for(table.format).relation(table, root, connection)
        batches = relation.to_arrow_reader(ROW_GROUP_ROWS)
        write_parquet(batches, arrow_schema(manifest.schema), spool.folder / f"{PART}.parquet")
    with session() as connection:
        written = read_parquet(connection, [spool.folder / f"{PART}.parquet"])
        facts = inspect(written, manifest.schema, connection)
    if (facts.row_count, facts.logical_digest) != (manifest.row_count, manifest.logical_digest):
        raise Corrupt(
            f"{version.ref} has {facts.row_count:,} rows with the digest {facts.logical_digest}; "
            f"published were {manifest.row_count:,} with {manifest.logical_digest}",
            hint="provender fsck --full names the files that are not what was published",
        )
