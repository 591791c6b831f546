"""The journal of lookups: their decisions on the disk within 100 ms, in batches, until the catalog has them.

A change of the catalog carries its audit event in its own transaction; a lookup has no time for
that. It is counted beside those that are alike (`core.tally`), and a thread writes the counts down
and flushes them, so a lookup waits for nothing, and a kill loses those of the last 100 ms. Where
the journal cannot be written, or nobody takes what is written, `problem` says so: then lookups are
refused. ``<journal>/<id>.open`` is being written by whoever holds its lock; closed, it becomes
``<id>.seg``. A line that is not whole ends its file.
"""

import atexit
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from provender.core.audit import Outcome
from provender.core.errors import ProvenderError
from provender.core.leases import unrecorded
from provender.core.tally import LONGEST, Matter
from provender.online.spool import flush_folder, framed, make_private
from provender.values import to_json

log = logging.getLogger(__name__)
FOLDER = "journal"
OPEN, CLOSED = ".open", ".seg"
GATHER_SECONDS = 0.05
"""How long counts are gathered: with the flush, some 100 ms at most on a disk that is well."""
SEGMENT_SECONDS = 0.7
"""How long a segment stays open: who takes it waits for that, and has it within a second."""
SEGMENT_BYTES = 4 << 20
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.5
MOST = 10_000
"""Different decisions that are kept in memory while they cannot be written."""


def journal_of_servers(home: Path) -> Path:
    """Return the journal that online servers write in the state folder ``home``."""
    return home / FOLDER / "online"


