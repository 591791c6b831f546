"""The columns of an answer: what is stored, and what is given or computed.

A column of stored values makes of its rows what it is asked for: Python values, or JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from provender.online.blocks import PRESENT, Block
from provender.online.plan import Output, Values

NULL_VALUE = "NULL_VALUE"


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

    block: Block
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
class Answer:
    """What was read for a lookup, judged: ``given`` entity columns, then ``outputs``.

    ``outputs`` are of ``blocks``, one per read of the plan, or of ``computed``, one per demand.
    """

    given: tuple[tuple[str, list[Any]], ...]
    outputs: tuple[Output, ...]
    blocks: tuple[Block, ...]
    computed: tuple[Values, ...]
    size: int

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
