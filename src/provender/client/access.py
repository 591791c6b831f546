"""Access asked for, given and looked after, over HTTP."""

from collections.abc import Sequence
from datetime import datetime

from provender.client.wire import Wire, keyed, matching
from provender.core.breakglass import BreakGlass
from provender.core.datasets import Listed
from provender.core.governance import Governance
from provender.core.names import DatasetRef
from provender.core.policy import Action, Grant
from provender.core.requests import AccessRequest, Foreseen, RequestState, RequestStep, Wanted
from provender.core.simulation import Simulation


class HttpAccess:
    """`core.access.Access` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def foresee(self, wanted: Wanted) -> Foreseen:
        """Return what a request for ``wanted`` would show; nothing is written."""
        return self._wire.send("POST", Foreseen, "foresight", body=wanted, again=True)

    def ask(self, wanted: Wanted, *, key: str = "") -> AccessRequest:
        """Return the request that is made for ``wanted``; an equal one that is open as it is."""
        return self._wire.send(
            "POST", AccessRequest, "requests", body=wanted, headers=keyed(key), again=True
        )

    def requested(self, identity: str) -> Foreseen:
        """Return a request that we may see, and what it would show as things are now."""
        return self._wire.get(Foreseen, "requests", identity)

    def requests(
        self, *, state: RequestState | None = None, limit: int = 50, after: str = ""
    ) -> Listed[AccessRequest]:
        """Return the requests that we may see, newest first; of one ``state``, if given."""
        return self._wire.listed(AccessRequest, "requests", limit=limit, after=after, state=state)

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
        body = {"step": step, "reason": reason}
        headers = keyed(key) | matching(expected)
        parts = ("requests", identity, "answer")
        return self._wire.send(
            "POST", AccessRequest, *parts, body=body, headers=headers, again=True
        )

    def simulate(self, desired: Governance, *, since: datetime) -> Simulation:
        """Return what ``desired`` would decide otherwise, of all decisions ``since``."""
        body = {"desired": desired, "since": since}
        parts = ("governance", "simulate")
        return self._wire.send("POST", Simulation, *parts, body=body, again=True)

    def renew(self, grant: str, *, until: datetime | None, reason: str = "") -> Grant:
        """Return a grant that ends at ``until`` from now on; None: never."""
        body = {"until": until, "reason": reason}
        return self._wire.send("POST", Grant, "grants", grant, "renew", body=body, again=True)

    def expiring(self, *, until: datetime) -> Listed[Grant]:
        """Return the grants that we may see which end before ``until``."""
        return self._wire.get(Listed[Grant], "grants", "expiring", until=until)

    def unused(self, *, since: datetime) -> Listed[Grant]:
        """Return the grants to read and to serve that no permit has rested on ``since``."""
        return self._wire.get(Listed[Grant], "grants", "unused", since=since)

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
        body = {
            "dataset": ref.dataset,
            "columns": columns,
            "action": action,
            "purpose": purpose,
            "hours": hours,
            "reason": reason,
        }
        return self._wire.send(
            "POST", BreakGlass, "break-glass", body=body, headers=keyed(key), again=True
        )

    def review(self, identity: str, *, justified: bool, note: str) -> BreakGlass:
        """Return what somebody took, reviewed; what was not justified ends."""
        body = {"justified": justified, "note": note}
        return self._wire.send("POST", BreakGlass, "break-glass", identity, "review", body=body)

    def broken(self) -> Listed[BreakGlass]:
        """Return what was taken so, of what we took or look after; unreviewed first."""
        return self._wire.get(Listed[BreakGlass], "break-glass")
