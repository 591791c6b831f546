"""Matching a large table with the spine, without sorting the table.

The spine's distinct (keys, instant) pairs, sorted, are *slots*. Each row of the view falls into
one: the first of its keys that is not before the row is known. The best row of a slot is the
answer to it, unless a slot before it has a better one; so the best is carried forward along
each key's slots. That needs memory for the spine only; the table streams by, in any order.

With ``known_by_then`` a row is known from the later of event and created timestamp on, and the
best row is still the one of the latest event: the running best along the slots is exactly it.
Rows that are too old for their slot are too old for all later ones, so they are dropped at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Numbers = TypeVar("Numbers", Codes, Integers)

NEVER = np.iinfo(np.int64).min
"""Stands for a null created timestamp: before every other."""


@dataclass(frozen=True, slots=True)
class Slots:
    """The spine seen through one set of join keys.

    ``of_row`` is the slot of each spine row, -1 where a key or the instant is null;
    ``at`` the instant of each slot; ``first`` the first slot of each key's code, and the end.
    """

    of_row: Codes
    at: Integers
    first: Integers

    @classmethod
    def of(cls, codes: Codes, instants: Integers, key_count: int) -> "Slots":
        """Return the slots of spine rows with ``codes`` (-1: none) at ``instants``."""
        from provender.offline import kernel

        counts = np.bincount(codes[codes >= 0], minlength=key_count)
        order = kernel.sort_by_code(codes, np.argsort(instants, kind="stable"), counts)
        sorted_codes, sorted_at = codes[order], instants[order]
        is_new = np.ones(order.size, np.bool_)
        is_new[1:] = (sorted_codes[1:] != sorted_codes[:-1]) | (sorted_at[1:] != sorted_at[:-1])
        of_row = np.full(codes.size, -1, np.int32)
        of_row[order] = np.cumsum(is_new, dtype=np.int32) - 1
        slot_codes = sorted_codes[is_new]
        first = np.searchsorted(slot_codes, np.arange(key_count + 1)).astype(np.int64)
        return cls(of_row, sorted_at[is_new], first)


@dataclass(slots=True)
class Best:
    """The best row of each slot so far, by number, and the rows that tied with it."""

    slots: Slots
    ttl: int
    by_then: bool
    event: Integers
    created: Integers
    row: Integers
    ties: list[Integers] = field(default_factory=list)

    @classmethod
    def none_yet(cls, slots: Slots, ttl: timedelta | None, *, by_then: bool) -> "Best":
        """Return slots that nothing has been offered to."""
        count = slots.at.size
        never = np.full(count, NEVER, np.int64)
        micros = min(ttl // timedelta(microseconds=1), 2**62) if ttl else -1
        return cls(slots, micros, by_then, never, never.copy(), np.full(count, -1, np.int64))

    def offer(self, codes: Codes, event_at: Integers, created_at: Integers, row: Integers) -> None:
        """Offer rows with the key ``codes``; a ``created_at`` of NEVER is null."""
        from provender.offline import kernel

        ties = np.empty((4, codes.size), np.int64)
        tied = kernel.offer(
            _frozen(codes), _frozen(event_at), _frozen(created_at), _frozen(row), self.by_then,
            self.slots.first, self.slots.at, self.ttl, self.event, self.created, self.row, ties,
        )  # fmt: skip
        if tied:
            self.ties.append(ties[:, :tied].copy())

    @property
    def tie_count(self) -> int:
        """How many rows tied since ties were last taken."""
        return sum(ties.shape[1] for ties in self.ties)

    def take_ties(self) -> tuple[Integers, Integers]:
        """Return slots and rows that tied with what is best there, as pairs; they are forgotten.

        `settle` says which of them, and of the best rows, stay.
        """
        if not self.ties:
            nothing = np.empty(0, np.int64)
            return nothing, nothing
        slot, event, created, row = np.concatenate(self.ties, axis=1)
        self.ties.clear()
        now = (self.event[slot] == event) & (self.created[slot] == created)
        return slot[now], row[now]

    def settle(self, slots: Iterable[int] | Integers, rows: Iterable[int] | Integers) -> None:
        """Let ``rows`` be the best of ``slots``."""
        self.row[np.asarray(slots, np.int64)] = np.asarray(rows, np.int64)

    def answers(self) -> tuple[Integers, int]:
        """Return the row that answers each spine row, -1 for none, and how many were created later.

        Call it once, when everything was offered.
        """
        from provender.offline import kernel

        slots = self.slots
        kernel.carry_forward(slots.first, slots.at, self.ttl, self.event, self.created, self.row)
        rows = np.empty(slots.of_row.size, np.int64)
        later = kernel.answer(slots.of_row, slots.at, self.created, self.row, rows)
        return rows, int(later)


def load_kernel() -> None:
    """Load the compiled loops, or compile them, by matching one row with itself."""
    codes, numbers = np.zeros(1, np.int32), np.zeros(1, np.int64)
    best = Best.none_yet(Slots.of(codes, numbers, 1), None, by_then=False)
    best.offer(codes, numbers, numbers, numbers)
    best.answers()


def _frozen(column: Numbers) -> Numbers:
    """The same numbers, read-only as they come from Arrow: the loops are compiled once for each kind."""
    view = column.view()
    view.flags.writeable = False
    return view
