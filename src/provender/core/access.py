"""What is asked about access: the Protocol of whoever needs it, and of whoever gives it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from provender.core.breakglass import BreakGlass
from provender.core.datasets import Listed
from provender.core.governance import Governance
from provender.core.names import DatasetRef
from provender.core.policy import Action, Grant
from provender.core.requests import AccessRequest, Foreseen, RequestState, RequestStep, Wanted
from provender.core.simulation import Simulation


class Access(Protocol):
    """How access is asked for, given for longer and looked after."""

    def foresee(self, wanted: Wanted) -> Foreseen:
        """Return what a request for ``wanted`` would show; nothing is written."""
        ...

    def ask(self, wanted: Wanted, *, key: str = "") -> AccessRequest:
        """Return the request that is made for ``wanted``; an equal one that is open as it is."""
        ...

    def requested(self, identity: str) -> Foreseen:
        """Return a request that the actor may see, and what it would show."""
        ...

    def requests(
        self, *, state: RequestState | None = None, limit: int = 50, after: str = ""
    ) -> Listed[AccessRequest]: ...

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
        ...

    def simulate(self, desired: Governance, *, since: datetime) -> Simulation:
        """Return what ``desired`` would decide otherwise, of all decisions ``since``."""
        ...

    def renew(self, grant: str, *, until: datetime | None, reason: str = "") -> Grant: ...

    def expiring(self, *, until: datetime) -> Listed[Grant]:
        """Return the grants that the actor may see which end before ``until``."""
        ...

    def unused(self, *, since: datetime) -> Listed[Grant]:
        """Return the grants to read and to serve that no permit has rested on ``since``."""
        ...

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
        ...

    def review(self, identity: str, *, justified: bool, note: str) -> BreakGlass:
        """Return what somebody took, reviewed; what was not justified ends."""
        ...

    def broken(self) -> Listed[BreakGlass]:
        """Return what was taken so, of what the actor took or looks after; unreviewed first."""
        ...
