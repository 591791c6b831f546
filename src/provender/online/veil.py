"""What a permit for a part leaves of rows of the online store: rows as they are stored, and so again.

A row that the filter does not hold for is none. Of the others the masked columns are written anew,
as `core.effects.masked` says; the rest, and whose row it is, stays byte for byte. So whatever
reads rows, in bulk or one by one, reads what is left of them. A row once veiled is remembered.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from provender.core.effects import Mask, MaskKind, masked
from provender.core.filters import Filter
from provender.core.parted import Parts
from provender.core.schema import TYPES, Column
from provender.core.serving import ServedView
from provender.online.decoder import DAMAGE
from provender.online.layout import layout_of
from provender.online.plan import LookupPlan

Key = Callable[[], bytes]
"""Gives the key of a project's hashes, where one is needed."""
REMEMBERED = 1 << 14
"""Rows of a view that are remembered, veiled: some 5 MB."""
NOTHING = Mask(kind=MaskKind.NULL)


class Veil:
    """Lies over the rows of one view: ``masks`` by feature, ``rows`` those that there are.

    A mask that does not fit the feature's type leaves nothing of it.
    """

    def __init__(
        self, view: ServedView, masks: Mapping[str, Mask], rows: Filter | None, key: Key
    ) -> None:
        self._layout = layout_of(view)
        self._rows = rows
        at = {column.name: number for number, column in enumerate(view.columns)}
        self._types = [column.type for column in view.columns]
        self._masks = [
            (at[name], _fitting(mask, name, self._types[at[name]])) for name, mask in masks.items()
        ]
        self._asked = {column.source_column: at[column.name] for column in view.columns}
        hashes = any(mask.kind is MaskKind.HASH for _, mask in self._masks)
        self._key = key() if hashes else b""
        self._veiled = lru_cache(REMEMBERED)(self._veil)

    def __call__(self, row: bytes | None) -> bytes | None:
        """Return what is left of a row; None where nothing is, or what is damaged."""
        return None if row is None else self._veiled(row)

    def _veil(self, row: bytes) -> bytes | None:
        try:
            head, written = self._layout.split(row)
            if self._rows is not None and not self._rows.holds(self._read(written)):
                return None
            for at, mask in self._masks:
                made = masked(mask, self._value(at, written[at]), self._types[at], key=self._key)
                written[at] = None if made is None else self._layout.kinds[at].write(made)
            return self._layout.join(head, written)
        except DAMAGE:
            return None

    def _read(self, written: Sequence[Any]) -> dict[str, Any]:
        """Return the columns that the filter asks for, by their names in the dataset."""
        columns = self._rows.columns if self._rows is not None else frozenset[str]()
        return {
            name: self._value(at, written[at])
            for name, at in self._asked.items()
            if name in columns
        }

    def _value(self, at: int, packed: Any) -> Any:
        read = self._layout.kinds[at].read
        return packed if read is None or packed is None else read(packed)


class Veils:
    """The veils that ``parts`` make: one for each view and what there is of its rows."""

    def __init__(self, parts: Parts, key: Key) -> None:
        self._parts = parts
        self._key = key
        self._made: dict[tuple[ServedView, Filter | None], Veil] = {}

    def over(self, plan: LookupPlan) -> tuple[Veil | None, ...]:
        """Return what lies over each read of ``plan``; nothing at all where that is nothing."""
        found = tuple(self.of(read.view, read.features) for read in plan.reads)
        return found if any(found) else ()

    def of(self, view: ServedView, features: Sequence[str]) -> Veil | None:
        """Return what lies over rows of ``view`` that are read for ``features``; None: nothing."""
        if not self._parts:
            return None
        rows = self._parts.rows(f"{view.name}:{name}" for name in features)
        masks = {
            column.name: mask
            for column in view.columns
            if (mask := self._parts.mask(f"{view.name}:{column.name}")) is not None
        }
        if rows is None and masks.keys().isdisjoint(features):
            return None
        if (view, rows) not in self._made:
            self._made[view, rows] = Veil(view, masks, rows, self._key)
        return self._made[view, rows]


def veiled(
    veils: Sequence[Veil | None], stored: Sequence[bytes | None], size: int
) -> Sequence[bytes | None]:
    """Return what is left of ``stored``: of each read ``size`` rows, one read after another."""
    if not veils:
        return stored
    rows: list[bytes | None] = []
    for number, veil in enumerate(veils):
        some = stored[number * size : (number + 1) * size]
        rows += map(veil, some) if veil is not None else some
    return rows


def _fitting(mask: Mask, name: str, word: str) -> Mask:
    fits = word in TYPES and not mask.unfit(Column(name=name, type=word))
    return mask if fits else NOTHING
