"""Rows that clients write online: claimed, and written until their time is over. In threads."""

import time
from collections.abc import Sequence

from provender.core.errors import Unavailable
from provender.online.columns import ColumnEncoder
from provender.online.script import Expiry
from provender.online.store import OnlineStore

LEAST_SECONDS = 0.001
"""A deadline of none at all would be taken for the usual one."""

Pairs = list[tuple[bytes, bytes]]


class OnlineRows:
    """Writes rows online; safe to share between threads. Instants are `time.monotonic`'s."""

    def __init__(self, store: OnlineStore, *, seconds: float, replaying: bool) -> None:
        self._store = store
        self._pens = store.pens()
        self._seconds = seconds
        self._replaying = replaying

    def due(self) -> float:
        """Return until when rows that came just now have to be written."""
        return time.monotonic() + self._seconds

    def check(self, due: float) -> None:
        """Return if there is time left.

        Raises:
            Unavailable: there is none.
        """
        if time.monotonic() >= due:
            raise Unavailable(
                f"the rows waited for {self._seconds:g} s behind others, and none was written online",
                hint="try again in a second",
            )

    def claim(self, encoders: Sequence[ColumnEncoder], due: float) -> None:
        """Return if rows of these views may be written as this server knows the views.

        Raises:
            Conflict: as `OnlineStore.claim`.
            Unavailable: the store did not answer until ``due``.
        """
        self.check(due)
        views = [one.view for one in encoders]
        try:
            left = max(due - time.monotonic(), LEAST_SECONDS)
            self._store.claim(encoders[0].project, *views, deadline=left)
        except Unavailable as error:
            raise Unavailable(
                f"{error.message}; none of the rows was written online",
                hint="try again in a second",
            ) from error

    def write(self, encoders: Sequence[ColumnEncoder], pairs: Sequence[Pairs], due: float) -> int:
        """Write the pairs that each encoder made until ``due``; return how many rows they are.

        Raises:
            Conflict: as `OnlineStore.claim`.
            Unavailable: the store did not answer in time; the message says what became of the rows.
        """
        self.claim(encoders, due)
        try:
            for one, rows in zip(encoders, pairs, strict=True):
                expiry = Expiry.of_served(one.view, replaying=self._replaying)
                self._pens.write(rows, expiry=expiry, due=due)
        except Unavailable as error:
            raise Unavailable(
                f"{error.message}; the rows may be written online or not",
                hint="send them again, which is safe: an older row never replaces a newer one",
            ) from error
        return sum(map(len, pairs))

    def close(self) -> None:
        """Close the connections; one that is in use closes when it was."""
        self._pens.close()
