"""When a retrieval must be done: whoever tells how far it is learns that it is over, and DuckDB is interrupted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import duckdb

from provender.core.errors import Unavailable
from provender.offline.answer import Progress
from provender.offline.session import is_interrupted

AGAIN_SECONDS = 0.05
"""DuckDB forgets an interrupt that comes between two queries, so it is told again and again."""

LOOK_SECONDS = 0.25
"""How long it takes until one that is called off is seen to be."""


class Deadline:
    """A progress to tell, until ``seconds`` are over: then telling it ends the retrieval."""

    def __init__(self, tell: Progress, seconds: float) -> None:
        self._tell = tell
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._last = ("starting", 0.0)

    def __call__(self, what: str, done: float) -> None:
        """Tell that ``what`` is being done.

        Raises:
            Unavailable: the time is over.
        """
        self._last = (what, done)
        if self.seconds_left <= 0:
            raise self.missed()
        self._tell(what, done)

    def call_off(self) -> None:
        """Let it be over now: nobody waits for the answer any more."""
        self._end = min(self._end, time.monotonic())

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def missed(self) -> Unavailable:
        """Return the error that says that the time is over, and how far it was."""
        what, done = self._last
        return Unavailable(
            f"the retrieval was not done after {self._seconds} seconds ({what}: {done:.0%})",
            hint="give a longer timeout, or ask for fewer rows or features at once",
        )


@contextmanager
def interrupted_in_time(
    session: duckdb.DuckDBPyConnection, progress: Progress | None
) -> Iterator[None]:
    """Interrupt whatever ``session`` does when ``progress`` is a deadline, and is over.

    Raises:
        Unavailable: it is over, and something was interrupted.
    """
    if not isinstance(progress, Deadline):
        yield
        return
    ended = Event()
    watch = Thread(target=_watch, args=[session, progress, ended], name="provender-deadline")
    watch.start()
    try:
        yield
    except Exception as error:
        if not progress.seconds_left and _was_interrupted(error):
            raise progress.missed() from error
        raise
    finally:
        ended.set()
        watch.join()


def _watch(session: duckdb.DuckDBPyConnection, deadline: Deadline, ended: Event) -> None:
    wait = AGAIN_SECONDS
    while not ended.wait(wait):
        if deadline.seconds_left:
            wait = min(LOOK_SECONDS, deadline.seconds_left)
        else:
            session.interrupt()
            wait = AGAIN_SECONDS


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether ``error`` comes of an interrupt, whatever was made of that."""
    while error is not None:
        if is_interrupted(error):
            return True
        error = error.__cause__ or error.__context__
    return False