def journal_of(home: Path, actor: str) -> Path:
    """Return the journal of lookups in process by ``actor``, who tells the catalog of them."""
    return home / FOLDER / quote(actor, safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much may wait for the catalog: by the age of the oldest, in seconds, and in bytes."""

    seconds: float = 60.0
    size_bytes: int = 64 << 20


BACKLOG = Backlog()


@dataclass(slots=True)
class Count:
    """Lookups of one matter and one verdict, since they were written down last."""

    matter: Matter
    verdict: Outcome
    because: str
    first: int
    began: float
    lookups: int = 0
    entities: int = 0
    last: int = 0
    ended: float = 0.0


@dataclass(slots=True)
class Writing:
    """The segment that is open, the matters that it tells already, and when it is to be closed."""

    file: int
    path: Path
    due: float
    size: int = 0
    told: dict[int, Matter] = field(default_factory=dict)


class Journal:
    """Counts decisions, and writes them down in a thread of its own. Safe between threads."""

    def __init__(
        self,
        folder: Path,
        *,
        backlog: Backlog = BACKLOG,
        gather_seconds: float = GATHER_SECONDS,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        self._folder = folder
        self._backlog = backlog
        self._gather_seconds = gather_seconds
        self._segment_seconds = segment_seconds
        self._counts: dict[tuple[int, Outcome, str], Count] = {}
        self._number = 0
        self._run = token_hex(4)
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._is_closed = False
        self._writing: Writing | None = None
        self._fault = self._behind = ""
        self._looked = 0.0
        self._turn(probes=True)
        self._look()
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._work, name="lookup-journal", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why no more lookups can be written down; empty: they can."""
        if self._is_closed or not self._thread.is_alive():  # as in a process that was forked
            return "their journal is closed"
        return self._fault or self._behind

    def require(self, *, passes: bool = False) -> None:
        """Return if a lookup can be written down, or ``passes`` without.

        Raises:
            Denied: it cannot.
        """
        if not passes and (problem := self.problem):
            raise unrecorded(problem)

    def note(self, matter: Matter, verdict: Outcome, entities: int, because: str = "") -> None:
        """Count a lookup of ``entities`` that was decided. Waits for nothing."""
        now, key = time.time(), (id(matter), verdict, because)
        with self._lock:
            self._number += 1
            count = self._counts.get(key)
            if count is None:
                if len(self._counts) >= MOST:
                    return  # the journal is out of order for long, and nothing restricted is served
                count = Count(matter, verdict, because[:LONGEST], self._number, now)
                self._counts[key] = count
                self._awake.set()
            count.lookups += 1
            count.entities += entities
            count.last, count.ended = self._number, now

    def close(self) -> None:
        """Write what was counted, and close the segment for who takes it."""
        with self._lock:
            self._is_closed = True
        self._awake.set()
        self._thread.join()
        atexit.unregister(self.close)

    def _work(self) -> None:
        while not self._is_closed:
            if self._awake.wait(self._segment_seconds if self._writing else LOOK_SECONDS):
                time.sleep(0 if self._is_closed else self._gather_seconds)
                self._awake.clear()
            self._turn(probes=bool(self._fault))
            if time.monotonic() >= self._looked + LOOK_SECONDS:
                self._look()
        self._turn()
        with suppress(OSError):
            self._end()

    def _turn(self, *, probes: bool = False) -> None:
        """Write down what was counted; what cannot be written is kept, and counted on.

        Where nothing was, see whether it could be, if it ``probes``.
        """
        with self._lock:
            counts, self._counts = self._counts, {}
        try:
            if counts:
                self._write(counts.values())
            elif probes and self._writing is None:
                self._begin()
            if self._writing is not None and time.monotonic() >= self._writing.due:
                self._end()
        except OSError as error:
            self._fail(f"{self._folder} cannot be written: {error.strerror or error}")
            with suppress(OSError):
                self._end(torn=True)
            self._keep(counts)
        else:
            self._fault = ""

    def _fail(self, why: str) -> None:
        if why != self._fault:
            log.error("lookups cannot be written down: %s", why)
        self._fault = why

    def _keep(self, counts: dict[tuple[int, Outcome, str], Count]) -> None:
        """Put back what was not written, beside what was counted meanwhile; try again after a while."""
        with self._lock:
            for key, count in self._counts.items():
                kept = counts.setdefault(key, count)
                if kept is not count:
                    kept.lookups += count.lookups
                    kept.entities += count.entities
                    kept.last, kept.ended = count.last, count.ended
            self._counts = counts
        if counts and not self._is_closed:
            time.sleep(RETRY_SECONDS)
            self._awake.set()

    def _write(self, counts: Iterable[Count]) -> None:
        writing = self._writing or self._begin()
        news: dict[str, str] = {}
        told: list[list[object]] = []
        for count in counts:
            number = id(count.matter)
            if number not in writing.told:
                writing.told[number] = count.matter
                news[str(number)] = to_json(count.matter)
            requests = f"{self._run}.{count.first}", f"{self._run}.{count.last}"
            sums = count.lookups, count.entities, *requests, count.began, count.ended
            told.append([str(number), count.verdict, count.because, *sums])
        data = framed(json.dumps([news, told], separators=(",", ":")).encode())
        left = memoryview(data)
        while left:
            left = left[os.write(writing.file, left) :]
        os.fsync(writing.file)
        writing.size += len(data)
        if writing.size >= SEGMENT_BYTES:
            writing.due = 0.0

    def _begin(self) -> Writing:
        make_private(self._folder)
        path = self._folder / f"{time.time_ns():020d}-{token_hex(6)}{OPEN}"
        unlocked = path.with_suffix(".new")  # who adopts what is open takes what nobody has locked
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(unlocked, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            unlocked.rename(path)
            flush_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._writing = Writing(file, path, time.monotonic() + self._segment_seconds)
        return self._writing

    def _end(self, *, torn: bool = False) -> None:
        """Close the segment; what is ``torn``, and so is written again elsewhere, is cut off first."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            if torn:
                os.ftruncate(writing.file, writing.size)
            writing.path.rename(writing.path.with_suffix(CLOSED))
            flush_folder(self._folder)
        finally:
            os.close(writing.file)

    def _look(self) -> None:
        """See whether what was written is taken."""
        self._looked = time.monotonic()
        self._behind = behind(self._folder, self._backlog, now=time.time())


@dataclass(frozen=True, slots=True)
class Ledger:
    """What lookups are told to that are decided: a journal, and what is answered without.

    Where it is out of order, what is public is answered all the same if ``passes`` says so.
    """

    journal: Journal
    passes: bool = False

    def served(self, matter: Matter | None, entities: int, *, is_public: bool) -> None:
        """Count a lookup that is answered; of ``None``, which nobody governs, nothing.

        Raises:
            Denied: it cannot be written down.
        """
        if matter is not None:
            self.journal.require(passes=self.passes and is_public)
            self.journal.note(matter, Outcome.ALLOW, entities)

    def refused(self, matter: Matter | None, entities: int, error: ProvenderError) -> None:
        """Count a lookup that was refused with ``error``."""
        if matter is not None:
            self.journal.note(matter, Outcome.DENY, entities, error.message)


def behind(folder: Path, backlog: Backlog, *, now: float) -> str:
    """Say how far the catalog is behind what is in ``folder``; empty if that is within ``backlog``."""
    oldest, total = now, 0
    for path in (*folder.glob(f"*{CLOSED}"), *folder.glob(f"*{OPEN}")):
        with suppress(OSError, ValueError):
            total += path.stat().st_size
            oldest = min(oldest, int(path.stem.partition("-")[0]) / 1e9)
    if now - oldest > backlog.seconds:
        return f"the catalog has not taken them for {now - oldest:.0f} s"
    if total > backlog.size_bytes:
        return f"{total >> 20} MiB of them wait in {folder} for the catalog"
    return ""
