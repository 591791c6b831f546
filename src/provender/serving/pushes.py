"""Rows on their way to the offline store: gathered, and handed to a process that has Feast.

While a group of pushes is written the next one gathers, and groups begin a second apart at the
least: many small pushes make few versions, each with one file more. A push is answered when its rows
are there for good. The process starts with the first push, takes seconds for it, and stays.
"""

import asyncio
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from provender.core.errors import InvalidInput, Misconfigured, ProvenderError, Unavailable
from provender.online.columns import Columns, row_count
from provender.serving.limits import MEBI, Overloaded
from provender.serving.lineprocess import Ended, LineProcess
from provender.serving.outcomes import error_of

log = logging.getLogger(__name__)

GATHER_SECONDS = 1.0
"""The least time between the beginnings of two groups."""
GROUP_PUSHES = 500
GROUP_BYTES = 16 * MEBI
WAITING_BYTES = 32 * MEBI
"""Of pushes that wait in one worker; beyond it pushes are turned away."""
START_SECONDS = 60.0
"""What the first group may take longer: Feast is imported."""


@dataclass(frozen=True, slots=True)
class Offline:
    """A push of ``rows`` for the offline store; ``body`` is what the process is told, as JSON."""

    source: str
    body: bytes
    rows: int

    @classmethod
    def of(cls, source: str, columns: Columns, push_id: str) -> Self:
        """Return the push; an id makes it one, however often it is sent. It may be empty.

        Raises:
            InvalidInput: columns are of different lengths, or a value is nested too deep.
        """
        rows = row_count(columns)
        try:
            text = json.dumps(
                {"columns": columns, "id": push_id}, ensure_ascii=False, separators=(",", ":")
            )
        except RecursionError:
            raise InvalidInput(
                f"a value that was pushed to {source} is nested too deep",
                hint="leave it out, or make columns of its parts",
            ) from None
        return cls(source, text.encode(), rows)

    @property
    def size_bytes(self) -> int:
        return len(self.body)


@dataclass(slots=True)
class Waiting:
    """A push, and who waits for it."""

    push: Offline
    done: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Pushes:
    """Appends pushes offline, for one worker."""

    def __init__(self, *, home: Path, repo: Path, seconds: float) -> None:
        self._repo = repo
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "pushes")
        self._process = LineProcess(
            [sys.executable, "-m", "provender.feast_plugin.pusher", str(repo)],
            env={**os.environ, "PROVENDER_HOME": str(home)},
            seconds=seconds,
            start_seconds=START_SECONDS,
        )
        self._closed = False

    @property
    def possible(self) -> bool:
        """Whether there is a repository that says where rows go."""
        return (self._repo / "feature_store.yaml").is_file()

    async def append(self, push: Offline) -> None:
        """Return when the rows are in the offline store.

        Raises:
            Overloaded: too much waits already.
            Unavailable: the process that writes ended, or took too long and was ended; whether the
                rows are there is not known.
            ProvenderError: as `Appender.append` of the process.
        """
        if self._waiting_bytes + push.size_bytes > WAITING_BYTES:
            raise Overloaded(
                f"{len(self._waiting)} pushes to the offline store wait already",
                hint="try again in a second, or push less at a time",
            )
        waiting = Waiting(push)
        self._waiting.append(waiting)
        self._waiting_bytes += push.size_bytes
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        await waiting.done

    def close(self) -> None:
        """End the process; what it has not told yet is answered by `Unavailable`."""
        self._closed = True
        self._process.stop()
        self._thread.shutdown()
        self._process.close()

    async def _commit(self) -> None:
        """Write group after group, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting and not self._closed:
            began = loop.time()
            group = take_group(self._waiting)
            pushes = [waiting.push for waiting in group]
            self._waiting_bytes -= sum(push.size_bytes for push in pushes)
            outcomes = await loop.run_in_executor(self._thread, self._written, pushes)
            for waiting, outcome in zip(group, outcomes, strict=True):
                _settle(waiting.done, outcome)
            await asyncio.sleep(max(0.0, began + GATHER_SECONDS - loop.time()))

    def _written(self, pushes: Sequence[Offline]) -> list[ProvenderError | None]:
        """Return what became of each push of one group, whatever happens. In the thread."""
        try:
            return self._exchange(pushes)
        except ProvenderError as error:
            return [error] * len(pushes)
        except Exception:
            log.exception("%s pushes could not be handed on", len(pushes))
            message = "the rows could not be handed to the process that writes offline"
            return [Misconfigured(message, hint="the server's log says why")] * len(pushes)

    def _exchange(self, pushes: Sequence[Offline]) -> list[ProvenderError | None]:
        """Have the process write one group; return what became of each push.

        Raises:
            Unavailable: it did not answer.
        """
        bodies = b",".join([push.body for push in pushes])
        source = json.dumps(pushes[0].source).encode()
        try:
            line = self._process.ask(b'{"source":%b,"pushes":[%b]}\n' % (source, bodies))
        except Ended as error:
            raise Unavailable(
                f"the process that writes to the offline store {error}: the rows may be there, or not",
                hint="push again, with the same Idempotency-Key if there was one",
            ) from None
        told: list[dict[str, Any] | None] = json.loads(line)
        return [None if one is None else error_of(one) for one in told]


def take_group(waiting: deque[Waiting]) -> list[Waiting]:
    """Take what is written together: pushes to the source that waits longest, as many as may be.

    The others keep their order. A push that is larger than a group goes alone.
    """
    source, size = waiting[0].push.source, 0
    group: list[Waiting] = []
    others: list[Waiting] = []
    for one in waiting:
        fits = len(group) < GROUP_PUSHES and size + one.push.size_bytes <= GROUP_BYTES
        if one.push.source == source and (fits or not group):
            group.append(one)
            size += one.push.size_bytes
        else:
            others.append(one)
    waiting.clear()
    waiting.extend(others)
    return group


def _settle(done: "asyncio.Future[None]", outcome: ProvenderError | None) -> None:
    if done.done():  # nobody waits any more
        return
    if outcome is None:
        done.set_result(None)
    else:
        done.set_exception(outcome)
