"""Columns, schemas, and what a new schema can do to the readers of an old one.

Types are words, independent of any engine: see `TYPES`. Nested types are written
``list<T>``, decimals ``decimal(precision,scale)``.
"""

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from provender.core.errors import InvalidInput, NotFound
from provender.core.names import unknown

TYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "string", "binary", "date", "time",
    "timestamp",        # an instant, UTC, microseconds
    "timestamp_ns",     # an instant, UTC, nanoseconds
    "timestamp_local",  # a wall-clock reading without a zone, microseconds
)  # fmt: skip
PARAMETRIC = re.compile(r"(list<.+>|decimal\(\d{1,2},\d{1,2}\)|struct<.*>|map<.+>)\Z")
WIDENS: dict[str, tuple[str, ...]] = {
    "int8": ("int16", "int32", "int64"),
    "int16": ("int32", "int64"),
    "int32": ("int64",),
    "uint8": ("uint16", "uint32", "uint64", "int16", "int32", "int64"),
    "uint16": ("uint32", "uint64", "int32", "int64"),
    "uint32": ("uint64", "int64"),
    "float32": ("float64",),
}
"""Every value of the key type is also a value of these types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, its type word (see `TYPES`), and whether nulls may occur."""

    name: str
    type: str
    nullable: bool = True

    def __post_init__(self) -> None:
        if self.type not in TYPES and not PARAMETRIC.match(self.type):
            raise InvalidInput(
                f"column {self.name!r} has the unknown type {self.type!r}",
                hint=f"types are {', '.join(TYPES)}, list<…>, struct<…>, map<…> and decimal(p,s)",
            )


@dataclass(frozen=True)
class Schema:
    """Columns in their order; names are unique."""

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        occur = Counter(column.name for column in self.columns)
        twice = sorted(name for name, count in occur.items() if count > 1)
        if twice:
            raise InvalidInput(
                f"column names occur twice: {', '.join(twice)}", hint="rename one of each"
            )

    @cached_property
    def _named(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._named)

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            NotFound: there is none; the hint names a near one.
        """
        found = self._named.get(name)
        if found is None:
            error: NotFound = unknown("column", name, self.names)
            raise error
        return found


class Verdict(StrEnum):
    """What a new schema does to the readers of the old one."""

    IDENTICAL = "identical"
    COMPATIBLE = "compatible"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True)
class Compatibility:
    """A verdict with its reasons in words."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
