"""The policy lease that a server holds, and whether a lookup may be answered by it.

A lookup asks after its rows came, with the word that came with them. What the lease says of a
plan is worked out once.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from provender.core.effects import project_key
from provender.core.errors import Corrupt, ProvenderError
from provender.core.leases import PolicyLease, Standing, Unconfirmed, unconfirmed
from provender.core.serving import SERVER
from provender.core.tally import Matter
from provender.online.beside import LOOK_SECONDS
from provender.online.leasing import Word, lease_key, leased_key
from provender.online.plan import LookupPlan
from provender.online.secrets import KEYRING
from provender.online.store import OnlineStore
from provender.online.veil import Key, Veil, Veils, veiled
from provender.values import from_json

KEPT = 2000
"""Plans whose standing is kept."""
NOBODY = "nobody confirmed the policy within a second: the catalog, or what carries its policy here, is gone"


@dataclass(frozen=True, slots=True)
class Held:
    """What the lease says of a plan: whether it is answered, and what lies over its rows.

    ``matter`` is what is written down of its lookups; None: nothing of it is governed.
    """

    plan: LookupPlan
    standing: Standing
    matter: Matter | None = None
    veils: tuple[Veil | None, ...] = ()

    def left(self, stored: Sequence[bytes | None], size: int) -> Sequence[bytes | None]:
        """Return what is left of the rows read, of which each read has ``size``."""
        return veiled(self.veils, stored, size)


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease and its digest, with what it says of plans to bearers, worked out once: swapped as one."""

    lease: PolicyLease
    digest: str
    key: Key
    held: dict[tuple[int, str], Held] = field(default_factory=dict)
    veils: dict[str, Veils] = field(default_factory=dict)

    def of(self, plan: LookupPlan, bearer: str) -> Held:
        """Return what it says of ``plan`` to ``bearer``."""
        kept = self.held.get((id(plan), bearer))
        if kept is not None:
            return kept
        if len(self.held) >= KEPT:
            self.held.clear()
        found = self.held[id(plan), bearer] = self._compiled(plan, bearer)
        return found

    def _compiled(self, plan: LookupPlan, bearer: str) -> Held:
        ruling = self.lease.ruling(bearer, SERVER)
        standing = ruling.standing(plan.used, plan.given)
        matter = self.lease.matter(
            bearer,
            SERVER,
            plan.used,
            digest=self.digest,
            service=plan.service,
            views=plan.versions,
        )
        if standing.refusal or standing.is_absent:
            return Held(plan, standing, matter)
        if bearer not in self.veils:
            self.veils[bearer] = Veils(ruling.parts, self.key)
        return Held(plan, standing, matter, self.veils[bearer].over(plan))


class Tenure:
    """The lease of one project, renewed out of the store. Safe to share between threads."""

    def __init__(
        self, store: OnlineStore, project: str, *, without: Unconfirmed = Unconfirmed.DENY
    ) -> None:
        self.problem = "no policy lease was seen yet"
        self._store = store
        self._project = project
        self._without = without
        self._taken: Taken | None = None
        self._lock = threading.Lock()

    @property
    def lease(self) -> PolicyLease | None:
        """The lease that is held."""
        return self._taken.lease if self._taken else None

    def holds(self, word: Word) -> bool:
        """Whether the lease that the word says is in force is the one that is held."""
        taken = self._taken
        return bool(word.digest) and taken is not None and word.digest == taken.digest

    def renew(self, word: Word | None = None) -> bool:
        """Take up the lease in the store; whether what is held is as new as the word now.

        Without a word, whatever there is. Never raises: `problem` says why it could not.
        """
        with self._lock:
            if word is not None and (self.holds(word) or not word.digest):
                return self.holds(word)
            return self._renew()

    def refuses(self, plan: LookupPlan, now: datetime, bearer: str = "") -> bool:
        """Whether the lease that is held lets a lookup not be answered at ``now``."""
        taken = self._taken
        return taken is not None and taken.of(plan, bearer).standing.is_closed(now)

    def held(self, plan: LookupPlan, bearer: str = "") -> Held | None:
        """Return what the lease that is held says of a lookup, confirmed or not; None: there is none."""
        taken = self._taken
        return taken.of(plan, bearer) if taken else None

    def require(
        self, plan: LookupPlan, now: datetime, *, confirmed: bool, bearer: str = ""
    ) -> Held:
        """Return what is left of rows for a lookup at ``now``, whose word was ``confirmed``.

        Raises:
            Denied: a feature is closed, or nobody confirms what is open.
            NotFound: a feature is nothing that ``bearer`` may know of.
            Unauthenticated: the token of ``bearer`` is over.
        """
        taken = self._taken
        if taken is None:
            raise unconfirmed(self.problem or NOBODY)
        taken.lease.check(bearer, now)
        held = taken.of(plan, bearer)
        held.standing.require(now)
        served = held.standing.is_public and self._without is Unconfirmed.PUBLIC
        if not (confirmed or served):
            raise unconfirmed(self.problem or NOBODY)
        return held

    def confirm(self) -> bool:
        """Whether what is held is in force, by the word that lies in the store now.

        One trip; for what reads no rows. Never raises.
        """
        try:
            [text] = self._store.asked(LOOK_SECONDS, ("GET", leased_key(self._project)))
        except ProvenderError as error:
            self.problem = error.message
            return False
        return self.renew(Word.of(text))

    def check_writing(self, views: Sequence[str], bearer: str, now: datetime) -> None:
        """Return if ``bearer`` may write rows to ``views``; the store is asked whether that holds.

        Raises:
            Denied, NotFound: they may not, or nobody confirms it.
            Unauthenticated: their token is over.
        """
        confirmed, lease = self.confirm(), self.lease
        if lease is None or not confirmed:
            raise unconfirmed(self.problem or NOBODY)
        lease.check(bearer, now)
        lease.ruling(bearer, SERVER).check_writing(views)

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
        digest = lease.digest
        if self._taken is None or digest != self._taken.digest:
            self._taken, self.problem = Taken(lease, digest, self._key), ""
        return True

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
