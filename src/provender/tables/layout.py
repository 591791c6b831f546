"""Sorted versions: the same rows, laid out so that a reader of a few keys opens few row groups.

Rows are spread over files by a hash of their keys (`buckets`), and in each file sorted by keys
and event timestamp. Row groups are small and have the smallest and greatest key; pages are as
long as DuckDB's vectors, so that one whose rows are all left out is not decompressed. LZ4,
because sorted rows are read in part and often: it takes half of Zstandard's time for a third
more bytes. Bloom filters would say nothing here that the sorted keys do not. Measured in
docs/explanation/versions.md.
"""

import errno
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import DatasetVersion, Format, Layout, Manifest
from provender.core.digest import digest, short
from provender.core.errors import Corrupt, InvalidInput, Unavailable
from provender.core.names import suggest
from provender.core.schema import Schema
from provender.core.training import Table
from provender.tables import format_for, storage
from provender.tables.arrow import arrow_schema, literal, quote, to_stored
from provender.tables.parquet import folder_name, read_parquet
from provender.tables.rows import inspect
from provender.tables.session import session

BUCKET_ROWS = 1 << 24
BUCKET_BYTES = 1 << 30
ROWS_PER_GROUP = 32_768
ROWS_PER_PAGE = 2_048
"""The length of DuckDB's vectors: what a filter leaves out whole is skipped whole."""
BUCKET = "bucket of the row"

Progress = Callable[[str, float], object]
"""Told what is being done and how much of it is, from 0 to 1."""


def layout_of(version: DatasetVersion, keys: Sequence[str]) -> Layout:
    """Return how the rows of ``version`` lie when they are optimized for reading by ``keys``.

    Raises:
        InvalidInput: the version is not of Parquet, has no event timestamp or no such columns.
    """
    manifest, dataset = version.manifest, version.ref.dataset
    if manifest.format is not Format.PARQUET:
        raise InvalidInput(
            f"{dataset} is kept as {manifest.format}; only parquet can be optimized",
            hint="declare it with format: parquet, then publish it again",
        )
    if manifest.event_timestamp is None:
        raise InvalidInput(
            f"{dataset} declares no event timestamp to sort by",
            hint=f"declare it in catalog/datasets/{version.ref.domain}/{version.ref.name}.yml",
        )
    names = manifest.schema.names
    for key in keys:
        if key not in names:
            raise InvalidInput(
                f"{version.ref} has no column {key!r} to sort by", hint=suggest(key, names)
            )
    if not keys or len(set(keys)) < len(keys) or manifest.event_timestamp in keys:
        raise InvalidInput(
            f"{', '.join(keys) or 'nothing'} cannot be the keys of {dataset}",
            hint="name each join key once, without the event timestamp",
        )
    return Layout(
        keys=tuple(keys),
        event_timestamp=manifest.event_timestamp,
        buckets=buckets(manifest.row_count, manifest.size_bytes),
        rows_per_group=ROWS_PER_GROUP,
    )


def buckets(row_count: int, size_bytes: int) -> int:
    """Return into how many files so many rows go: of 16 million rows or 1 GiB at most, on average."""
    return max(1, ceil(row_count / BUCKET_ROWS), ceil(size_bytes / BUCKET_BYTES))


def write_optimized(
    root: Path,
    version: DatasetVersion,
    layout: Layout,
    *,
    producer: str = "",
    memory_limit: str = "",
    threads: int | None = None,
    progress: Progress = lambda stage, done: None,
) -> Manifest:
    """Write the rows of ``version`` once more, as ``layout`` says, and return the manifest.

    Memory is bounded by ``memory_limit``, beyond which DuckDB sorts on the lake's disk. The
    rows are counted and digested again once they are written: they are the same, or nothing is
    kept.

    Raises:
        Corrupt: a file of ``version`` is gone or changed, or the rows would not be the same.
        Unavailable: the lake cannot be written, or the disk or the memory is full.
    """
    before = version.manifest
    location = f"{version.ref.domain}/{version.ref.name}"
    with storage.staging(root) as staged:
        folder = staged / "rows"
        folder.mkdir()
        with _sorting(staged / "spill", memory_limit, threads) as connection:
            table = Table.of(version)
            format_for(table.format).relation(table, root, connection).create_view("unsorted")
            progress("sorting", 0.0)
            _write_buckets(connection, before, layout, folder, progress)
            progress("checking", 0.0)
            _check_same(connection, before, folder)
        place = f"{folder_name(location, 'parquet', before.logical_digest)}-{short(digest(layout), length=8)}"
        files = storage.keep(folder, root, place)
    return replace(
        before,
        location=place,
        files=files,
        layout=layout,
        inputs=(version.ref,),
        producer=producer,
        whole="",
    )


