"""Before which operations a request waits until few others of its actor are at work."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request

from provender.api.parameters import SAFE
from provender.api.routes import Operation

ENDING = frozenset({"revoke_token", "revoke_grant"})
"""What waits for nothing: whoever ends something may be kept waiting by what it is for."""
OF_THE_GATE = "retrieval"
"""Rows come through the `Gate`, which has turns of its own."""


def turns_of(operation: Operation) -> Callable[..., Any] | None:
    """Return what waits for a turn before ``operation``, of those to change or to look; None: nothing."""
    if operation.open or operation.name in ENDING or operation.tag == OF_THE_GATE:
        return None
    return look if operation.method in SAFE else change


async def change(request: Request) -> AsyncIterator[None]:
    """Let ``request`` wait until few changes of its actor are at work."""
    async with request.app.state.changes.of(request.state.identity.actor):
        yield


async def look(request: Request) -> AsyncIterator[None]:
    """Let ``request`` wait until few questions of its actor are at work."""
    async with request.app.state.looks.of(request.state.identity.actor):
        yield
