"""What a lookup in process found, in the form that is asked for; each is made when it is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from provender.core.freshness import Staleness
from provender.online.answer import Answer as Judged
from provender.online.answer import Column
from provender.online.folio import Folios
from provender.online.kinds import from_micros, micros
from provender.online.sheet import Page, Sheet
from provender.tables.features import feature_array

if TYPE_CHECKING:
    import pandas as pd

SECOND_US = 1_000_000
INSTANTS = ("timestamp", "timestamp_ns", "timestamp_local")
FLOATS = ("float32", "float64")


class Array(NamedTuple):
    """A column for numpy; what is not ``valid`` has a value that means nothing (NaN, 0, None)."""

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


class Arrays(Mapping[str, Array]):
    """The columns of an answer as arrays, by name; each is made when it is asked for."""

    def __init__(self, answer: "Answer") -> None:
        self._answer = answer
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            self._made[name] = self._answer.array(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answer.names)

    def __len__(self) -> int:
        return len(self._answer.names)

    def __repr__(self) -> str:
        return f"Arrays({', '.join(self)})"


class Answer:
    """Features of entities as of one instant: the columns asked for, after the keys as given."""

    def __init__(
        self,
        found: Judged[Page],
        folios: Folios,
        sheets: Sequence[Sheet],
        now_us: int,
        incomplete: tuple[str, ...] = (),
    ) -> None:
        self.incomplete = incomplete
        """The views whose rows may not be all there, since the store was emptied."""
        self._found = found
        self._folios = folios
        self._sheets = sheets
        self._now_us = now_us

    @cached_property
    def _columns(self) -> list[Column]:
        return self._found.columns()

    def __len__(self) -> int:
        return self._found.size

    def __repr__(self) -> str:
        return f"Answer({len(self)} x {', '.join(self.names)})"

    @cached_property
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

    def numpy(self) -> Arrays:
        """Return the columns as arrays by name, with what of them is there.

        Numbers are of their own type, instants and dates datetime64, all else is Python objects.
        What is asked for is made when it is asked for, and numbers only looked at, not copied:
        do not change them.
        """
        return Arrays(self)

    def array(self, name: str) -> Array:
        """Return one column as an array, with what of it is there.

        Raises:
            KeyError: there is no such column.
        """
        output = self._folios.outputs.get(name)
        if output is None:
            values = dict(self._found.given)[name]
            return Array(_array("", values), _there(values))
        if output.source is not None:
            return Array(*self._found.blocks[output.source.read].numpy(output.source.column))
        values = self._found.computed[output.demand][output.feature]
        return Array(_array(output.type, values), _there(values))

    def matrix(
        self, names: Sequence[str] | None = None, *, dtype: npt.DTypeLike = np.float64
    ) -> npt.NDArray[Any]:
        """Return features as a table of entities by features, as models take them.

        ``names`` are the features, in their order; else all that are numbers or truth values,
        in the order asked for, which `numbers` tells. What is not there is NaN; with a ``dtype``
        that has none, 0. A float32 has 24 bits for a number, a float64 53.

        Raises:
            InvalidInput: a name is none of a feature with numbers or truth values.
        """
        chosen = self._folios.numbers.chosen(names)
        table = np.full((len(self), chosen.width), 0, dtype)
        absent = np.nan if table.dtype.kind == "f" else 0
        sheets = self._sheets
        for run in chosen.runs:
            values, valid = sheets[run.sheet].array(run.column)
            some = values[:, run.views]
            table[:, run.places] = (
                some if valid.all() else np.where(valid[:, run.views], some, absent)
            )
        for place, output in chosen.computed:
            values, valid = self.array(output.name)
            table[:, place] = np.where(valid, values, absent)
        return table

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of the features that are numbers or truth values."""
        return self._folios.numbers.names

    def arrow(self) -> pa.Table:
        """Return the columns as an Arrow table; features are of their declared types."""
        return pa.table(
            [
                feature_array(column.values, kind) if kind else pa.array(column.values)
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


def _there(values: Sequence[Any]) -> npt.NDArray[np.bool_]:
    return np.array([value is not None for value in values], dtype=np.bool_)


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
