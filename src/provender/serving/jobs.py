"""Materialisation asked for over HTTP: a process of its own, so that the server stays light.

A feature view is materialised by one job at a time, whichever worker started it: the job holds
a lock on a file per view, which is gone with the job, however that ends. A job outlives the
worker that started it, and running it again is safe.
"""

import asyncio
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, quote

import orjson

from provender.core.errors import Misconfigured, ProvenderError, Unavailable
from provender.serving import wire
from provender.serving.callers import Callers, Everybody
from provender.serving.limits import Overloaded
from provender.serving.messages import Request, Response
from provender.serving.outcomes import error_of
from provender.serving.snapshot import Snapshots

log = logging.getLogger(__name__)

AT_A_TIME = 2
"""Jobs of one worker."""
POLL_SECONDS = 0.05
ALL_TIME = "1970-01-01T00:00:00"
LAST_SECOND = datetime.max.replace(microsecond=0, tzinfo=UTC)


@dataclass(slots=True)
class Job:
    """A process that materialises ``views``; what it complains of is in ``said``."""

    process: "subprocess.Popen[bytes]"
    views: tuple[str, ...]
    said: IO[bytes]


class Jobs:
    """``POST /materialize`` and ``POST /materialize-incremental``."""

    def __init__(
        self, snapshots: Snapshots, *, home: Path, repo: Path, callers: Callers | None = None
    ) -> None:
        self._snapshots = snapshots
        self._callers = callers or Everybody()
        self._home = home
        self._repo = repo
        self._running: list[Job] = []
        self._watched: set[asyncio.Task[None]] = set()

    @property
    def possible(self) -> bool:
        """Whether there is a repository whose views could be materialised."""
        return (self._repo / "feature_store.yaml").is_file()

    async def materialize(self, request: Request) -> Response:
        """Materialise a window, both ends included."""
        return await self._answer(request, with_start=True)

    async def go_on(self, request: Request) -> Response:
        """Materialise from where the last run ended."""
        return await self._answer(request, with_start=False)

    def leave(self) -> None:
        """Let the jobs that run go on by themselves."""
        for task in self._watched:
            task.cancel()
        for job in self._running:
            job.process.returncode = 0  # else it complains that nobody waits for it

    async def _answer(self, request: Request, *, with_start: bool) -> Response:
        if not self.possible:
            message = "this server has no feature repository: run provender features materialize where there is one"
            return Response(501, wire.feast_error("FeastError", message))
        window = wire.parse_window(request.body, with_start=with_start)
        if len(self._running) >= AT_A_TIME:
            raise Overloaded(
                f"{len(self._running)} materialisations run already", hint="try again later"
            )
        manifest = self._snapshots.current.manifest
        names = window.views or tuple(view.name for view in manifest.views)
        await self._callers.check_writing(request, names)
        views = tuple(sorted({manifest.view(name).name for name in names}))
        with ExitStack() as stack:
            locks = {view: stack.enter_context(self._lock_file(view)) for view in views}
            taken = [view for view, lock in locks.items() if not _take(lock)]
            if taken:
                return _busy(taken)
            job = self._start(window, views, locks)
        if parse_qs(request.query).get("async") == ["true"]:
            self._watch(job)
            accepted = {"status": "accepted", "feature_views": list(views)}
            return Response(202, orjson.dumps(accepted))
        await self._ended(job)
        return Response(200, b"null")

    def _lock_file(self, view: str) -> IO[bytes]:
        folder = self._home / "run" / "materialize"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{quote(self._snapshots.project, safe='')}.{quote(view, safe='')}.lock"
        return (folder / name).open("ab")

    def _start(
        self, window: wire.Window, views: tuple[str, ...], locks: dict[str, IO[bytes]]
    ) -> Job:
        said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the job has ended
        process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "provender.cli.main", "features", "materialize"),
                *(str(self._repo), "--json", *_options(window)),
                *(word for view in views for word in ("--view", view)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "PROVENDER_HOME": str(self._home)},
            pass_fds=[lock.fileno() for lock in locks.values()],
            start_new_session=True,
        )
        job = Job(process, views, said)
        self._running.append(job)
        return job

    def _watch(self, job: Job) -> None:
        async def watch() -> None:
            try:
                await self._ended(job)
            except ProvenderError as error:
                log.error("materialising %s failed: %s", ", ".join(job.views), error)

        task = asyncio.create_task(watch())
        self._watched.add(task)
        task.add_done_callback(self._watched.discard)

    async def _ended(self, job: Job) -> None:
        """Return when ``job`` has done its work.

        Raises:
            ProvenderError: it failed; the error is the job's own.
        """
        while job.process.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        self._running.remove(job)
        with job.said:
            job.said.seek(0)
            text = job.said.read().decode(errors="replace")
        if job.process.returncode:
            raise _failure(job.process.returncode, text)


def _take(lock: IO[bytes]) -> bool:
    """Take the lock for whoever holds the open file, the child process too; say whether it was free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(views: list[str]) -> Response:
    error = f"feature views are being materialised already: {', '.join(views)}"
    return Response(409, orjson.dumps({"error": error, "feature_views": views}))


def _options(window: wire.Window) -> list[str]:
    """Return the window as options, which know whole seconds: no row of it is left out."""
    if window.all_time:
        return ["--start", ALL_TIME]
    options = []
    if window.start is not None:
        options += ["--start", _whole_second(window.start)]
    if window.end is not None:
        rest = window.end.microsecond and window.end < LAST_SECOND
        up = window.end + timedelta(seconds=1) if rest else window.end
        options += ["--end", _whole_second(up)]
    return options


def _whole_second(at: datetime) -> str:
    """Return the second of ``at``, with a year of four digits, which strftime does not give."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds")


def _failure(code: int, text: str) -> ProvenderError:
    """Return the error that a job ended with, out of its last words."""
    if code < 0:
        return Unavailable(
            f"the materialisation was ended by {signal.Signals(-code).name}",
            hint="ask again: it goes on safely",
        )
    last = text.strip().rpartition("\n")[2]
    try:
        return error_of(json.loads(last))
    except (ValueError, KeyError, TypeError):
        log.error("a materialisation failed: %s", text[-4000:])
        return Misconfigured("the materialisation failed", hint="the server's log says why")
