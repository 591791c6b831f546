"""Running a handler without a task: its steps are taken in the callbacks of what it waits for.

A task takes its first step a turn of the loop later and another turn after each wait; a lookup
is short enough for that to be a good part of its time. Hence handlers may wait for futures only
(or what looks like one, as `together.Judging`), and not use what asks for the current task, such
as `asyncio.timeout`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Steps(Generic[T]):
    """A coroutine under way; its result goes to ``done``, perhaps before this is made.

    The coroutine must turn every exception into a result.
    """

    __slots__ = ("_awaited", "_coroutine", "_done", "over")

    def __init__(self, coroutine: Coroutine[Any, None, T], done: Callable[[T], None]) -> None:
        self._coroutine = coroutine
        self._done = done
        self._awaited: asyncio.Future[Any] | None = None
        self.over = False
        self._step()

    def fail(self, error: Exception) -> None:
        """Raise ``error`` where the coroutine waits, and cancel what it waits for."""
        if self.over:
            return
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.remove_done_callback(self._step)
            awaited.cancel()
        self._advance(error)

    def _step(self, awaited: "asyncio.Future[Any] | None" = None) -> None:
        if awaited is self._awaited:  # else it failed in between, and waits for something else
            self._advance(None)

    def _advance(self, error: Exception | None) -> None:
        if self.over:
            return
        try:
            found: Any = self._coroutine.throw(error) if error else self._coroutine.send(None)
        except StopIteration as ended:
            self.over = True
            self._done(ended.value)
            return
        if found is None:  # a bare yield, as in asyncio.sleep(0)
            self._awaited = None
            asyncio.get_running_loop().call_soon(self._step)
            return
        found._asyncio_future_blocking = False  # what a task does to say that it waits
        found.add_done_callback(self._step)
        self._awaited = found
