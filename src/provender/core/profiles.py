"""What the rows of a version are like, column by column: counted once, when it is published."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99)
"""The shares of the rows that a profile's quantiles are above."""
TENTHS = tuple(share for share in QUANTILES if round(share * 100) % 10 == 0)
LEAST_SHARE = 1e-4
"""What an empty bin is taken to hold: the logarithm has no value at nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """``column`` is ``slope`` × ``of`` + ``intercept``, in each of ``rows``."""

    column: str
    of: str
    slope: float
    intercept: float
    rows: int

    def __str__(self) -> str:
        slope = "" if self.slope == 1 else f"{self.slope:.6g} × "
        above = f" {'+' if self.intercept > 0 else '−'} {abs(self.intercept):.6g}"
        return f"{self.column} = {slope}{self.of}{above if self.intercept else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCount:
    """How many rows have the values of an earlier row in ``columns``; rows with a null do not count."""

    columns: tuple[str, ...]
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that was asked for under ``name``: how many rows are so."""

    name: str
    value: int

    @property
    def column(self) -> str:
        """The column that it is of, as `core.contracts` names it; empty where the name does not say."""
        return self.name.partition(":")[2].rpartition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column. ``exact``: ``distinct`` is, else an estimate; None: not looked at.

    ``count`` is of rows, those with a null too. ``edges`` are the n + 1 borders of the n bins
    that ``counts`` are of; the outer two bins may be much wider than the others. ``quantiles``
    are estimates, of the shares `QUANTILES`. Of numbers that are not finite nothing but the
    count is told. Instants are seconds since 1970, times seconds since midnight. ``lowest`` and
    ``highest`` are written as text, so that instants and decimals keep what they are.
    ``frequent`` are the commonest values, without those that few rows have.
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

    @property
    def filled(self) -> int:
        """How many rows have a value."""
        return self.count - self.nulls

    @property
    def median(self) -> float | None:
        return self.quantiles[QUANTILES.index(0.5)] if self.quantiles else None

    @property
    def null_share(self) -> float:
        return self.nulls / self.count if self.count else 0.0

    @property
    def without_values(self) -> "ColumnProfile":
        """The counts, and nothing that a value can be read from."""
        return ColumnProfile(
            column=self.column,
            count=self.count,
            nulls=self.nulls,
            distinct=self.distinct,
            duplicates=self.duplicates,
            exact=self.exact,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole version."""

    row_count: int
    columns: tuple[ColumnProfile, ...]
    relations: tuple[Relation, ...] = ()
    keys: tuple[KeyCount, ...] = ()
    measures: tuple[Measure, ...] = ()

    def __repr__(self) -> str:
        """Return what it is of, and no value of the data."""
        return f"Profile({self.row_count:,} rows x {', '.join(one.column for one in self.columns)})"

    def column(self, name: str) -> ColumnProfile | None:
        """Return the profile of a column; None where there is none."""
        return next((column for column in self.columns if column.column == name), None)

    def told(self, names: Collection[str]) -> "Profile":
        """Return what is told to who may know the values of the columns ``names``, and of no other.

        Of others no counts either: they tell of rows that a filter hides, and how many values a
        mask hides. What a contract has counted is values: by a pattern a letter more each time,
        they are spelled.
        """
        is_whole = all(column.column in names for column in self.columns)
        return replace(
            self,
            columns=tuple(column for column in self.columns if column.column in names),
            relations=tuple(r for r in self.relations if r.column in names and r.of in names),
            keys=tuple(key for key in self.keys if all(name in names for name in key.columns)),
            measures=tuple(one for one in self.measures if is_whole or one.column in names),
        )

    def closed(self, protected: Collection[str]) -> "Profile":
        """Return the profile without values of the ``protected`` columns: what of it is kept."""
        return replace(
            self,
            columns=tuple(
                column.without_values if column.column in protected else column
                for column in self.columns
            ),
            relations=tuple(
                relation
                for relation in self.relations
                if relation.column not in protected and relation.of not in protected
            ),
        )


def distance(old: ColumnProfile, new: ColumnProfile) -> float | None:
    """Return the population stability index of the values of ``new`` against those of ``old``.

    In nats, ≥ 0; 0 when they lie alike. Few values are compared one by one, numbers over the
    tenths of ``old``, other values over those that both list. Nulls are left out. None where one
    of them tells nothing.

    Source: PSI = Σ (a − e)·ln(a / e) over the shares of the bins, empty ones taken as 0.0001.
    """
    if not old.filled or not new.filled:
        return None
    before, after = _counted(old), _counted(new)
    if before is not None and after is not None:
        return _stability(*_over(sorted({*before, *after}), before, after, old, new))
    if old.quantiles and new.quantiles:
        borders = sorted({old.quantiles[QUANTILES.index(share)] for share in TENTHS})
        return _stability(_between(old, borders), _between(new, borders))
    if old.frequent and new.frequent:
        return _stability(*_over_listed(old, new))
    return None


def _stability(expected: Iterable[float], actual: Iterable[float]) -> float:
    total = 0.0
    for was, now in zip(expected, actual, strict=True):
        e, a = max(was, LEAST_SHARE), max(now, LEAST_SHARE)
        total += (a - e) * math.log(a / e)
    return total


def _counted(profile: ColumnProfile) -> dict[str, int] | None:
    """Every value with its rows, where the profile tells: by its list, or by bins of one number."""
    if profile.exact and profile.distinct == len(profile.frequent):
        return dict(profile.frequent)
    borders = profile.edges
    if borders and borders[0] % 1 == 0.5 and borders[-1] - borders[0] == len(borders) - 1:
        numbers = zip(borders, profile.counts, strict=False)
        return {str(int(border + 0.5)): count for border, count in numbers if count}
    return None


def _over_listed(old: ColumnProfile, new: ColumnProfile) -> tuple[list[float], list[float]]:
    """The shares of the values that both list, and of the rest."""
    before, after = dict(old.frequent), dict(new.frequent)
    return _over(sorted(before.keys() & after.keys()), before, after, old, new)


def _over(
    values: Sequence[str],
    before: Mapping[str, int],
    after: Mapping[str, int],
    old: ColumnProfile,
    new: ColumnProfile,
) -> tuple[list[float], list[float]]:
    expected = [before.get(value, 0) / old.filled for value in values]
    actual = [after.get(value, 0) / new.filled for value in values]
    return [*expected, 1 - sum(expected)], [*actual, 1 - sum(actual)]


def _between(profile: ColumnProfile, borders: Sequence[float]) -> Iterator[float]:
    """The shares of the values below, at and above each border: many may be at one."""
    points, shares = _curve(profile)
    before = 0.0
    for border in borders:
        below, upto = _share(points, shares, border)
        yield below - before
        yield upto - below
        before = upto
    yield 1.0 - before


def _curve(profile: ColumnProfile) -> tuple[list[float], list[float]]:
    """Points, and the shares of the values up to them, from the least value to the greatest."""
    points, shares = list(profile.quantiles), list(QUANTILES)
    if profile.edges:
        points = [min(profile.edges[0], points[0]), *points, max(profile.edges[-1], points[-1])]
        shares = [0.0, *shares, 1.0]
    return points, shares


def _share(points: list[float], shares: list[float], border: float) -> tuple[float, float]:
    """The shares of the values less than ``border``, and of those not greater."""
    first, last = bisect_left(points, border), bisect_right(points, border)
    if first != last:
        return shares[first], shares[last - 1]
    if first == 0:
        return 0.0, 0.0
    if first == len(points):
        return 1.0, 1.0
    part = (border - points[first - 1]) / (points[first] - points[first - 1])
    share = shares[first - 1] + part * (shares[first] - shares[first - 1])
    return share, share
