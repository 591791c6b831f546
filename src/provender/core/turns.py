"""Whose turn it is: few requests of one actor are at work at once, so that others have theirs.

What one actor sends in parallel waits here, and takes neither a thread nor a place before the
catalog, which is written by one at a time, from anybody else.
"""

from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class _Turn:
    free: Semaphore
    wanted: int = 0


class Turns:
    """Who is at work, ``at_once`` of each actor, and who waits for it. For one event loop."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._of: dict[str, _Turn] = {}

    def wanted(self, actor: str) -> int:
        """Return how many requests of ``actor`` are at work or wait."""
        turn = self._of.get(actor)
        return turn.wanted if turn is not None else 0

    @asynccontextmanager
    async def of(self, actor: str) -> AsyncIterator[None]:
        """Wait until one of the turns of ``actor`` is free, and have it."""
        turn = self._of.get(actor)
        if turn is None:
            turn = self._of[actor] = _Turn(Semaphore(self._at_once))
        turn.wanted += 1
        try:
            async with turn.free:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._of[actor]
