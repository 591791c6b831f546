"""Arrow batches to keys and rows in bulk, for writers only: this module brings pyarrow.

Byte for byte what `online.codec` writes row by row; tests hold the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.names import suggest
from provender.core.serving import ServedView
from provender.online import casts
from provender.online.codec import KeyCodec
from provender.online.frames import Arguments, Framed
from provender.online.kinds import INTEGERS
from provender.online.layout import SIGN
from provender.online.packer import RowPacker, Times, checksums
from provender.online.secrets import HASHED

__all__ = ["Arguments", "BatchEncoder", "Encoded", "Framed", "Materialised"]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch's keys and rows; ``skipped`` had a null join key or event timestamp."""

    keys: list[bytes]
    rows: list[bytes]
    skipped: int


@dataclass(frozen=True, slots=True)
class Materialised:
    """What became of all rows: written, kept back by a newer stored row, or skipped for nulls."""

    read: int = 0
    written: int = 0
    kept: int = 0
    skipped: int = 0


class BatchEncoder:
    """Encodes Arrow batches for one view of one project, compiled once.

    Columns go by the names of features and join keys, else by those of their source columns.
    """

    def __init__(
        self,
        project: str,
        view: ServedView,
        *,
        event_timestamp: str | None = None,
        created_timestamp: str | None = None,
    ) -> None:
        self.project = project
        self.view = view
        self._keys = KeyCodec(project, view)
        self._rows = RowPacker(view)
        self._event = event_timestamp or view.event_timestamp
        self._created = created_timestamp or view.created_timestamp

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Return the keys and rows of ``batch``.

        Raises:
            InvalidInput: a column is missing, or a value does not fit the declared type.
        """
        framed = self.frame(batch)
        return Encoded(framed.keys.to_pylist(), framed.rows.to_pylist(), framed.skipped)

    def frame(self, batch: pa.RecordBatch) -> Framed:
        """Return the keys and rows of ``batch`` as Arrow arrays: no Python object per row.

        Rows without a join key or event timestamp are left out. Join keys other than text and
        whole numbers, and lists, decimals and structs, are written one by one.

        Raises:
            InvalidInput: a column is missing, or a value does not fit the declared type.
        """
        whole = batch.num_rows
        batch = self._without_nulls(batch)
        keys = self._packed_keys(batch)
        columns = [self._column(batch, field) for field in self.view.columns]
        marks = checksums(keys, self._keys.prefix)
        rows = self._rows.pack(columns, self._times(batch), marks)
        return Framed(keys, rows, whole - batch.num_rows)

    def _without_nulls(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        needed = [self._column(batch, field) for field in self.view.join_keys]
        needed.append(_named(batch, self.view, self._event))
        if not any(column.null_count for column in needed):
            return batch
        valid = pc.is_valid(needed[0])
        for column in needed[1:]:
            valid = pc.and_(valid, pc.is_valid(column))
        return batch.filter(valid)

    def _column(self, batch: pa.RecordBatch, field: FieldSpec) -> pa.Array:
        return _named(batch, self.view, field.name, field.source_column)

    def _packed_keys(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the keys: text and whole numbers in bulk, other types one by one."""
        fields = self.view.join_keys
        columns = [self._column(batch, field) for field in fields]
        if not fields or any(f.type != "string" and f.type not in INTEGERS for f in fields):
            values = [column.to_pylist() for column in columns]
            return pa.array(self._keys.keys(values, batch.num_rows), pa.large_binary())
        hashed = self.view.entity_ids == HASHED
        parts: list[Any] = [] if hashed else [self._keys.prefix]
        for index, (field, column) in enumerate(zip(fields, columns, strict=True)):
            parts += [b","] if index else []
            parts += self._key_part(field, column)
        joined = casts.join(*parts, b"}")
        if not hashed:
            return joined
        return pa.array(self._keys.after_prefix(joined.to_pylist()), pa.large_binary())

    def _key_part(self, field: FieldSpec, column: pa.Array) -> list[Any]:
        if field.type == "string":
            text = casts.cast(casts.text(column), pa.large_binary(), field, self.view)
            length = pc.cast(pc.cast(pc.binary_length(text), pa.large_string()), pa.large_binary())
            return [b"s", length, b":", text]
        number = casts.cast(column, casts.ARROW_TYPES[field.type], field, self.view)
        return [pc.cast(pc.cast(number, pa.large_string()), pa.large_binary())]

    def _times(self, batch: pa.RecordBatch) -> Times:
        event = _ordered(casts.instants(_named(batch, self.view, self._event), self._event))
        if not self._created or self._created not in batch.schema.names:
            return Times(event, event, np.zeros(batch.num_rows, bool))
        column = batch.column(self._created)
        created = _ordered(casts.instants(column, self._created))
        return Times(event, created, column.is_valid().to_numpy(zero_copy_only=False))


def _named(batch: pa.RecordBatch, view: ServedView, *names: str) -> pa.Array:
    for name in names:
        if name in batch.schema.names:
            return batch.column(name)
    raise InvalidInput(
        f"column {names[0]!r} is missing for feature view {view.name}",
        hint=suggest(names[0], batch.schema.names),
    )


def _ordered(numbers: Any) -> Any:
    """Return signed microseconds as the unsigned numbers that compare in the same order."""
    return numbers.astype(np.int64).view(np.uint64) ^ np.uint64(SIGN)
