"""What a lookup in process found, in the form that is asked for; each is made when it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from provender.core.freshness import Staleness
from provender.online.answer import Answer as Judged
from provender.online.answer import Stored
from provender.online.blocks import PRESENT
from provender.online.kinds import from_micros, micros
from provender.tables.arrow import arrow_type

if TYPE_CHECKING:
    import pandas as pd

SECOND_US = 1_000_000
INSTANTS = ("timestamp", "timestamp_ns", "timestamp_local")
FLOATS = ("float32", "float64")


class Array(NamedTuple):
    """A column for numpy; what is not ``valid`` has a value that means nothing (NaN, 0, None)."""

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


class Answer:
    """Features of entities as of one instant: the columns asked for, after the keys as given."""

    def __init__(self, found: Judged, now_us: int, incomplete: tuple[str, ...] = ()) -> None:
        self.incomplete = incomplete
        """The views whose rows may not be all there, since the store was emptied."""
        self._found = found
        self._now_us = now_us
        self._columns = found.columns()

    def __len__(self) -> int:
        return self._found.size

    def __repr__(self) -> str:
        return f"Answer({len(self)} x {', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, keys first."""
        return self._found.names

    @cached_property
    def statuses(self) -> dict[str, list[str]]:
        """Per column: PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE for each entity."""
        return {n: c.statuses for n, c in zip(self.names, self._columns, strict=True)}

    @cached_property
    def event_timestamps(self) -> dict[str, list[datetime | None]]:
        """Per column, the event timestamps; None for what has none."""
        return {
            name: [from_micros(us) if us else None for us in column.event_us]
            for name, column in zip(self.names, self._columns, strict=True)
        }

    @cached_property
    def ages(self) -> dict[str, list[float | None]]:
        """Per feature, its age in seconds at the time of asking; None for what has no row.

        Of what is computed, the age of its oldest input.
        """
        shared: dict[int, list[float | None]] = {}
        ages: dict[str, list[float | None]] = {}
        for name, kind, oldest in zip(
            self.names, self._found.types, self._found.oldest_us(), strict=True
        ):
            if kind:
                if id(oldest) not in shared:
                    shared[id(oldest)] = [
                        (self._now_us - us) / SECOND_US if us else None for us in oldest
                    ]
                ages[name] = shared[id(oldest)]
        return ages

    @property
    def freshness(self) -> Mapping[str, Staleness]:
        """How stale the rows are of each feature view that says how stale they may be."""
        return self._found.freshness

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the values by name; None where there is none."""
        return {n: list(c.values) for n, c in zip(self.names, self._columns, strict=True)}

    def dicts(self) -> list[dict[str, Any]]:
        """Return a dict of values per entity."""
        columns = [column.values for column in self._columns]
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def numpy(self) -> dict[str, Array]:
        """Return the columns as arrays, with what of them is there.

        Numbers are of their own type, instants and dates datetime64, all else is Python objects.
        """
        arrays: dict[str, Array] = {}
        for name, kind, column in zip(self.names, self._found.types, self._columns, strict=True):
            if isinstance(column, Stored):
                arrays[name] = Array(*column.block.numpy(column.index))
            else:
                valid = np.array([status is PRESENT for status in column.statuses], dtype=np.bool_)
                arrays[name] = Array(_array(kind, column.values), valid)
        return arrays

    def arrow(self) -> pa.Table:
        """Return the columns as an Arrow table; features are of their declared types."""
        return pa.table(
            [
                pa.array(column.values, type=arrow_type(kind) if kind else None)
                for kind, column in zip(self._found.types, self._columns, strict=True)
            ],
            names=list(self.names),
        )

    def pandas(self) -> "pd.DataFrame":
        """Return the columns as a pandas frame; numbers stay exact where some are missing."""
        import pandas as pd

        exact = {
            pa.bool_(): pd.BooleanDtype(),
            pa.int8(): pd.Int8Dtype(),
            pa.int16(): pd.Int16Dtype(),
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.uint8(): pd.UInt8Dtype(),
            pa.uint16(): pd.UInt16Dtype(),
            pa.uint32(): pd.UInt32Dtype(),
            pa.uint64(): pd.UInt64Dtype(),
        }
        return self.arrow().to_pandas(types_mapper=exact.get)


def _array(kind: str, values: Sequence[Any]) -> npt.NDArray[Any]:
    if kind in FLOATS:
        return np.array(values, dtype=kind)
    if kind == "bool" or kind.removeprefix("u").startswith("int"):
        filled = [0 if value is None else value for value in values] if None in values else values
        return np.array(filled, dtype=kind)
    if kind in INSTANTS:
        stamps = np.array([0 if v is None else micros(v) for v in values], dtype="datetime64[us]")
        stamps[[v is None for v in values]] = np.datetime64("NaT")
        return stamps
    if kind == "date":
        return np.array(values, dtype="datetime64[D]")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
