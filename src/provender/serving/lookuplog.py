"""What serving saw, for training to compare with: a sample of the lookups, written beside the requests.

A request only puts what it was answered into a queue, which is bounded: what does not fit is
dropped, and counted. A thread makes lines of it and appends them to the spool of the state
folder (`online.spool`); whatever its disk does, no request waits for it.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any

import orjson

from provender.core.errors import ProvenderError
from provender.core.lookuplog import sampler
from provender.online.answer import Answer
from provender.online.blocks import Block
from provender.online.lookup import Question
from provender.online.spool import Segment, Slot, SpoolFolder
from provender.serving.lookuplines import Seen, shape_of
from provender.serving.metrics import Metrics
from provender.serving.snapshot import Snapshot

log = logging.getLogger(__name__)

WRITTEN = "lookup_log_written"
DROPPED = "lookup_log_dropped"
MOST_CELLS = 500_000
"""Values that may wait for the disk, of all requests together."""
GATHER_SECONDS = 0.05
"""How long lines are gathered before they are written together; what a kill loses at most."""
RETRY_SECONDS = 1.0
TELL_SECONDS = 60.0
FAULTS = (OSError, ProvenderError, ValueError, TypeError, KeyError)
"""What may go wrong with one lookup: the spool, the secret of hashed ids, a value of no type."""
SEGMENT_BYTES = 8 << 20
END_SECONDS = 2.0
FIRST_SHIP_SECONDS = 5.0
"""After the start, what an earlier server left is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """How lookups are logged. ``rate`` is for services that do not say their own; None: not them.

    Segments are closed after ``seconds``, and published as often with ``ship``.
    """

    rate: float | None = None
    hash_ids: bool = False
    seconds: float = 300.0
    most_bytes: int = 1 << 30
    ship: bool = False

    @property
    def is_off(self) -> bool:
        """Whether no service may be logged, whatever it says."""
        return self.rate == 0


@dataclass(slots=True)
class Writing:
    """The segment of one service that is open now, and what turns answers into its lines."""

    segment: Segment
    line: Callable[[Seen], bytes]
    digest: str
    due: float
    waiting: list[bytes] = field(default_factory=list)


