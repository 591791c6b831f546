"""Spines in every form they are given in, as rows with an event timestamp in UTC.

What is in memory becomes an Arrow table; Parquet files stay where they are and are read in
batches; a stream of any length and the result of SQL go to a file once they are large.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from provender.feast_plugin.errors import NoEventTimestamp
from provender.feast_plugin.files import is_there
from provender.offline.instants import read_instants
from provender.offline.spine import Spine as Rows
from provender.offline.spines import of_files, of_stream
from provender.tables.places import local_files

EVENT_TIMESTAMP = "event_timestamp"
PARQUET = ".parquet"


class Entities(pd.DataFrame):
    """Any spine, dressed as the data frame that Feast's own call wants; it holds no rows itself.

    ``store.get_historical_features(Entities(table), …)`` takes an Arrow table, reader or
    dataset, a polars frame, or the path of Parquet files.
    """

    _metadata = ["spine"]  # noqa: RUF012  # pandas' name for attributes of a subclass

    def __init__(self, spine: Any) -> None:
        super().__init__()
        self.spine = spine


@dataclass(frozen=True)
class Spine:
    """The rows to be answered: one per entity and instant, in the caller's order and types."""

    rows: Rows
    event_timestamp: str

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Return the spine of ``rows``, whose event timestamp is found by Feast's rule.

        Those in memory get an event timestamp in UTC now; those of files when they are read.

        Raises:
            NoEventTimestamp: it is not clear which column it is.
            InvalidInput: it holds something else than instants.
        """
        name = _event_timestamp(rows.schema)
        if isinstance(rows.source, pa.Table):
            at = instants(rows.source.column(name), name)
            rows = Rows(rows.source.set_column(rows.column_names.index(name), name, at))
        else:
            _check_kind(rows.schema.field(name).type, name)
        return cls(rows, name)

    @property
    def range(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and latest event timestamp; None where there is none."""
        return self._range

    @cached_property
    def _range(self) -> tuple[datetime | None, datetime | None]:
        found: list[datetime] = []
        for batch in self.rows.batches([self.event_timestamp]):
            at = instants(pa.chunked_array([batch.column(0)]), self.event_timestamp)
            bounds = pc.min_max(at.cast(pa.timestamp("us", "UTC"), safe=False))
            found += filter(None, (bounds["min"].as_py(), bounds["max"].as_py()))
        return min(found, default=None), max(found, default=None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, with the event timestamp in UTC."""
        return map(self.in_utc, self.rows.batches())

    def in_utc(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch``, which has the spine's columns, with its event timestamp in UTC."""
        at = batch.schema.get_field_index(self.event_timestamp)
        kind = batch.schema.field(at).type
        if pa.types.is_timestamp(kind) and kind.tz == "UTC":
            return batch
        column = instants(pa.chunked_array([batch.column(at)]), self.event_timestamp)
        return batch.set_column(at, self.event_timestamp, column.combine_chunks())

    @property
    def schema(self) -> pa.Schema:
        """The columns of `batches`."""
        return self.in_utc(pa.RecordBatch.from_pylist([], schema=self.rows.schema)).schema


def read_spine(
    entity_df: Any,
    *,
    sql: Callable[[str], Rows],
    place: Callable[[str], str],
    spill: Path,
) -> Spine:
    """Return the spine that Feast's ``entity_df`` is, or what `Entities` holds.

    A pandas or polars frame, an Arrow table, reader or dataset, Parquet files by path, or a
    query, which ``sql`` runs. Text is a path if it ends in ``.parquet`` and either a
    file is there or it has no space in it; ``place`` says where a path is, or refuses it.

    The event timestamp becomes an instant in UTC: text is parsed, a time without a zone is
    UTC already. Every other column stays as it is.

    Raises:
        InvalidInput: it is something else, or a column cannot be read.
        Denied: a path is in the lake.
    """
    if isinstance(entity_df, Entities):
        entity_df = entity_df.spine
    return Spine.of(_rows(entity_df, sql, place, spill))


def _rows(given: Any, sql: Callable[[str], Rows], place: Callable[[str], str], spill: Path) -> Rows:
    match given:
        case pd.DataFrame():
            return Rows(_from_pandas(given))
        case pa.Table():
            return Rows(given)
        case pa.RecordBatch():
            return Rows(pa.Table.from_batches([given]))
        case pa.RecordBatchReader():
            return of_stream(given.schema, given, spill=spill)
        case pads.Dataset():
            return of_stream(given.schema, given.to_batches(), spill=spill)
        case Path():
            return of_files(_files([given], place))
        case str():
            return of_files(_files([given], place)) if _is_file(given, place) else sql(given)
        case list() | tuple() if given and all(isinstance(one, str | Path) for one in given):
            return of_files(_files(given, place))
    if type(given).__module__.partition(".")[0] == "polars":
        return Rows(_from_polars(given))
    if hasattr(given, "__arrow_c_stream__"):
        return _rows(pa.RecordBatchReader.from_stream(given), sql, place, spill)
    raise InvalidInput(
        f"a spine cannot be a {type(given).__name__}",
        hint="give a pandas or polars frame, an Arrow table, Parquet files, or SQL",
    )


def _is_file(text: str, place: Callable[[str], str]) -> bool:
    """Whether text is the path of Parquet files and not a query."""
    if not text.endswith(PARQUET):
        return False
    return not any(map(str.isspace, text)) or is_there(Path(place(text)))


def _files(paths: Sequence[str | Path], place: Callable[[str], str]) -> list[Path]:
    tables = [Table(format=Format.PARQUET, location=place(str(path))) for path in paths]
    found = [file.resolve() for table in tables for file in local_files(table, PARQUET)[1]]
    for file in found:
        place(str(file))  # a folder or pattern may lead into the lake by a link
    return found


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    unnamed = [str(name) for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise InvalidInput(
            f"the spine has columns whose names are not text: {', '.join(unnamed)}",
            hint="rename them",
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidInput(
            f"the spine cannot be read: {'; '.join(str(part) for part in error.args)}",
            hint="give every column values of one type",
        ) from error


def _from_polars(frame: Any) -> pa.Table:
    return (frame.collect() if hasattr(frame, "collect") else frame).to_arrow()


def _event_timestamp(schema: pa.Schema) -> str:
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    found = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if len(found) != 1:
        raise NoEventTimestamp(schema.names)
    return str(found[0])


def instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return ``column`` as instants in UTC, in the unit it has.

    Raises:
        InvalidInput: it holds something else than instants, dates, or text that reads as such.
    """
    kind = column.type
    _check_kind(kind, name)
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return pc.assume_timezone(column, "UTC")
        return column.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_date(kind):
        return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
    return read_instants(column, name)


def _check_kind(kind: pa.DataType, name: str) -> None:
    if not (pa.types.is_temporal(kind) and not pa.types.is_time(kind)) and not _is_text(kind):
        raise InvalidInput(
            f"the spine's event timestamp {name!r} is {kind}, not a timestamp",
            hint="make it a timestamp; one without a zone is taken as UTC",
        )


def _is_text(kind: pa.DataType) -> bool:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return pa.types.is_null(kind) or any(is_text(kind) for is_text in texts)
