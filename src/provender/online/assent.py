"""Whether what the catalog said to a process still holds, for who looks up without a server.

A lookup in process has a catalog, and asks it by itself. It is asked again as soon as the word
that comes with the rows names another state of the policy: no trip more while it is the same.
Where nobody carries that word, the catalog is asked for its state once in a lease.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from math import inf

from provender.core.errors import Unavailable
from provender.core.leases import LEASE, Footing, Unconfirmed, unconfirmed


class Assent:
    """A yes of the catalog, and how long it counts. Safe to share between threads.

    ``state`` asks the catalog for the state of its policy.
    """

    def __init__(
        self,
        state: Callable[[], str],
        *,
        without: Unconfirmed = Unconfirmed.DENY,
        lasts: timedelta = LEASE,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self._state = state
        self._without = without
        self._lasts = lasts
        self._ticks = ticks
        self._footing: Footing | None = None
        self._failed = -inf
        self._lock = threading.Lock()

    def stands(self, told: str) -> bool:
        """Whether the yes counts for rows that came with a word of the state ``told``."""
        footing = self._footing
        return footing is not None and footing.holds(told, self._ticks())

    def renew(
        self, told: str, ask: Callable[[], None], *, is_public: bool, again: bool = False
    ) -> bool:
        """Have the yes confirmed; whether ``ask`` was called, since the policy is another one.

        With ``again`` it is called in any case. What nobody confirms is good for rows that
        everybody may have, if the setting says so, and the catalog is not asked on and on.

        Raises:
            Denied: nobody confirms it, or as ``ask``.
        """
        with self._lock:
            if self.stands(told) and not again:
                return False
            if self._ticks() >= self._failed + LEASE.total_seconds():
                try:
                    return self._renew(told, ask, again=again)
                except Unavailable as error:
                    self.problem, self._failed = error.message, self._ticks()
            if is_public and self._without is Unconfirmed.PUBLIC:
                return False
            raise unconfirmed(self.problem)

    def _renew(self, told: str, ask: Callable[[], None], *, again: bool) -> bool:
        """Ask for the state before all else, so that what changes meanwhile is seen."""
        before, self._footing, asked = self._footing, None, self._ticks()
        state, self.problem = self._state(), ""
        is_news = again or before is None or before.state != state
        if is_news:
            ask()
        self._footing = Footing(state=state, told=told, asked=asked, lasts=self._lasts)
        return is_news
