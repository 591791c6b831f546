"""Access asked for, given and looked after, in this process: `core.access.Access` for one actor."""

from collections.abc import Sequence
from datetime import datetime

from provender.catalog import breakglass, idempotency, mentions, requests, simulation, tenure
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.core.breakglass import BreakGlass
from provender.core.datasets import Listed
from provender.core.governance import Governance
from provender.core.names import DatasetRef
from provender.core.policy import EVERY, Action, Grant
from provender.core.requests import AccessRequest, Foreseen, RequestState, RequestStep, Wanted
from provender.core.simulation import Simulation


class LocalAccess:
    """A catalog database, asked about access by one actor. Safe between threads."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def foresee(self, wanted: Wanted) -> Foreseen:
        """Return what a request for ``wanted`` would show; nothing is written."""
        with self._door.reading() as db:
            return requests.foresee(db, self._door.who(db), wanted, now=self._door.clock())

    def ask(self, wanted: Wanted, *, key: str = "") -> AccessRequest:
        """Return the request that is made for ``wanted``; an equal one that is open as it is."""
        with self._door.writing(EVERY) as (db, change):
            who = self._door.who(db)
            return idempotency.answered(
                db,
                change,
                key,
                "ask",
                [wanted],
                AccessRequest,
                lambda: requests.ask(db, who, wanted, change=change),
                again=lambda: requests.foresee(db, who, wanted, now=change.at),
                told=lambda first: mentions.request(db, who, first, now=change.at),
            )

    def requested(self, identity: str) -> Foreseen:
        """Return a request that the actor may see, and what it would show as things are now."""
        with self._door.reading() as db:
            return requests.requested(db, self._door.who(db), identity, now=self._door.clock())

    def requests(
        self, *, state: RequestState | None = None, limit: int = 50, after: str = ""
    ) -> Listed[AccessRequest]:
        """Return the requests that the actor may see, newest first; of one ``state``, if given."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return requests.listed(db, who, state=state, limit=limit, after=after, now=now)

    def answer(
        self,
        identity: str,
        step: RequestStep,
        *,
        reason: str = "",
        expected: int | None = None,
        key: str = "",
    ) -> AccessRequest:
        """Return a request after ``step``; enough approvals give the grants with it."""
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)

            def work() -> AccessRequest:
                return requests.decide(
                    db, who, identity, step, answer=reason, expected=expected, change=change
                )

            return idempotency.answered(
                db,
                change,
                key,
                "answer",
                [identity, step, reason, expected],
                AccessRequest,
                work,
                again=lambda: requests.requested(db, who, identity, now=change.at),
                told=lambda first: mentions.request(db, who, first, now=change.at),
            )

    def simulate(self, desired: Governance, *, since: datetime) -> Simulation:
        """Return what ``desired`` would decide otherwise, of all decisions ``since``."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return simulation.test(db, who, desired, since=since, now=now)

    def renew(self, grant: str, *, until: datetime | None, reason: str = "") -> Grant:
        """Return a grant that ends at ``until`` from now on; None: never."""
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)
            return tenure.renew(db, who, grant, until=until, reason=reason, change=change)

    def expiring(self, *, until: datetime) -> Listed[Grant]:
        """Return the grants that the actor may see which end before ``until``."""
        with self._door.reading() as db:
            return tenure.expiring(db, self._door.who(db), until=until, now=self._door.clock())

    def unused(self, *, since: datetime) -> Listed[Grant]:
        """Return the grants to read and to serve that no permit has rested on ``since``."""
        with self._door.reading() as db:
            return tenure.unused(db, self._door.who(db), since=since, now=self._door.clock())

    def break_glass(
        self,
        ref: DatasetRef,
        *,
        columns: Sequence[str] = (),
        action: Action = Action.READ,
        purpose: str = "",
        hours: float = 1.0,
        reason: str = "",
        key: str = "",
    ) -> BreakGlass:
        """Take access at once, by a rule that allows it: written down, and reviewed after."""
        with self._door.writing(Action.BREAK_GLASS) as (db, change):
            who = self._door.who(db)

            def work() -> BreakGlass:
                return breakglass.take(
                    db,
                    who,
                    ref,
                    columns=columns,
                    action=action,
                    purpose=purpose,
                    hours=hours,
                    reason=reason,
                    change=change,
                )

            asked = [ref, columns, action, purpose, hours, reason]
            again = self._door.knowing(db, change, ref)
            return idempotency.answered(
                db, change, key, "break-glass", asked, BreakGlass, work, again=again
            )

    def review(self, identity: str, *, justified: bool, note: str) -> BreakGlass:
        """Return what somebody took, reviewed; what was not justified ends."""
        with self._door.writing(Action.STEWARD, Action.GOVERN) as (db, change):
            who = self._door.who(db)
            return breakglass.review(
                db, who, identity, justified=justified, note=note, change=change
            )

    def broken(self) -> Listed[BreakGlass]:
        """Return what was taken so, of what the actor took or looks after; unreviewed first."""
        with self._door.reading() as db:
            found = breakglass.listed(db, self._door.who(db), now=self._door.clock())
        return Listed(tuple(found), None)
