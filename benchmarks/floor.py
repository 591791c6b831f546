"""The contender that joins nothing: every needed value is decoded, and a finished frame is written.

DuckDB scans each column that a right answer depends on, with an aggregate that needs every
value and that no statistics of the file can answer, and copies a frame that another contender
made, read before the clock, to Parquet.
"""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contender import Ready, Task
from benchmarks.workload import Workload


def prepare(task: Task) -> Ready:
    """Return the scan and the write.

    Raises:
        SystemExit: there is no finished frame, because no other contender has made one.
    """
    if task.reference is None:
        raise SystemExit("the floor writes a frame that another contender has made; none has")
    frame = pq.read_table(task.reference)
    if task.workload.answer == "pandas":
        return Ready(lambda: (scan(task.workload), frame.to_pandas()))
    return Ready(lambda: (scan(task.workload), _copy(frame, task.frame)))


def scan(workload: Workload) -> None:
    """Decode every needed value of the spine and the views."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        _decode(connection, workload.spine, pq.read_schema(workload.spine).names)
        for view in workload.views:
            _decode(connection, view.path, view.columns)


def _decode(
    connection: duckdb.DuckDBPyConnection, path: str, columns: list[str] | tuple[str, ...]
) -> None:
    schema = pq.read_schema(path)
    sums = ", ".join(_sum(schema.field(name)) for name in columns)
    connection.execute(f"SELECT {sums} FROM read_parquet('{path}')").fetchall()


def _sum(field: pa.Field) -> str:
    name = f'"{field.name}"'
    if pa.types.is_timestamp(field.type):
        return f"bit_xor(epoch_us({name}))"
    if pa.types.is_integer(field.type):
        return f"bit_xor({name})"
    if pa.types.is_boolean(field.type):
        return f"count_if({name})"
    if pa.types.is_floating(field.type):
        return f"sum({name})"
    return f"sum(strlen({name}))"


def _copy(frame: pa.Table, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.register("frame", frame)
        connection.execute(
            f"COPY frame TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
