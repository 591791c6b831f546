"""What users hand in: rows of many kinds, pins, timestamps with and without a zone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provender.core.errors import Denied, InvalidInput
from provender.core.names import DatasetRef
from provender.tables.storage import inside

Rows = Any
"""Rows in any of: an Arrow table, a pandas or polars frame, a path of a Parquet file."""

WITH_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
"""How the text of an instant ends."""


def arrow_table(rows: Rows, *, lake: Path | None = None) -> pa.Table:
    """Return ``rows`` as an Arrow table: from Arrow, pandas, polars, or a Parquet file's path.

    Raises:
        InvalidInput: it is none of these, or not a Parquet file.
        Denied: the path leads into the ``lake``, past the gate.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, str | Path):
        return _file(Path(rows), lake)
    if type(rows).__module__.startswith("pandas"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if hasattr(rows, "__arrow_c_stream__"):
        return pa.table(rows)
    raise InvalidInput(
        f"rows of type {type(rows).__name__} are not understood",
        hint="give an Arrow table, a pandas or polars frame, or the path of a Parquet file",
    )


def _file(path: Path, lake: Path | None) -> pa.Table:
    if lake is not None and inside(lake, path):
        raise Denied(
            f"{path} is in the lake, where rows are read with a permit only",
            hint="read the dataset by its name: Workspace.read",
        )
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", hint="give the path of a Parquet file")
    try:
        return pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(
            f"{path} is not a whole Parquet file: {error}",
            hint="write it with to_parquet, or convert it: DuckDB's COPY … TO 'file.parquet'",
        ) from error


def parse_pins(pins: Mapping[str, int] | Iterable[str]) -> dict[str, int]:
    """Return dataset names with their pinned versions, from ``{"a.b": 1}`` or ``["a.b@1"]``.

    Raises:
        InvalidInput: a pin names no version.
    """
    if isinstance(pins, Mapping):
        return {DatasetRef.parse(name).dataset: version for name, version in pins.items()}
    chosen: dict[str, int] = {}
    for text in pins:
        ref = DatasetRef.parse(text)
        if ref.version is None:
            raise InvalidInput(f"pin {text!r} names no version", hint=f"write {text}@1")
        chosen[ref.dataset] = ref.version
    return chosen


def check_zone(spine: pa.Table, event_timestamp: str, *, assume_utc: bool) -> None:
    """Return if every event timestamp of the spine is an instant, or ``assume_utc`` makes it one.

    Raises:
        InvalidInput: they have no time zone: timestamps without one, text without one, dates.
    """
    if event_timestamp not in spine.column_names or assume_utc:
        return
    column = spine.column(event_timestamp)
    kind = column.type
    naive = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        naive = pc.all(pc.match_substring_regex(column, WITH_ZONE)).as_py() is False
    if naive:
        raise InvalidInput(
            f"the spine's {event_timestamp} has no time zone ({kind})",
            hint="localise it (pandas: .dt.tz_localize('UTC')), or say assume_utc=True (--assume-utc) if it is UTC",
        )
