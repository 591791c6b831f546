"""What users hand in: rows of many kinds, pins, timestamps with and without a zone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from provender.core.datasets import Format
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.names import DatasetRef
from provender.core.training import Table
from provender.offline.spine import Spine
from provender.offline.spines import of_files, of_stream
from provender.tables.places import SUFFIXES, local_files
from provender.tables.storage import inside

Rows = Any
"""Rows in any of: an Arrow table, a pandas or polars frame, a path of a Parquet file."""

MADE_OF: Mapping[type, str] = {
    list: "; pyarrow.Table.from_pylist makes a table of dicts",
    dict: "; pyarrow.table makes one of a dict of columns",
}
"""What to say to whoever has rows as plain Python."""

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
        hint="give an Arrow table, a pandas or polars frame, or the path of a Parquet file"
        + MADE_OF.get(type(rows), ""),
    )


def spine_of(rows: Rows, *, lake: Path, spill: Path) -> Spine:
    """Return the spine that ``rows`` are.

    A path of a Parquet file, of a folder or pattern of such, or a list of them, is read where
    it is, in batches. A polars lazy frame is collected; an Arrow reader or dataset waits on the
    disk where it is large.

    Raises:
        InvalidInput: it is none of these, or a file is not there or not Parquet.
        Denied: a path leads into the ``lake``, past the gate.
    """
    match rows:
        case str() | Path():
            return of_files(_files([rows], lake))
        case list() | tuple() if rows and all(isinstance(one, str | Path) for one in rows):
            return of_files(_files(rows, lake))
        case pa.RecordBatchReader():
            return of_stream(rows.schema, rows, spill=spill)
        case pads.Dataset():
            return of_stream(rows.schema, rows.to_batches(), spill=spill)
    if type(rows).__module__.startswith("polars") and hasattr(rows, "collect"):
        rows = rows.collect()
    return Spine(arrow_table(rows))


def _files(paths: Sequence[str | Path], lake: Path) -> list[Path]:
    found = [file for path in paths for file in _parquet_files(str(path))]
    for file in found:
        _refuse_lake(file, lake)
    return found


def _parquet_files(path: str) -> list[Path]:
    table = Table(format=Format.PARQUET, location=path)
    try:
        return local_files(table, *SUFFIXES[table.format])[1]
    except NotFound as error:
        raise InvalidInput(error.message, hint="give the path of a Parquet file") from error


def _refuse_lake(path: Path, lake: Path | None) -> None:
    if lake is not None and inside(lake, path):
        raise Denied(
            f"{path} is in the lake, where rows are read with a permit only",
            hint="read the dataset by its name: Workspace.read",
        )


def _file(path: Path, lake: Path | None) -> pa.Table:
    _refuse_lake(path, lake)
    return of_files([path]).table()


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


def check_zone(spine: Spine, event_timestamp: str, *, assume_utc: bool) -> None:
    """Return if every event timestamp of the spine is an instant, or ``assume_utc`` makes it one.

    Raises:
        InvalidInput: they have no time zone: timestamps without one, text without one, dates.
    """
    if event_timestamp not in spine.column_names or assume_utc:
        return
    kind = spine.schema.field(event_timestamp).type
    naive = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        columns = (batch.column(0) for batch in spine.batches([event_timestamp]))
        naive = any(
            pc.all(pc.match_substring_regex(column, WITH_ZONE)).as_py() is False
            for column in columns
        )
    if naive:
        raise InvalidInput(
            f"the spine's {event_timestamp} has no time zone ({kind})",
            hint="localise it (pandas: .dt.tz_localize('UTC')), or say assume_utc=True (--assume-utc) if it is UTC",
        )
