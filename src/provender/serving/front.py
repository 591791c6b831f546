"""All connections of one worker: their clock, its patience with them, and their end."""

import asyncio
from email.utils import formatdate
from time import time

from provender.serving.app import OnlineApp
from provender.serving.protocol import Connection
from provender.serving.site import Site

TICK_SECONDS = 0.05
LOOK_SECONDS = 0.25
IDLE_GRACE_SECONDS = 0.5
"""How long idle connections stay open at the end: a request may be on its way."""


class Front:
    """The connections of the running loop, and the one timer that looks after them."""

    def __init__(self, app: OnlineApp) -> None:
        self._site = Site(app, app.limits, asyncio.get_running_loop().time())
        self._looked = 0.0
        self._ticking: asyncio.TimerHandle | None = None
        self._tick()

    def connect(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self._site)

    async def drain(self) -> None:
        """Return when every request that came is answered, or when the time of grace is over."""
        site = self._site
        site.draining = True
        site.idle_until = site.clock + IDLE_GRACE_SECONDS
        end = site.clock + site.limits.grace_seconds
        while site.connections and site.clock < end:
            await asyncio.sleep(TICK_SECONDS)
        for connection in list(site.connections):
            connection.abort()
        if self._ticking is not None:
            self._ticking.cancel()

    def _tick(self) -> None:
        loop, site = asyncio.get_running_loop(), self._site
        site.clock = loop.time()
        site.app.sweep(site.clock)
        site.app.connections = len(site.connections)
        if site.clock >= self._looked + LOOK_SECONDS:
            self._looked = site.clock
            site.date = b"date: %b\r\n" % formatdate(time(), usegmt=True).encode()
            for connection in list(site.connections):
                connection.look(site.clock)
        self._ticking = loop.call_later(TICK_SECONDS, self._tick)
