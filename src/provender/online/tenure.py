"""The policy lease that a server holds, and whether a lookup may be answered by it.

A lookup asks after its rows came, with the word that came with them. What the lease says of a
plan is worked out once.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from provender.core.effects import project_key
from provender.core.errors import Corrupt, ProvenderError
from provender.core.leases import PolicyLease, Ruling, Standing, Unconfirmed, unconfirmed
from provender.core.parted import WHOLE
from provender.core.serving import SERVER
from provender.online.beside import LOOK_SECONDS
from provender.online.leasing import Word, lease_key
from provender.online.plan import LookupPlan
from provender.online.secrets import KEYRING
from provender.online.store import OnlineStore
from provender.online.veil import Veil, Veils, veiled
from provender.values import from_json

KEPT = 2000
"""Plans whose standing is kept."""
NOBODY = "nobody confirmed the policy within a second: the catalog, or what carries its policy here, is gone"


@dataclass(frozen=True, slots=True)
class Held:
    """What the lease says of a plan: whether it is answered, and what lies over its rows."""

    plan: LookupPlan
    standing: Standing
    veils: tuple[Veil | None, ...] = ()

    def left(self, stored: Sequence[bytes | None], size: int) -> Sequence[bytes | None]:
        """Return what is left of the rows read, of which each read has ``size``."""
        return veiled(self.veils, stored, size)


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
        self._taken: tuple[PolicyLease | None, dict[int, Held], Veils] = (
            None,
            {},
            Veils(WHOLE, self._key),
        )
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
        return self.lease is not None and self._held(plan).standing.is_closed(now)

    def require(self, plan: LookupPlan, now: datetime, *, confirmed: bool) -> Held:
        """Return what is left of rows for a lookup at ``now``, whose word was ``confirmed``.

        Raises:
            Denied: a feature is closed, or nobody confirms what is open.
        """
        held = self._held(plan)
        held.standing.require(now)
        served = held.standing.is_public and self._without is Unconfirmed.PUBLIC
        if self.lease is None or not (confirmed or served):
            raise unconfirmed(self.problem or NOBODY)
        return held

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
        self._taken = lease, {}, Veils(lease.verdict(SERVER).parts, self._key)
        self.lease, self._digest, self.problem = lease, lease.digest, ""

    def _held(self, plan: LookupPlan) -> Held:
        lease, standings, veils = self._taken
        kept = standings.get(id(plan))
        if kept is not None:
            return kept
        found = (
            self._compiled(plan, lease.verdict(SERVER), veils) if lease else Held(plan, Standing())
        )
        if len(standings) >= KEPT:
            standings.clear()
        standings[id(plan)] = found
        return found

    def _compiled(self, plan: LookupPlan, ruling: Ruling, veils: Veils) -> Held:
        standing = ruling.standing(plan.used, plan.given)
        if standing.refusal:
            return Held(plan, standing)
        return Held(plan, standing, veils.over(plan))

    def _key(self) -> bytes:
        return project_key(KEYRING.secret(self._project), self._project)


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
