"""Row filters: which rows of a dataset somebody gets, and what that means of one row.

What is compared to null is neither true nor false, as in SQL; a row is shown where the filter is
true. Engines render the tree, and are held to `Filter.holds`. Pure.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from provender.core.filtertext import (
    Among,
    And,
    Attribute,
    Compare,
    IsNull,
    Not,
    Or,
    Tree,
    Value,
    parse,
    write,
    written,
)
from provender.core.names import suggest
from provender.core.schema import Schema

MEANS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Filter:
    """A row filter, kept as it is written: filters that read as equal trees are equal.

    Raises:
        InvalidInput: the text is not one.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", write(parse(self.text)))

    def __str__(self) -> str:
        return self.text

    @property
    def tree(self) -> Tree:
        return parse(self.text)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the filter reads."""
        return frozenset(leaf.column for leaf in _leaves(self.tree))

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes of who asks that the filter needs."""
        return frozenset(v.name for _, v in _compared(self.tree) if isinstance(v, Attribute))

    def bound(self, attributes: Mapping[str, str]) -> "Filter":
        """Return the filter with ``attributes`` in place of their names.

        Raises:
            KeyError: one that it needs is not among them.
        """
        return Filter(write(_bound(self.tree, attributes))) if self.attributes else self

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Return whether ``row`` is shown; the filter is bound."""
        return _truth(self.tree, row) is True

    def problems(self, schema: Schema) -> list[str]:
        """Return in words what does not fit ``schema``: unknown columns, values of another type."""
        unknown = [
            f"there is no column {name!r} ({suggest(name, schema.names)})"
            for name in sorted(self.columns - set(schema.names))
        ]
        return unknown + [
            f"{column} is {type_}, and cannot be compared to {written(value)}"
            for column, value in _compared(self.tree)
            if column in schema and not _comparable(type_ := schema.column(column).type, value)
        ]


def all_of(filters: Collection[Filter]) -> Filter:
    """Return the filter that holds where each of ``filters`` does, of which there is at least one."""
    trees = [one.tree for one in sorted(set(filters))]
    return Filter(write(And(tuple(trees)) if trees[1:] else trees[0]))


def _leaves(tree: Tree) -> Iterator[Compare | Among | IsNull]:
    match tree:
        case Not(part):
            yield from _leaves(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _leaves(part)
        case _:
            yield tree


def _compared(tree: Tree) -> Iterator[tuple[str, Value]]:
    """Every column with each value that it is compared to."""
    for leaf in _leaves(tree):
        match leaf:
            case Compare(column, _, value):
                yield column, value
            case Among(column, values):
                yield from ((column, value) for value in values)


def _bound(tree: Tree, attributes: Mapping[str, str]) -> Tree:
    def of(value: Value) -> Value:
        return attributes[value.name] if isinstance(value, Attribute) else value

    match tree:
        case Compare(column, operator, value):
            return Compare(column, operator, of(value))
        case Among(column, values):
            return Among(column, tuple(map(of, values)))
        case Not(part):
            return Not(_bound(part, attributes))
        case And(parts):
            return And(tuple(_bound(part, attributes) for part in parts))
        case Or(parts):
            return Or(tuple(_bound(part, attributes) for part in parts))
    return tree


def _truth(tree: Tree, row: Mapping[str, Any]) -> bool | None:
    """True, false, or None where it is unknown for a null."""
    match tree:
        case IsNull(column):
            return row[column] is None
        case Compare(column, operator, value):
            return None if row[column] is None else MEANS[operator](row[column], value)
        case Among(column, values):
            return None if row[column] is None else row[column] in values
        case Not(part):
            inner = _truth(part, row)
            return None if inner is None else not inner
        case And(parts):
            return _decided({_truth(part, row) for part in parts}, by=False)
        case Or(parts):
            return _decided({_truth(part, row) for part in parts}, by=True)


def _decided(truths: Collection[bool | None], *, by: bool) -> bool | None:
    if by in truths:
        return by
    return None if None in truths else not by


COMPARED: tuple[tuple[type, tuple[str, ...]], ...] = (
    (bool, ("bool",)),
    (int, ("int", "uint", "float", "decimal")),
    (float, ("float", "decimal")),
    (str, ("string",)),
    (Attribute, ("string",)),
    (datetime, ("timestamp",)),
    (date, ("date",)),
)
"""How the types begin that a value may be compared to; the first that it is counts."""


def _comparable(type_: str, value: Value) -> bool:
    begins = next(begins for kind, begins in COMPARED if isinstance(value, kind))
    return type_.startswith(begins) and type_ != "timestamp_local"
