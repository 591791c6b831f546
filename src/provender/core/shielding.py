"""What a permit leaves of a table: which rows there are, and what becomes of their values.

It is part of a plan before SQL exists. Rows are left out of the source, before any row is chosen;
which of rows is the newest is told by the values as they are, and what comes out is masked. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from provender.core.effects import Mask, MaskKind
from provender.core.errors import Denied
from provender.core.filters import Filter
from provender.core.policy import ColumnRef, Permit
from provender.core.schema import Schema


@dataclass(frozen=True, slots=True)
class Shield:
    """Of one table: the masks of columns, by name, and the filter that its rows pass."""

    masks: tuple[tuple[str, Mask], ...] = ()
    rows: Filter | None = None

    def mask(self, column: str) -> Mask | None:
        """Return the mask of ``column``; None if it comes as it is."""
        return dict(self.masks).get(column)

    def among(self, columns: Iterable[str]) -> dict[str, Mask]:
        """Return the masks of ``columns``."""
        masks = dict(self.masks)
        return {name: masks[name] for name in columns if name in masks}

    @property
    def identity(self) -> list[str]:
        """What makes it another question, in words; nothing where all is left."""
        masks = [f"{column}: {mask}" for column, mask in self.masks]
        return [*masks, *([f"rows: {self.rows}"] if self.rows else [])]


WHOLE = Shield()
"""What leaves all."""


def shield_of(permit: Permit, dataset: str, schema: Schema) -> Shield:
    """Return what ``permit`` leaves of the rows of ``dataset``, whose columns are ``schema``.

    A mask that does not fit its column leaves nothing of it.

    Raises:
        Denied: the filter cannot be asked of these rows, or is not bound to the actor.
    """
    masks = {column.column: mask for column, mask in permit.masks if column.dataset == dataset}
    rows = dict(permit.filters).get(dataset)
    if rows is not None:
        _check(permit, dataset, rows, schema)
    return Shield(
        tuple(
            (name, _fitting(name, mask, schema))
            for name, mask in sorted(masks.items())
            if name in schema
        ),
        rows,
    )


def refuse_computed(permit: Permit, columns: Iterable[ColumnRef]) -> None:
    """Return if none of ``columns``, which come out, is for computing only.

    Raises:
        Denied: one is.
    """
    closed = sorted(permit.computes & set(columns))
    if closed:
        raise Denied(
            f"{permit.actor} may compute with {', '.join(map(str, closed))}, and not have the values",
            hint="ask for a feature that is computed from them, or ask a steward for a grant",
        )


def refuse_masked(permit: Permit, columns: Iterable[ColumnRef]) -> None:
    """Return if none of ``columns``, whose values as they are tell which row is found, is masked.

    Raises:
        Denied: one is. Who may choose what it is compared with would undo the mask.
    """
    masks = dict(permit.masks)
    hidden = sorted(masks.keys() & set(columns))
    if hidden:
        told = ", ".join(f"{column} (masked: {masks[column]})" for column in hidden)
        raise Denied(
            f"{permit.actor} may not have rows found by {told}: that would tell the values",
            hint="ask a steward for a grant that names the column, if only for computing",
        )


def _check(permit: Permit, dataset: str, rows: Filter, schema: Schema) -> None:
    problems = [f"actor.{name} is not known" for name in sorted(rows.attributes)]
    problems += rows.problems(schema)
    if problems:
        raise Denied(
            f"{permit.actor} gets only rows of {dataset} with {rows}, which cannot be told: "
            + "; ".join(problems),
            hint="read a version that has these columns, or ask who governs to change the rule",
        )


def _fitting(name: str, mask: Mask, schema: Schema) -> Mask:
    return Mask(kind=MaskKind.NULL) if mask.unfit(schema.column(name)) else mask
