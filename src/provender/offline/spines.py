"""Ways to make a spine: from Parquet files where they are, from a stream of any length."""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput
from provender.offline.spine import Spine
from provender.tables.guard import check_files
from provender.tables.spill import spilling
from provender.tables.stream import write_rows

ROWS_IN_MEMORY = 1_000_000
BYTES_IN_MEMORY = 256 * 2**20


def of_files(paths: Sequence[Path]) -> Spine:
    """Return the rows of the Parquet files at ``paths``, one file after the other; they stay there.

    Raises:
        InvalidInput: there are none, one is not a whole Parquet file or declares far
            more than it holds, or they differ in columns.
    """
    if not paths:
        raise InvalidInput("there are no files", hint="give the path of a Parquet file")
    first = _schema(paths[0])
    for path in paths[1:]:
        if not (other := _schema(path)).equals(first):
            raise InvalidInput(
                f"{path} has the columns {_told(other)}, but {paths[0]} has {_told(first)}",
                hint="the files of one spine have the same columns, in order and type",
            )
    return Spine(tuple(paths))


def of_stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, spill: Path) -> Spine:
    """Return the rows of ``batches``: in memory where they are few, else in a file below ``spill``.

    The file is removed with the spine.
    """
    rest = iter(batches)
    held: list[pa.RecordBatch] = []
    rows = size = 0
    while _fits(rows, size) and (batch := next(rest, None)) is not None:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if _fits(rows, size):
        return Spine(pa.Table.from_batches(held, schema))
    return _spilled(schema, chain(held, rest), spill)


def _spilled(schema: pa.Schema, batches: Iterator[pa.RecordBatch], spill: Path) -> Spine:
    with ExitStack() as stack:
        folder = stack.enter_context(spilling(spill))
        write_rows(folder / "spine.parquet", schema, batches)
        spine = Spine((folder / "spine.parquet",))
        weakref.finalize(spine, stack.pop_all().close)
    return spine


def _fits(rows: int, size: int) -> bool:
    return rows <= ROWS_IN_MEMORY and size <= BYTES_IN_MEMORY


def _schema(path: Path) -> pa.Schema:
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", hint="give the path of a Parquet file")
    check_files([path])
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(
            f"{path} is not a whole Parquet file: {error}",
            hint="write it with to_parquet, or convert it: DuckDB's COPY … TO 'file.parquet'",
        ) from error


def _told(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
