"""What the actor may do with a dataset, for which purpose, and whom to ask for more."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from provender.core.datasets import Dataset, DatasetVersion
from provender.core.governance import Governance
from provender.core.policy import Action, ColumnRef, Reason, Rule
from provender.core.protocols import Library

MOST_COLUMNS = 200
"""Columns that are decided for a page; of a wider dataset the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the actor may read for one purpose: open and closed columns, and how to ask for more."""

    purpose: str
    description: str
    open: tuple[str, ...]
    because: tuple[str, ...]
    closed: tuple[Reason, ...]
    hint: str = ""
    command: str = ""


def may(catalog: Library, dataset: Dataset) -> dict[str, bool]:
    """Return whether the actor may publish the dataset, and decide about it."""
    asked = ColumnRef(dataset.ref.dataset)
    actions = (Action.PUBLISH, Action.STEWARD)
    return {action.value: catalog.records.decide(action, [asked]).allowed for action in actions}


def reach(
    catalog: Library, governance: Governance, dataset: Dataset, latest: DatasetVersion | None
) -> list[Reach]:
    """Return what the actor may read of the latest version, for each purpose there is."""
    names = latest.manifest.schema.names if latest else tuple(dataset.column_descriptions)
    asked = [ColumnRef(dataset.ref.dataset, name) for name in names[:MOST_COLUMNS]]
    if not asked:
        return []
    return [
        _reach(catalog, asked, purpose, description)
        for purpose, description in sorted(governance.purposes.items())
    ]


def _reach(catalog: Library, asked: Sequence[ColumnRef], purpose: str, description: str) -> Reach:
    decision = catalog.records.decide(Action.READ, asked, purpose=purpose)
    opened = {reason.column.column: reason.because for reason in decision.reasons if reason.allowed}
    return Reach(
        purpose=purpose,
        description=description,
        open=tuple(column.column for column in asked if column.column in opened),
        because=tuple(dict.fromkeys(opened.values())),
        closed=tuple(reason for reason in decision.reasons if not reason.allowed),
        hint=decision.hint,
        command=next((one.command for one in decision.remedies), ""),
    )


def rules_for(governance: Governance, name: str) -> list[Rule]:
    """Return the rules whose patterns the dataset fits."""
    return [
        rule
        for rule in governance.rules
        if any(fnmatchcase(name, pattern) for pattern in rule.datasets)
    ]
