"""The policy lease that a server holds, and whether a lookup may be answered by it.

A lookup asks after its rows came, with the word that came with them. What the lease says of a
plan is worked out once.
"""

import threading
from datetime import datetime

from provender.core.errors import Corrupt, ProvenderError
from provender.core.leases import PolicyLease, Standing, Unconfirmed, unconfirmed
from provender.core.serving import SERVER
from provender.online.beside import LOOK_SECONDS
from provender.online.leasing import Word, lease_key
from provender.online.plan import LookupPlan
from provender.online.store import OnlineStore
from provender.values import from_json

KEPT = 2000
"""Plans whose standing is kept."""
NOBODY = "nobody confirmed the policy within a second: the catalog, or what carries its policy here, is gone"


class Tenure:
    """The lease of one project, renewed out of the store. Safe to share between threads."""

    def __init__(
        self, store: OnlineStore, project: str, *, without: Unconfirmed = Unconfirmed.DENY
    ) -> None:
        self.problem = "no policy lease was seen yet"
        self.lease: PolicyLease | None = None
        self._store = store
        self._project = project
        self._without = without
        self._digest = ""
        self._standings: dict[int, tuple[LookupPlan, Standing]] = {}
        self._lock = threading.Lock()

    def holds(self, word: Word) -> bool:
        """Whether the lease that the word says is in force is the one that is held."""
        return bool(word.digest) and word.digest == self._digest

    def renew(self, word: Word | None = None) -> bool:
        """Take up the lease in the store; whether what is held is as new as the word now.

        Without a word, whatever there is. Never raises: `problem` says why it could not.
        """
        with self._lock:
            if word is not None and (self.holds(word) or not word.digest):
                return self.holds(word)
            return self._renew()

    def refuses(self, plan: LookupPlan, now: datetime) -> bool:
        """Whether the lease that is held lets a lookup not be answered at ``now``."""
        return self.lease is not None and self._standing(plan).is_closed(now)

    def require(self, plan: LookupPlan, now: datetime, *, confirmed: bool) -> None:
        """Return if a lookup may be answered at ``now`` with rows whose word was ``confirmed``.

        Raises:
            Denied: a feature is closed, or nobody confirms what is open.
        """
        standing = self._standing(plan)
        standing.require(now)
        served = standing.is_public and self._without is Unconfirmed.PUBLIC
        if self.lease is None or not (confirmed or served):
            raise unconfirmed(self.problem or NOBODY)

    def look(self, word: Word) -> None:
        """Take in what a look beside the rows found: the lease is there before it is needed."""
        if self.lease is None:
            self.renew()
        if not word.digest:
            self.problem = NOBODY
        elif self.renew(word):
            self.problem = ""

    def _renew(self) -> bool:
        try:
            lease = read_lease(self._store, self._project, deadline=LOOK_SECONDS)
        except ProvenderError as error:
            self.problem = error.message
            return False
        if lease is None:
            self.problem = f"the online store has no policy lease of project {self._project}"
            return False
        if lease.digest != self._digest:
            self._take(lease)
        return True

    def _take(self, lease: PolicyLease) -> None:
        self._standings = {}
        self.lease, self._digest, self.problem = lease, lease.digest, ""

    def _standing(self, plan: LookupPlan) -> Standing:
        lease, standings = self.lease, self._standings
        kept = standings.get(id(plan))
        if kept is not None:
            return kept[1]
        found = lease.verdict(SERVER).standing(plan.used) if lease else Standing()
        if len(standings) >= KEPT:
            standings.clear()
        standings[id(plan)] = plan, found
        return found


def read_lease(store: OnlineStore, project: str, *, deadline: float) -> PolicyLease | None:
    """Return the lease that was written last, in force or not; None: none that this version reads.

    Raises:
        Unavailable: the store does not answer within ``deadline`` seconds, or refuses.
    """
    [text] = store.asked(deadline, ("HGET", lease_key(project), "lease"))
    try:
        return from_json(PolicyLease, text) if text else None
    except Corrupt:
        return None
