"""What is different between two versions of a dataset: found in their profiles, said in words.

Pure: it reads two versions and what was measured of them, never their rows. Findings are ranked
by what they may break: how much a reader must mind them, from 0 to 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from provender.core.compatibility import compare
from provender.core.datasets import DatasetVersion, EventRange
from provender.core.names import DatasetRef
from provender.core.profiles import ColumnProfile, Profile, Relation, distance
from provender.core.schema import Compatibility
from provender.core.wording import rounded

MOVED = 0.1
"""Distances from here on are told; the usual reading is: from 0.1 a shift, from 0.25 a large one."""
LARGE = 0.25
LEAST_FILLED = 100
"""Fewer values lie otherwise each time."""
NULLS_MOVED = 0.01
"""A share of nulls that changed by less is not told, unless there were none before."""
ROWS_MOVED = 0.5
"""Versions with so many more rows, in proportion, or fewer, are said to be of another size."""


INSTANTS = frozenset({"date", "timestamp", "timestamp_local", "timestamp_ns"})
"""Of these types other values are what newer versions are for."""


class FindingKind(StrEnum):
    """What was found."""

    RELATION = "relation"
    COLUMN_GONE = "column-gone"
    TYPE = "type"
    NULLS = "nulls"
    DISTRIBUTION = "distribution"
    COLUMN_NEW = "column-new"
    RELATION_GONE = "relation-gone"
    DUPLICATES = "duplicates"
    ROWS = "rows"
    RANGE = "range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. ``weight`` says how much a reader must mind it; an empty ``column``: the whole."""

    kind: FindingKind
    says: str
    weight: float
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDifference:
    """One column in both versions; a type is empty, a profile None, where it is not there.

    ``distance`` is that of its values, None where nothing can be said: of instants, of few values.
    """

    column: str
    was: str
    now: str
    before: ColumnProfile | None = None
    after: ColumnProfile | None = None
    distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two versions beside each other. ``findings`` come with the weightiest first."""

    old: DatasetRef
    new: DatasetRef
    compatibility: Compatibility
    rows: tuple[int, int]
    ranges: tuple[EventRange | None, EventRange | None]
    columns: tuple[ColumnDifference, ...]
    findings: tuple[Finding, ...]
    is_profiled: bool

    def __repr__(self) -> str:
        """Return what it is of, and no value of the data."""
        rows = " → ".join(f"{count:,}" for count in self.rows)
        return f"Difference({self.old} → {self.new}, {rows} rows, {len(self.findings)} findings)"


def diff(
    old: DatasetVersion,
    new: DatasetVersion,
    *,
    before: Profile | None = None,
    after: Profile | None = None,
) -> Difference:
    """Return what is different in ``new``; ``before`` and ``after`` are the profiles of both.

    Without one of the profiles nothing is said about values. Columns come in the order of
    ``new``, then those that are gone.
    """
    is_profiled = before is not None and after is not None
    columns = tuple(_columns(old, new, before, after))
    found = [*_of_schema(columns), *_of_size(old, new)]
    if before is not None and after is not None:
        found += [*_of_relations(before, after), *_of_values(columns), *_of_keys(before, after)]
    return Difference(
        old=old.ref,
        new=new.ref,
        compatibility=compare(old.manifest.schema, new.manifest.schema),
        rows=(old.manifest.row_count, new.manifest.row_count),
        ranges=(old.manifest.event_range, new.manifest.event_range),
        columns=columns,
        findings=tuple(sorted(found, key=lambda one: (-one.weight, one.kind, one.column))),
        is_profiled=is_profiled,
    )


def _columns(
    old: DatasetVersion, new: DatasetVersion, before: Profile | None, after: Profile | None
) -> Iterator[ColumnDifference]:
    was = {column.name: column.type for column in old.manifest.schema.columns}
    now = {column.name: column.type for column in new.manifest.schema.columns}
    for name in {**now, **was}:
        first = before.column(name) if before else None
        second = after.column(name) if after else None
        yield ColumnDifference(
            column=name,
            was=was.get(name, ""),
            now=now.get(name, ""),
            before=first,
            after=second,
            distance=_distance(now.get(name, ""), first, second),
        )


def _distance(kind: str, before: ColumnProfile | None, after: ColumnProfile | None) -> float | None:
    """How far values moved; None for instants, which newer versions are to move, and for a few."""
    if before is None or after is None or kind in INSTANTS:
        return None
    is_enough = min(before.filled, after.filled) >= LEAST_FILLED
    return distance(before, after) if is_enough else None


def _of_schema(columns: tuple[ColumnDifference, ...]) -> Iterator[Finding]:
    for one in columns:
        name = one.column
        if not one.now:
            says, kind, weight = f"{name} is gone; it was {one.was}", FindingKind.COLUMN_GONE, 0.95
        elif not one.was:
            says, kind, weight = f"{name} is new: {one.now}", FindingKind.COLUMN_NEW, 0.3
        elif one.was != one.now:
            says, kind, weight = f"{name} was {one.was} and is {one.now}", FindingKind.TYPE, 0.8
        else:
            continue
        yield Finding(kind=kind, column=name, says=says, weight=weight)


def _of_relations(before: Profile, after: Profile) -> Iterator[Finding]:
    """A column that another one gives says nothing of its own: it may be an error in making it."""
    was = {(one.column, one.of): one for one in before.relations}
    now = {(one.column, one.of): one for one in after.relations}
    for pair, relation in now.items():
        if pair not in was:
            says = f"{relation} in every one of {relation.rows:,} rows; it was not so before"
            yield Finding(kind=FindingKind.RELATION, column=relation.column, says=says, weight=0.9)
        elif not _is_alike(was[pair], relation):
            says = f"{relation} in every row; it was {was[pair]}"
            yield Finding(kind=FindingKind.RELATION, column=relation.column, says=says, weight=0.85)
    for pair, relation in was.items():
        there = after.column(relation.column) is not None and after.column(relation.of) is not None
        if pair not in now and there:
            says = f"{relation} does not hold any more"
            yield Finding(
                kind=FindingKind.RELATION_GONE, column=relation.column, says=says, weight=0.4
            )


def _of_values(columns: tuple[ColumnDifference, ...]) -> Iterator[Finding]:
    for one in columns:
        if one.before is None or one.after is None or not one.before.count or not one.after.count:
            continue
        yield from _of_nulls(one.column, one.before.null_share, one.after.null_share)
        moved = one.distance or 0.0
        if moved >= MOVED:
            yield Finding(
                kind=FindingKind.DISTRIBUTION,
                column=one.column,
                says=f"the values of {one.column} {_how_far(moved)}{_middle(one)}",
                weight=min(0.7, 0.3 + 0.2 * moved),
            )


def _of_nulls(column: str, was: float, now: float) -> Iterator[Finding]:
    if was == now or (abs(now - was) < NULLS_MOVED and was and now):
        return
    if was and now:
        says = f"{_percent(now)} of {column} is null; it was {_percent(was)}"
    elif now:
        says = f"{column} has nulls now, {_percent(now)} of it; it had none"
    else:
        says = f"{column} has no nulls any more; {_percent(was)} of it was null"
    moved = abs(now - was)
    yield Finding(
        kind=FindingKind.NULLS,
        column=column,
        says=says,
        weight=min(0.78, 0.25 + moved + (0.15 if now and not was else 0.0)),
    )


def _of_keys(before: Profile, after: Profile) -> Iterator[Finding]:
    was = {key.columns: key.duplicates for key in before.keys}
    for key in after.keys:
        if key.duplicates and was.get(key.columns) == 0:
            names = ", ".join(key.columns)
            yield Finding(
                kind=FindingKind.DUPLICATES,
                column=key.columns[0] if len(key.columns) == 1 else "",
                says=f"{key.duplicates:,} rows repeat the {names} of another; none did",
                weight=0.88,
            )


def _of_size(old: DatasetVersion, new: DatasetVersion) -> Iterator[Finding]:
    was, now = old.manifest.row_count, new.manifest.row_count
    if was != now:
        change = (now - was) / was if was else 1.0
        yield Finding(
            kind=FindingKind.ROWS,
            says=f"{now:,} rows; there were {was:,} ({change:+.1%})",
            weight=0.6 if change <= -ROWS_MOVED else 0.4 if change >= ROWS_MOVED else 0.1,
        )
    first, second = old.manifest.event_range, new.manifest.event_range
    if first and second and first != second:
        gap = second.earliest > first.latest
        yield Finding(
            kind=FindingKind.RANGE,
            says=f"events from {_day(second.earliest)} to {_day(second.latest)}; they were from "
            f"{_day(first.earliest)} to {_day(first.latest)}"
            + (", and none is in both" if gap or second.latest < first.earliest else ""),
            weight=0.65 if second.latest < first.latest else 0.15,
        )


def _is_alike(some: Relation, other: Relation) -> bool:
    return str(some) == str(other)


def _how_far(distance: float) -> str:
    word = "are spread quite differently" if distance >= LARGE else "have moved"
    return f"{word} (distance {distance:.2f})"


def _middle(one: ColumnDifference) -> str:
    before, after = one.before, one.after
    if before is None or after is None or before.mean is None or after.mean is None:
        return ""
    return f": {after.mean:.4g} on average, it was {before.mean:.4g}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.1g}%"


def told_mean(mean: float | None, kind: str) -> str:
    """Return a mean for people: of values of an instant's type ``kind`` an instant; empty for None."""
    if mean is None:
        return ""
    if kind not in INSTANTS:
        return rounded(mean)
    try:
        return _day(datetime.fromtimestamp(mean, UTC))
    except (ValueError, OverflowError, OSError):
        return rounded(mean)


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
