"""Work that would keep everybody else waiting: done aside, in threads.

A lookup is short, and a thread costs more than most take. So only what is known to be slow goes
aside: functions of users that took long not long ago, or are called for many rows, and answers of
many values.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from time import perf_counter
from typing import TypeVar

from provender.online.plan import LookupPlan, Transform, Values

THREADS = 4
SLOW_SECONDS = 0.005
FUNCTION_ROWS = 100
"""Rows of a function that is not called on the event loop, however fast it was."""
LARGE_CELLS = 100_000
"""Values of an answer that is not made on the event loop."""
FADING = 0.9
"""What is left of a slow call with each call that follows: one of a second counts for fifty."""

T = TypeVar("T")


class Timed:
    """A user's function, and how long it takes: as its slowest call that was not long ago."""

    __slots__ = ("_function", "seconds")

    def __init__(self, function: Transform) -> None:
        self._function = function
        self.seconds = inf

    def __call__(self, columns: Values) -> Values:
        began = perf_counter()
        try:
            return self._function(columns)
        finally:
            took = perf_counter() - began
            self.seconds = took if self.seconds == inf else max(took, self.seconds * FADING)


class Aside:
    """Threads for the lookups that are not answered on the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "aside")

    def takes(self, plan: LookupPlan, rows: int) -> bool:
        """Whether a lookup of ``rows`` entities is judged and written here.

        A function that was never called is, too: nobody knows how long it takes.
        """
        if rows * len(plan.outputs) > LARGE_CELLS:
            return True
        return bool(plan.demands) and (rows > FUNCTION_ROWS or _is_slow(plan))

    def run(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Return what gives the result of ``call``, or raises what it raised."""
        return asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_slow(plan: LookupPlan) -> bool:
    return any(
        isinstance(demand.transform, Timed) and demand.transform.seconds > SLOW_SECONDS
        for demand in plan.demands
    )
