"""What of features somebody gets who gets a part: masks, rows, and what is for computing only.

Policy says it of columns, serving of features. A filter is told by the rows as they lie online:
by the features of the view itself. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from provender.core.decisions import Permit
from provender.core.effects import Mask
from provender.core.errors import Denied
from provender.core.features import RepoSpec, ViewSpec
from provender.core.filters import Filter, all_of
from provender.core.names import FeatureRef
from provender.core.policy import ColumnRef
from provender.core.rules import mask_of
from provender.core.schema import TYPES, Column, Schema
from provender.core.shielding import refuse_computed, refuse_masked

ROUNDED = ("float32", "timestamp_ns")
"""Types of features by which no filter is asked: online they may be less exact than their column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Of which features somebody gets a part, and what: by feature, as masks and filters are written.

    ``computes`` may feed features that are computed, and are never returned. A filter is about
    the columns of the dataset, and holds for all rows of the view that are read with its feature.
    """

    masks: dict[str, str] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)
    computes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.masks or self.filters or self.computes)

    def mask(self, ref: str) -> Mask | None:
        """Return how a feature is masked; None: it comes as it is."""
        return mask_of(self.masks.get(ref, ""))

    def of(self, ref: str) -> str:
        """Say what there is of a feature; empty if it comes as it is."""
        said = [f"masked: {self.masks[ref]}"] if ref in self.masks else []
        said += [f"only rows with {self.filters[ref]}"] if ref in self.filters else []
        said += ["for other features only"] if ref in self.computes else []
        return "; ".join(said)

    def rows(self, refs: Iterable[str]) -> Filter | None:
        """Return which rows of a view there are that are read for ``refs``; None: all."""
        found = {self.filters[ref] for ref in refs if ref in self.filters}
        return all_of([Filter(text) for text in found]) if found else None

    def within(self, other: "Parts") -> "Parts":
        """Return what is left by both: of masks the stricter, of rows those that both leave."""
        masks = {**self.masks, **other.masks}
        for ref in self.masks.keys() & other.masks.keys():
            both = [Mask.parse(self.masks[ref]), Mask.parse(other.masks[ref])]
            masks[ref] = str(min(both, key=lambda mask: mask.strictness))
        filters = {**self.filters, **other.filters}
        for ref in self.filters.keys() & other.filters.keys():
            filters[ref] = str(all_of([Filter(self.filters[ref]), Filter(other.filters[ref])]))
        computes = tuple(sorted({*self.computes, *other.computes}))
        return Parts(masks=masks, filters=filters, computes=computes)

    def refusal(self, given: Iterable[str]) -> str:
        """Say which of the features ``given`` is never returned; empty if all may be."""
        ref = next((ref for ref in given if ref in self.computes), None)
        return f"feature {ref} may feed other features, and is never returned" if ref else ""


WHOLE = Parts()


def permitted(permit: Permit, repo: RepoSpec, used: Iterable[str]) -> Parts:
    """Return what a permit leaves of the features ``used``, by the columns that they are made of.

    Raises:
        Denied: a filter cannot be asked of rows as they lie online, a join key or a timestamp is
            masked, or a timestamp, which comes with the row, for computing only.
    """
    masks, filters = dict(permit.masks), dict(permit.filters)
    views = {view.name: view for view in repo.views if view.dataset is not None}
    refs = [ref for ref in map(FeatureRef.parse, used) if ref.view in views]
    for name in sorted({ref.view for ref in refs}):
        _check_found(permit, views[name])
    columns = {ref: made_of(views[ref.view], ref.feature) for ref in refs}
    for ref, column in columns.items():
        why = untold([rows], views[ref.view]) if (rows := filters.get(column.dataset)) else ""
        if why:
            raise Denied(
                f"{permit.actor} gets {why} of {column.dataset}",
                hint="define the view with these columns, or ask who governs to change the rule",
            )
    return Parts(
        masks={str(ref): str(masks[col]) for ref, col in columns.items() if col in masks},
        filters={
            str(ref): str(filters[col.dataset])
            for ref, col in columns.items()
            if col.dataset in filters
        },
        computes=tuple(sorted(str(r) for r, col in columns.items() if col in permit.computes)),
    )


def untold(filters: Sequence[Filter], view: ViewSpec) -> str:
    """Say which of ``filters`` rows online of ``view`` do not tell, and why; empty if they do."""
    types = {feature.source_column: feature.type for feature in view.features}
    exact = {name: word for name, word in types.items() if word in TYPES and word not in ROUNDED}
    schema = Schema(tuple(Column(name=name, type=word) for name, word in exact.items()))
    for rows in filters:
        problems = [f"actor.{name} is not known" for name in sorted(rows.attributes)]
        problems += rows.problems(schema)
        if problems:
            return f"only rows with {rows}, which rows online do not tell ({'; '.join(problems)}),"
    return ""


def found_by(view: ViewSpec) -> list[ColumnRef]:
    """Return the governed columns that tell which row of ``view`` is found: join keys and timestamps."""
    if view.dataset is None:
        return []
    return [ColumnRef(view.dataset.dataset, name) for name in view.found_by]


def made_of(view: ViewSpec, feature: str) -> ColumnRef:
    """Return the column that ``feature`` of ``view`` is; of no dataset where no catalog governs it."""
    dataset = view.dataset.dataset if view.dataset is not None else ""
    return ColumnRef(dataset, view.feature(feature).source_column)


def _check_found(permit: Permit, view: ViewSpec) -> None:
    refuse_masked(permit, found_by(view))
    refuse_computed(permit, [one for one in found_by(view) if one.column in view.times])
