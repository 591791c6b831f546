"""Habits of Feast's own server that a team may want while it moves: switches, off by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from provender.online.lookup import NOT_FOUND, PRESENT, Lookups
from provender.online.plan import LookupPlan
from provender.serving.results import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Compat:
    """``missing_status``: an entity without a row is PRESENT with null, as in Feast's Redis store.

    ``partial_keys``: a lookup that gives only some of a view's join keys finds nothing, where it
    is an error else: Feast's remote client gives the first one only in its ``online_read``.
    """

    missing_status: bool = False
    partial_keys: bool = False

    def entities(
        self, plan: LookupPlan, given: Mapping[str, Sequence[Any]], rows: int
    ) -> Mapping[str, Sequence[Any]]:
        """Return the entities to look up: those given, and nulls for join keys that are left out."""
        if not self.partial_keys or not any(key in given for key in plan.join_keys):
            return given
        left_out = [key for key in plan.join_keys if key not in given]
        return {**given, **{key: [None] * rows for key in left_out}} if left_out else given

    @property
    def told(self) -> Told | None:
        """What makes the statuses that are expected of those that are right; None: they are."""
        return _present if self.missing_status else None

    def answer(self, found: Lookups) -> Lookups:
        """Return the answer with the statuses that are expected."""
        if self.told is None:
            return found
        return replace(found, statuses=tuple(self.told(column) for column in found.statuses))


def _present(statuses: list[str]) -> list[str]:
    return [PRESENT if status == NOT_FOUND else status for status in statuses]
