"""Whose turn it is to change something: few requests of one actor are at work at once.

The catalog is written by one at a time. What one actor sends in parallel waits here, and takes
neither a thread nor a place before the catalog from others.
"""

from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request

from provender.core import bounds


@dataclass(slots=True)
class _Turn:
    free: Semaphore = field(default_factory=lambda: Semaphore(bounds.AT_ONCE))
    wanted: int = 0


class Turns:
    """Who is at work, and who waits for it. For one event loop."""

    def __init__(self) -> None:
        self._of: dict[str, _Turn] = {}

    def wanted(self, actor: str) -> int:
        """Return how many requests of ``actor`` are at work or wait."""
        turn = self._of.get(actor)
        return turn.wanted if turn is not None else 0

    @asynccontextmanager
    async def of(self, actor: str) -> AsyncIterator[None]:
        """Wait until one of the turns of ``actor`` is free, and have it."""
        turn = self._of.setdefault(actor, _Turn())
        turn.wanted += 1
        try:
            async with turn.free:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._of[actor]


async def turn(request: Request) -> AsyncIterator[None]:
    """Let ``request``, whose actor is known, wait until few others of theirs are at work."""
    async with request.app.state.turns.of(request.state.identity.actor):
        yield