def row_groups(root: Path, manifest: Manifest) -> int:
    """Return how many row groups the Parquet files of a version have together."""
    folder = storage.resolve(root, manifest.location)
    return sum(pq.read_metadata(folder / file.path).num_row_groups for file in manifest.files)


@contextmanager
def _sorting(
    spill: Path, memory_limit: str, threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sorts within its memory and on the disk; what it lacks is said in our words."""
    spill.mkdir()
    with session() as connection:
        connection.execute(f"SET temp_directory={literal(str(spill))}")
        if memory_limit:
            connection.execute(f"SET memory_limit={literal(memory_limit)}")
        if threads:
            connection.execute(f"SET threads={threads}")
        try:
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(
                f"the memory is too small to sort the rows: {error}",
                hint="raise PROVENDER_MEMORY_LIMIT, or lower PROVENDER_THREADS; nothing was published",
            ) from error
        except duckdb.IOException as error:
            full = any(words in str(error) for words in ("No space left", "File too large"))
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def _write_buckets(
    connection: duckdb.DuckDBPyConnection,
    before: Manifest,
    layout: Layout,
    folder: Path,
    progress: Progress,
) -> None:
    keys = [quote(key) for key in layout.keys]
    order = ", ".join(f"{name} ASC NULLS LAST" for name in (*keys, quote(layout.event_timestamp)))
    bucket = f"(hash({', '.join(keys)}) % {layout.buckets})::INTEGER AS {quote(BUCKET)}"
    rows = connection.sql(f"SELECT *, {bucket} FROM unsorted ORDER BY {quote(BUCKET)}, {order}")
    target, number, done = arrow_schema(before.schema), -1, 0
    writer: pq.ParquetWriter | None = None
    try:
        for found, part in _runs(rows.to_arrow_reader(layout.rows_per_group)):
            if writer is None or found != number:
                if writer is not None:
                    writer.close()
                number = found
                writer = _open(folder / f"part-{number:05}.parquet", before.schema)
            writer.write_batch(to_stored(part, target), layout.rows_per_group)
            done += part.num_rows
            progress("writing", done / before.row_count)
    finally:
        if writer is not None:
            writer.close()


def _runs(batches: pa.RecordBatchReader) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the parts of ``batches`` that are of one bucket, with its number, without that column."""
    for batch in batches:
        numbers = batch.column(BUCKET).to_pylist()
        rows = batch.drop_columns([BUCKET])
        start = 0
        while start < batch.num_rows:
            number = numbers[start]
            end = bisect_right(numbers, number)
            yield number, rows.slice(start, end - start)
            start = end


def _open(file: Path, schema: Schema) -> pq.ParquetWriter:
    """Return what writes a sorted file; floats without minimum and maximum, as in `write_parquet`."""
    target = arrow_schema(schema)
    return pq.ParquetWriter(
        file,
        target,
        compression="lz4",
        write_statistics=[f.name for f in target if not pa.types.is_floating(f.type)],
        use_dictionary=[c.name for c in schema.columns if c.type in ("string", "binary")],
        max_rows_per_page=ROWS_PER_PAGE,
    )


def _check_same(connection: duckdb.DuckDBPyConnection, before: Manifest, folder: Path) -> None:
    relation = read_parquet(connection, sorted(folder.iterdir()))
    facts = inspect(relation, before.schema, connection)
    if (facts.row_count, facts.logical_digest) != (before.row_count, before.logical_digest):
        raise Corrupt(
            f"{facts.row_count} rows were sorted, with the digest {short(facts.logical_digest)}, "
            f"of {before.row_count} with {short(before.logical_digest)}; nothing was published",
            hint=f"check the rows of {before.location}: provender dataset verify",
        )
