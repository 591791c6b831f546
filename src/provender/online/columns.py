"""Columns of plain values, as they are pushed, to the keys and rows of one view."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.names import suggest
from provender.core.serving import ServedView
from provender.online.codec import KeyCodec, RowCodec
from provender.online.kinds import from_micros, is_null, kind_of
from provender.online.nesting import shown
from provender.online.skew import refuse_future

EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMPS = ("created_timestamp", "created")
"""Names that are understood for every view, beside the view's own: Feast's client sends them."""

Columns = Mapping[str, Sequence[Any]]


class ColumnEncoder:
    """Encodes pushed columns for one view of one project, compiled once."""

    def __init__(self, project: str, view: ServedView) -> None:
        self.project = project
        self.view = view
        self._keys = KeyCodec(project, view)
        self._rows = RowCodec(view)
        self._instant = kind_of("timestamp")

    def encode(self, columns: Columns, *, now: datetime | None = None) -> list[tuple[bytes, bytes]]:
        """Return one (key, row) pair per row of ``columns``.

        Features may be called by their names or by those of their source columns. Columns
        that the view does not have are left alone. Instants without a zone are UTC.

        Raises:
            InvalidInput: columns are missing or of different lengths, a join key or event
                timestamp is null, a value is not of its type, or a row is from after ``now``.
        """
        rows = row_count(columns)
        keys = [self._column(columns, f.name, f.source_column) for f in self.view.join_keys]
        features = {
            field.name: self._column(columns, field.name, field.source_column)
            for field in self.view.columns
        }
        events = self._column(columns, self.view.event_timestamp, EVENT_TIMESTAMP)
        created = self._created(columns, rows)
        pairs: list[tuple[bytes, bytes]] = []
        for index in range(rows):
            values = {name: column[index] for name, column in features.items()}
            key = self._keys.key([column[index] for column in keys])
            if key is None:
                raise self._null(index, "join key")
            event = self._time(events[index], index)
            if event is None:
                raise self._null(index, "event timestamp")
            known = self._time(created[index], index)
            if now is not None:
                known_utc = None if known is None else to_utc(known)
                refuse_future(self.view.name, to_utc(event), now, created=known_utc)
            row = self._rows.encode(key, values, event, known)
            pairs.append((key, row))
        return pairs

    def _column(self, columns: Columns, *names: str) -> Sequence[Any]:
        for name in names:
            if name in columns:
                return columns[name]
        raise InvalidInput(
            f"column {names[0]!r} is missing for feature view {self.view.name}",
            hint=suggest(names[0], columns),
        )

    def _created(self, columns: Columns, rows: int) -> Sequence[Any]:
        own = [self.view.created_timestamp] if self.view.created_timestamp else []
        for name in (*own, *CREATED_TIMESTAMPS):
            if name in columns:
                return columns[name]
        return [None] * rows

    def _time(self, value: Any, index: int) -> datetime | None:
        if is_null(value):
            return None
        if isinstance(value, datetime):
            return value
        try:
            return from_micros(self._instant.write(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                f"row {index} of feature view {self.view.name}: {shown(value)} is no timestamp: {error}",
                hint="write ISO 8601, such as 2013-01-01T05:00:00Z; without a zone it is UTC",
            ) from None

    def _null(self, index: int, what: str) -> InvalidInput:
        return InvalidInput(
            f"row {index} of feature view {self.view.name} has a null {what}",
            hint="leave such rows out: nobody could look them up",
        )


def row_count(columns: Columns) -> int:
    """Return how many rows ``columns`` have.

    Raises:
        InvalidInput: they are of different lengths; each is named with its own.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidInput(
            f"columns are of different lengths: {listed}", hint="give one value per row in each"
        )
    return next(iter(lengths.values()), 0)
