"""The journal of lookups: every decision on the disk before its rows are given out, in batches.

A change of the catalog carries its audit event in its own transaction; a lookup has no time for that.
Its decision is gathered with those of others for at most 100 ms, written as one line and flushed;
only then is it acknowledged. ``journal/<id>.open`` is being written by whoever holds its lock;
closed it becomes ``<id>.seg``. A line that is not whole ends its file: it was never acknowledged.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any

from provender.core.errors import Unavailable
from provender.core.merkle import leaf_hash, root_of
from provender.online.spool import flush_folder, framed, make_private, whole_lines

OPEN, CLOSED = ".open", ".seg"
KEPT = "kept"
BATCH_SECONDS = 0.1
MOST = 1000
SEGMENT_BYTES = 8 << 20
Decision = Mapping[str, Any]
_Entry = tuple[Decision, "Future[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What a segment holds: how many decisions in how many batches, and the Merkle root over those."""

    name: str
    decisions: int
    batches: int
    root: str


@dataclass(frozen=True, slots=True)
class JournalFolder:
    """The journals of all processes of a state folder. Nothing is made before somebody writes."""

    path: Path

    def adopt(self) -> int:
        """Close what processes that are gone left open; return how many files."""
        closed = 0
        for path in sorted(self.path.glob(f"*{OPEN}")):
            with suppress(FileNotFoundError):
                opened = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.rename(path.with_suffix(CLOSED))
                    closed += 1
                except BlockingIOError:  # it is being written
                    continue
                finally:
                    os.close(opened)
        return closed

    def segments(self) -> list[Path]:
        """Return the closed segments that wait to be settled, oldest first."""
        return sorted(self.path.glob(f"*{CLOSED}"))

    def keep(self, segment: Path) -> None:
        """Put a settled segment where it stays: what is in the catalog is its root only."""
        make_private(self.path / KEPT)
        segment.rename(self.path / KEPT / segment.name)
        flush_folder(self.path / KEPT)
        flush_folder(self.path)


def read_journal(segment: Path) -> list[list[dict[str, Any]]]:
    """Return the batches of a segment, each as the decisions that it holds."""
    return [json.loads(line) for line in whole_lines(segment.read_bytes())]


def summed(segment: Path) -> Sum:
    """Return what a segment holds; each batch is a leaf."""
    lines = list(whole_lines(segment.read_bytes()))
    return Sum(
        name=segment.stem,
        decisions=sum(len(json.loads(line)) for line in lines),
        batches=len(lines),
        root=f"sha256:{root_of([leaf_hash(line) for line in lines]).hex()}",
    )


class Journal:
    """Writes decisions, in a thread of its own. Safe between threads.

    ``seconds`` is how long the first of a batch waits for others, at most.
    """

    def __init__(
        self, folder: Path, *, seconds: float = BATCH_SECONDS, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._segment_bytes = segment_bytes
        self._entries: SimpleQueue[_Entry | None] = SimpleQueue()
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._turn = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="lookup-journal", daemon=True)
        self._thread.start()

    def add(self, decision: Decision) -> "Future[None]":
        """Return what is done when ``decision`` survives a loss of power.

        It fails with Unavailable if it cannot be written: then the lookup is not to be answered.
        """
        future: Future[None] = Future()
        with self._turn:
            if self._is_closed:
                raise Unavailable("the journal of lookups is closed", hint="start the server again")
            self._entries.put((decision, future))
        return future

    def close(self) -> None:
        """Write what was added, and close the segment for who settles it."""
        with self._turn:
            if self._is_closed:
                return
            self._is_closed = True
            self._entries.put(None)
        self._thread.join()
        self._end()

    def _work(self) -> None:
        more = True
        while more:
            batch, more = self._gathered()
            if batch:
                self._settle(batch)

    def _gathered(self) -> tuple[list[_Entry], bool]:
        """Return the next batch, and whether another may follow."""
        first = self._entries.get()
        if first is None:
            return [], False
        batch, deadline = [first], time.monotonic() + self._seconds
        while len(batch) < MOST:
            try:
                entry = self._entries.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if entry is None:
                return batch, False
            batch.append(entry)
        return batch, True

    def _settle(self, batch: Sequence[_Entry]) -> None:
        try:
            line = json.dumps([decision for decision, _ in batch], separators=(",", ":")).encode()
            self._write(framed(line))
        except (OSError, TypeError, ValueError) as error:
            with suppress(OSError):
                self._end()  # what is half written ends its file
            failed = Unavailable(
                f"the journal of lookups in {self._folder} cannot be written: {error}",
                hint="make room on its disk: no lookup is answered that is not written down",
            )
            for _, future in batch:
                future.set_exception(failed)
        else:
            for _, future in batch:
                future.set_result(None)

    def _write(self, data: bytes) -> None:
        if self._file is None or self._size >= self._segment_bytes:
            self._end()
            self._begin()
        assert self._file is not None  # noqa: S101 - begun above
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)
        self._size += len(data)

    def _begin(self) -> None:
        make_private(self._folder)
        self._path = self._folder / f"{time.time_ns():020d}-{token_hex(6)}{OPEN}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size = 0
        fcntl.flock(self._file, fcntl.LOCK_EX)
        flush_folder(self._folder)

    def _end(self) -> None:
        if self._file is None:
            return
        try:
            self._path.rename(self._path.with_suffix(CLOSED))
            flush_folder(self._folder)
        finally:
            os.close(self._file)
            self._file = None
