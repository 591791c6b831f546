"""What the rows of a version are like, column by column: counted once, when it is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """``column`` is ``slope`` × ``of`` + ``intercept``, in each of ``rows``."""

    column: str
    of: str
    slope: float
    intercept: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column. ``exact``: the counts are, else they are estimates; None: not looked at.

    ``edges`` are the n + 1 borders of the n bins that ``counts`` are of. ``lowest`` and
    ``highest`` are written as text, so that instants and decimals keep what they are.
    """

    column: str
    count: int
    nulls: int
    distinct: int | None = None
    duplicates: int | None = None
    exact: bool = False
    lowest: str | None = None
    highest: str | None = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    frequent: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole version."""

    row_count: int
    columns: tuple[ColumnProfile, ...]
    relations: tuple[Relation, ...] = ()
