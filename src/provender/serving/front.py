"""All connections of one worker: its clock, its patience, and its end."""

import asyncio
from email.utils import formatdate
from time import time

from provender.serving.app import OnlineApp
from provender.serving.limits import Limits
from provender.serving.protocol import Connection

TICK_SECONDS = 0.05
LOOK_SECONDS = 0.25
IDLE_GRACE_SECONDS = 0.5
"""How long idle connections stay open at the end: a request may be on its way."""


class Front:
    """What connections share. ``clock`` is the loop's time, at most a tick old."""

    def __init__(self, app: OnlineApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits
        self.connections: set[Connection] = set()
        self.draining = False
        self.idle_until = 0.0
        self.clock = 0.0
        self.date = b""
        self._looked = 0.0
        self._ticking: asyncio.TimerHandle | None = None

    def connect(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self)

    def start(self) -> None:
        """Let the clock run."""
        self._tick()

    async def drain(self) -> None:
        """Return when every request that came is answered, or when the time of grace is over."""
        self.draining = True
        self.idle_until = self.clock + IDLE_GRACE_SECONDS
        end = self.clock + self.limits.grace_seconds
        while self.connections and self.clock < end:
            await asyncio.sleep(TICK_SECONDS)
        for connection in list(self.connections):
            connection.abort()
        if self._ticking is not None:
            self._ticking.cancel()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = loop.time()
        self.app.sweep(self.clock)
        if self.clock >= self._looked + LOOK_SECONDS:
            self._looked = self.clock
            self.date = b"date: %b\r\n" % formatdate(time(), usegmt=True).encode()
            for connection in list(self.connections):
                connection.look(self.clock)
        self._ticking = loop.call_later(TICK_SECONDS, self._tick)
