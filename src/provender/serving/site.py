"""What the connections of one worker share: their application, its limits, and the time."""

from typing import Protocol

from provender.serving.app import OnlineApp
from provender.serving.known import KnownHeads
from provender.serving.limits import Limits


class Watched(Protocol):
    """A connection, as far as it is watched from outside."""

    def look(self, now: float) -> None:
        """End what has taken too long at ``now``."""

    def abort(self) -> None:
        """End at once."""


class Site:
    """``clock`` is the loop's time, a moment old; ``date`` is the header line of the wall clock.

    ``bodies_bytes`` are those of requests that are not complete.
    While ``draining``, connections end behind what they answer, and idle ones at ``idle_until``.
    """

    def __init__(self, app: OnlineApp, limits: Limits, clock: float) -> None:
        self.app = app
        self.limits = limits
        self.clock = clock
        self.date = b""
        self.known = KnownHeads()
        self.connections: set[Watched] = set()
        self.bodies_bytes = 0
        self.draining = False
        self.idle_until = 0.0
