"""Few rows of one long Parquet file, by their numbers: DuckDB skips the pages that hold none."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provender.tables.arrow import literal, quote
from provender.tables.sources import escape

Integers = NDArray[np.int64]
BATCH_ROWS = 65_536
WANTED = "wanted_rows"


def is_exact(kind: pa.DataType) -> bool:
    """Return whether DuckDB gives values of this type so that a cast brings back what the file has."""
    if pa.types.is_timestamp(kind):
        return bool(kind.unit in ("ms", "us"))
    simple = (
        pa.types.is_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_boolean,
        pa.types.is_string, pa.types.is_large_string, pa.types.is_binary,
        pa.types.is_large_binary, pa.types.is_date32, pa.types.is_decimal128,
    )  # fmt: skip
    return any(is_kind(kind) for is_kind in simple)


def picked(
    session: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[str], rows: Integers
) -> Iterator[tuple[Integers, pa.Table]]:
    """Yield ``(at, found)``: rows number ``rows[at]`` of ``file``, in whatever order.

    ``session`` may be in the midst of a query: this one is asked beside it, with its limits.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    names = "".join(f", f.{quote(name)}" for name in columns)
    query = (
        f"SELECT w.place{names} "
        f"FROM read_parquet({literal(escape(file))}, hive_partitioning=false) AS f "
        f"JOIN {WANTED} AS w ON f.file_row_number = w.row"
    )
    with session.cursor() as beside:
        beside.execute("SET TimeZone='UTC'")
        wanted = pa.table({"place": np.arange(rows.size), "row": rows})
        beside.register(WANTED, wanted)
        for batch in beside.sql(query).to_arrow_reader(BATCH_ROWS):
            at = batch.column(0).to_numpy()
            yield at, pa.Table.from_batches([batch]).select(range(1, batch.num_columns))
