"""What users hand in: rows of many kinds, pins, timestamps with and without a zone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef

Rows = Any
"""Rows in any of: an Arrow table, a pandas or polars frame, a path of a Parquet file."""


def arrow_table(rows: Rows) -> pa.Table:
    """Return ``rows`` as an Arrow table: from Arrow, pandas, polars, or a Parquet file's path.

    Raises:
        InvalidInput: it is none of these.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, str | Path):
        path = Path(rows)
        if not path.exists():
            raise InvalidInput(f"there is no file {path}", hint="give the path of a Parquet file")
        return pq.read_table(path)
    if type(rows).__module__.startswith("pandas"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if hasattr(rows, "__arrow_c_stream__"):
        return pa.table(rows)
    raise InvalidInput(
        f"rows of type {type(rows).__name__} are not understood",
        hint="give an Arrow table, a pandas or polars frame, or the path of a Parquet file",
    )


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
    if event_timestamp not in spine.column_names or assume_utc:
        return
    kind = spine.schema.field(event_timestamp).type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        raise InvalidInput(
            f"the spine's {event_timestamp} has no time zone",
            hint="localise it (pandas: .dt.tz_localize('UTC')), or say assume_utc=True if it is UTC",
        )
