"""Ids of pushes, by which each is there once: in the notes of versions, and as a process knows them.

With an id stands a digest of the rows that came with it, so that an id that is used for other
rows, too, is told apart from a push that was sent again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from provender.core.digest import digest, digest_bytes, short
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.online.columns import Columns

if TYPE_CHECKING:  # a plain Feast repository needs no catalog, so its packages are not imported
    from provender.core.protocols import Library

NOTE = "rows pushed; ids: "
REMEMBERED = timedelta(hours=1)
"""How long an id counts."""
HEX_DIGITS = 16


@dataclass(frozen=True, slots=True)
class PushId:
    """An id, and what it was sent with: digests of both, of 16 hex digits."""

    token: str
    rows: str

    @classmethod
    def of(cls, source: str, push_id: str, columns: Columns) -> "PushId":
        """Return the id of a push to ``source``; the order of columns is no difference."""
        text = json.dumps(columns, sort_keys=True, default=str)
        return cls(
            short(digest([source, push_id]), length=HEX_DIGITS),
            short(digest_bytes(text.encode()), length=HEX_DIGITS),
        )


@dataclass(slots=True)
class Known:
    """The ids in the history of one source, up to version ``number``, of the last hour."""

    number: int = 0
    _rows: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def add(self, ids: Mapping[str, str], *, at: datetime) -> None:
        """Remember the tokens that came at ``at``, and the digests of their rows."""
        for token, rows in ids.items():
            self._rows.pop(token, None)  # so that the oldest are the first
            self._rows[token] = (at, rows)

    def learn(self, catalog: "Library", ref: DatasetRef, latest: int, *, now: datetime) -> None:
        """Add what versions brought since the last look, up to number ``latest`` or beyond it."""
        for at, note in catalog.records.notes(ref, above=self.number, since=now - REMEMBERED):
            self.add(ids_in(note), at=at)
        self.number = latest

    def forget(self, *, now: datetime) -> None:
        """Forget what is older than an hour."""
        while self._rows:
            token, (at, _) = next(iter(self._rows.items()))
            if at >= now - REMEMBERED:
                return
            del self._rows[token]

    def has(self, one: PushId) -> bool:
        """Return whether that push is there.

        Raises:
            InvalidInput: its id is there, with other rows.
        """
        if one.token not in self._rows:
            return False
        _, rows = self._rows[one.token]
        check_rows(one, rows)
        return True


def check_rows(one: PushId, rows: str) -> None:
    """Return if ``rows``, which came with that id before, are those of the push.

    Raises:
        InvalidInput: they are others.
    """
    if rows and rows != one.rows:  # notes of older versions say nothing of rows
        raise InvalidInput(
            "the Idempotency-Key came with other rows before: these were not written",
            hint="give every push a key of its own, such as a UUID; send the same rows again with it",
        )


def note_of(ids: Mapping[str, str]) -> str:
    """Return the note of a version that brings ``ids``: tokens, and the digests of their rows."""
    return NOTE + " ".join(f"{token}:{rows}" for token, rows in ids.items()) if ids else ""


def ids_in(note: str) -> dict[str, str]:
    """Return what `note_of` wrote."""
    if not note.startswith(NOTE):
        return {}
    pairs = (word.partition(":") for word in note.removeprefix(NOTE).split())
    return {token: rows for token, _, rows in pairs}