class LookupLog:
    """The lookup log of one worker. `saw` is for its event loop, all else happens in a thread."""

    def __init__(self, home: Path, project: str, options: LogOptions, metrics: Metrics) -> None:
        self._home = home
        self._spool = SpoolFolder(home, project)
        self._options = options
        self._metrics = metrics
        self._takes: dict[tuple[str, str], Callable[[], bool] | None] = {}
        self._queue: SimpleQueue[Seen | None] = SimpleQueue()
        self._number = 0
        self._cells_put = 0
        self._cells_done = 0
        self._boot = token_hex(6)
        self._slot: Slot | None = None
        self._writing: dict[str, Writing] = {}
        self._not_before = 0.0
        self._ship_at = time.monotonic() + FIRST_SHIP_SECONDS
        self._shipper: threading.Thread | None = None
        self._told_at = 0.0
        self._problem = ""
        self._shipping = ""
        self._problems: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name="lookup-log", daemon=True)

    def to_dict(self) -> dict[str, Any]:
        """Return what /health tells: of this worker, but for problems of publishing."""
        counts = self._metrics.counts
        dropped = [n for key, n in list(counts.items()) if key[0] == DROPPED]
        own = {"spool": self._problem, "shipping": self._shipping}
        return {
            "written": counts[WRITTEN,],
            "dropped": sum(dropped),
            "problems": self._problems | {what: why for what, why in own.items() if why},
        }

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Return when what waits is written, or when the disk does not take it in two seconds."""
        self._queue.put(None)
        self._thread.join(END_SECONDS)

    def saw(
        self, snapshot: Snapshot, service: str, question: Question, answer: Answer[Block]
    ) -> None:
        """Note what a lookup was answered, if it is one of the sample; never waits."""
        try:
            take = self._takes[snapshot.digest, service]
        except KeyError:
            take = self._takes[snapshot.digest, service] = self._sampler(snapshot, service)
        if take is None or not take():
            return
        self._number += 1
        seen = Seen(self._number, snapshot, service, question, answer)
        waiting = self._cells_put - self._cells_done
        if waiting and waiting + seen.cells > MOST_CELLS:
            self._metrics.count(DROPPED, "queue")
            return
        self._cells_put += seen.cells
        self._queue.put(seen)

    def _sampler(self, snapshot: Snapshot, service: str) -> Callable[[], bool] | None:
        """Return what chooses requests for ``service``; lists of features are not logged."""
        if not service:
            return None
        own = snapshot.manifest.service(service).log_rate
        rate = own if own is not None else self._options.rate
        return sampler(rate) if rate else None

    def _work(self) -> None:
        ended = False
        while not ended:
            try:
                ended = self._gather()
                self._write()
                self._rotate(all_of_them=ended)
                self._problems = self._spool.told()
            except Exception:
                log.exception("logging lookups failed")
        if self._slot is not None:
            self._slot.close()

    def _gather(self) -> bool:
        """Make lines of what comes; return whether it was the last."""
        try:
            first = self._queue.get(timeout=RETRY_SECONDS)
        except Empty:
            return False
        time.sleep(GATHER_SECONDS if first is not None else 0)
        more = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for seen in (first, *more):
            if seen is not None:
                self._line(seen)
        return None in (first, *more)

    def _line(self, seen: Seen) -> None:
        try:
            writing = self._open(seen)
            writing.waiting.append(writing.line(seen))
        except FAULTS as error:
            self._lost(1, error)
        finally:
            self._cells_done += seen.cells

    def _open(self, seen: Seen) -> Writing:
        """Return the open segment of the service, for what is served now.

        Raises:
            OSError: it cannot be opened, or could not a moment ago: then it is not tried.
        """
        there = self._writing.get(seen.service)
        if there is not None and there.digest == seen.snapshot.digest:
            return there
        if there is not None:
            self._flush(seen.service, there)
            self._close(seen.service)
        if time.monotonic() < self._not_before:
            raise BlockingIOError(self._problem)
        self._not_before = time.monotonic() + RETRY_SECONDS
        if self._slot is None:
            self._slot = self._spool.take_slot()
        shape, line = shape_of(seen, hash_ids=self._options.hash_ids, boot=self._boot)
        segment = Segment(self._spool.of(seen.service), self._slot.number, shape)
        self._not_before = 0.0
        due = time.monotonic() + self._options.seconds
        made = Writing(segment, line, seen.snapshot.digest, due)
        self._writing[seen.service] = made
        return made

    def _write(self) -> None:
        for service, writing in list(self._writing.items()):
            self._flush(service, writing)

    def _flush(self, service: str, writing: Writing) -> None:
        lines, writing.waiting = writing.waiting, []
        if not lines:
            return
        try:
            writing.segment.append(lines)
        except OSError as error:
            self._lost(len(lines), error)
            self._close(service)
        else:
            self._metrics.count(WRITTEN, by=len(lines))
            self._problem = ""

    def _rotate(self, *, all_of_them: bool) -> None:
        now = time.monotonic()
        due = [
            service
            for service, writing in self._writing.items()
            if all_of_them or writing.due <= now or writing.segment.size_bytes >= SEGMENT_BYTES
        ]
        for service in due:
            self._close(service)
        if due:
            self._keep_small()
        if not all_of_them:
            self._ship()

    def _close(self, service: str) -> None:
        try:
            self._writing.pop(service).segment.close()
        except OSError as error:
            log.warning("a segment of the lookup log was not closed: %s", error)

    def _keep_small(self) -> None:
        lost = self._spool.drop_oldest(self._options.most_bytes)
        if lost:
            self._metrics.count(DROPPED, "limit", by=lost)

    def _lost(self, lines: int, error: Exception) -> None:
        self._metrics.count(DROPPED, "spool", by=lines)
        self._problem = str(error)
        now = time.monotonic()
        if now >= self._told_at + TELL_SECONDS:
            self._told_at = now
            log.warning("lookups are not logged: %s", error)

    def _ship(self) -> None:
        """Let a process of its own publish closed segments, if there are any and none does."""
        now = time.monotonic()
        if not self._options.ship or now < self._ship_at or self._is_shipping():
            return
        self._ship_at = now + self._options.seconds
        if not self._spool.path.is_dir():
            return
        self._spool.adopt()
        with self._spool.shipping() as alone:
            if not alone or not self._spool.waits():
                return
        self._shipper = start_shipping(self._home, self._spool.project, self._shipped)

    def _is_shipping(self) -> bool:
        """Whether a process that was started here goes on; it takes seconds to say so by the lock."""
        return self._shipper is not None and self._shipper.is_alive()

    def _shipped(self, problem: str) -> None:
        self._shipping = problem


def start_shipping(home: Path, project: str, ended: Callable[[str], None]) -> threading.Thread:
    """Start ``provender online log ship``, which outlives this process; return who waits for it.

    ``ended`` is told, by that thread, why it could not even begin; nothing if it could.
    """
    process = subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "provender.cli.main", "online", "log", "ship"),
            *("--project", project, "--json"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PROVENDER_HOME": str(home)},
        start_new_session=True,
    )

    def wait() -> None:
        said = process.communicate()[1]
        ended(_last_words(said) if process.returncode else "")

    waiting = threading.Thread(target=wait, name="lookup-log-ship", daemon=True)
    waiting.start()
    return waiting


def _last_words(said: bytes) -> str:
    """Return the message of the error that a command of ours ended with; what it told otherwise."""
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        return str(orjson.loads(last)["message"])
    except (ValueError, KeyError, TypeError):
        return last
