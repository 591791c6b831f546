"""The columns of an answer: what is stored, and what is given or computed.

A column of stored values makes of its rows what it is asked for: Python values, or JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from provender.core.freshness import Staleness
from provender.online.blocks import PRESENT
from provender.online.plan import Output, Values

NULL_VALUE = "NULL_VALUE"


class Rows(Protocol):
    """The rows of one view as columns: `blocks.Block`, or a `sheet.Page`."""

    @property
    def statuses(self) -> list[str]: ...

    @property
    def event_us(self) -> list[int]: ...

    @property
    def has_nulls(self) -> bool: ...

    def packed(self, index: int) -> Sequence[Any]: ...

    def python(self, index: int) -> list[Any]: ...


R = TypeVar("R", bound=Rows)


class Column(Protocol):
    """Values, their statuses and event timestamps (microseconds since 1970; 0: none)."""

    @property
    def values(self) -> list[Any]: ...

    @property
    def statuses(self) -> list[str]: ...

    @property
    def event_us(self) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Given:
    """An entity column, or a computed one."""

    values: list[Any]
    event_us: list[int]

    @property
    def statuses(self) -> list[str]:
        return column_statuses(self.values, [PRESENT] * len(self.values))


@dataclass(frozen=True, slots=True)
class Stored:
    """One column of a block."""

    block: Rows
    index: int

    @property
    def values(self) -> list[Any]:
        return self.block.python(self.index)

    @property
    def statuses(self) -> list[str]:
        if not self.block.has_nulls:
            return self.block.statuses
        return column_statuses(self.block.packed(self.index), self.block.statuses)

    @property
    def event_us(self) -> list[int]:
        return self.block.event_us


@dataclass(slots=True)
class Answer(Generic[R]):
    """What was read for a lookup, judged: ``given`` entity columns, then ``outputs``.

    ``outputs`` are of ``blocks``, one per read of the plan, or of ``computed``, one per demand;
    ``inputs`` are the blocks that each of those is computed from. ``freshness`` tells of the
    views that say how stale they may be.
    """

    given: tuple[tuple[str, list[Any]], ...]
    outputs: tuple[Output, ...]
    blocks: Sequence[R]
    computed: tuple[Values, ...]
    size: int
    inputs: tuple[tuple[int, ...], ...] = ()
    freshness: Mapping[str, Staleness] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (*(name for name, _ in self.given), *(output.name for output in self.outputs))

    @property
    def types(self) -> tuple[str, ...]:
        """Type words; empty for entity columns."""
        return (*("" for _ in self.given), *(output.type for output in self.outputs))

    def columns(self) -> list[Column]:
        """Return all columns; what has no event timestamps shares one list of zeros."""
        none = [0] * self.size
        entities = [Given(values, none) for _, values in self.given]
        return [*entities, *(self._column(output, none) for output in self.outputs)]

    def oldest_us(self) -> list[list[int]]:
        """Return the event timestamps of all columns; of what is computed, of its oldest input."""
        none = [0] * self.size
        computed = [self._oldest(reads, none) for reads in self.inputs]
        return [
            *(none for _ in self.given),
            *(
                computed[output.demand]
                if output.source is None
                else self.blocks[output.source.read].event_us
                for output in self.outputs
            ),
        ]

    def _oldest(self, reads: tuple[int, ...], none: list[int]) -> list[int]:
        stamps = [self.blocks[read].event_us for read in reads]
        if not stamps:
            return none
        return [min((us for us in found if us), default=0) for found in zip(*stamps, strict=True)]

    def _column(self, output: Output, none: list[int]) -> Column:
        if output.source is None:
            return Given(self.computed[output.demand][output.feature], none)
        return Stored(self.blocks[output.source.read], output.source.column)


def column_statuses(values: Sequence[Any], rows: list[str]) -> list[str]:
    """Return the statuses of one column: its rows', but for the nulls of rows that are there."""
    if None not in values:
        return rows
    return [
        NULL_VALUE if value is None and status is PRESENT else status
        for value, status in zip(values, rows, strict=True)
    ]
