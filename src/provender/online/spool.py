"""Lookups on their way to the catalog: files on the local disk that only grow, one per service.

``lookups/<project>/<service>/<slot>.open`` is being written by whoever holds the lock of its
slot; closed, it becomes a segment, ``<milliseconds>-<id>.seg``. A line is
``<length> <crc32> <JSON>``, both in eight hex digits, and the first one tells the shape of the
others. A line that is not whole ends its file: what was written when a process was killed.
"""

import fcntl
import json
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote
from zlib import crc32

from provender.core.lookuplog import LogShape
from provender.values import from_json, to_json

FOLDER = "lookups"
OPEN = ".open"
SEGMENT = ".seg"
TOLD = ".problems.json"
BATCH = "batch-"
"""How the folders are called that segments are moved to while they are published."""
HEAD_BYTES = 18
"""Length and checksum, each with the space behind it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A number, and the locked file that makes it this process's alone."""

    number: int
    lock: int

    def close(self) -> None:
        """Leave it to others."""
        os.close(self.lock)


@dataclass(frozen=True, slots=True)
class SpoolFolder:
    """The spool of one project in a state folder. Nothing is made before somebody writes."""

    home: Path
    project: str

    @property
    def path(self) -> Path:
        return self.home / FOLDER / _file_name(self.project)

    def of(self, service: str) -> Path:
        """Return where the files of ``service`` are."""
        return self.path / _file_name(service)

    def services(self) -> list[str]:
        """Return the services that have a folder."""
        if not self.path.is_dir():
            return []
        return sorted(unquote(found.name) for found in self.path.iterdir() if found.is_dir())

    def segments(self, service: str | None = None) -> list[Path]:
        """Return the closed segments of ``service``, or of all, oldest first."""
        where = "*" if service is None else _file_name(service)
        found = [path for path in self.path.glob(f"{where}/*{SEGMENT}") if _is_file(path)]
        return sorted(found, key=lambda path: path.name)

    def waits(self) -> bool:
        """Whether there is something to ship."""
        return bool(self.segments()) or any(self.path.glob(f"*/{BATCH}*"))

    def waiting(self, service: str) -> tuple[int, int]:
        """Return how many closed segments of ``service`` wait, and how many bytes they are."""
        found = [*self.segments(service), *self._begun(service)]
        return len(found), sum(map(_size, found))

    def size_bytes(self) -> int:
        """Return how much the files of the spool take, those under way included."""
        return sum(
            _size(Path(folder, name)) for folder, _, names in os.walk(self.path) for name in names
        )

    def take_slot(self) -> "Slot":
        """Return a slot that nobody else has, until it is closed or this process ends."""
        for number in count():
            if (lock := _lock(self._slot(number))) is not None:
                return Slot(number, lock)
        raise AssertionError("there is always a next number")

    def adopt(self) -> int:
        """Close what processes that are gone left open; return how many files."""
        closed = 0
        for path in self.path.glob(f"*/*{OPEN}"):
            if not _is_file(path) or not path.stem.isdecimal():
                continue
            lock = _lock(self._slot(int(path.stem)))
            if lock is not None:
                closed += _closed(path)
                os.close(lock)
        return closed

    def drop_oldest(self, most_bytes: int) -> int:
        """Delete segments until the spool takes no more; return the records lost.

        It is the oldest each time, of whichever service has most left: one that logs much, or
        cannot be published, costs the others nothing. What is being published is left alone.
        """
        over, lost = self.size_bytes() - most_bytes, 0
        if over <= 0:
            return 0
        with self.shipping() as alone:
            for path, size in _largest_first(self._kept(batches=alone)):
                if over <= 0:
                    break
                with suppress(FileNotFoundError):  # whoever ships or drops it was faster
                    records = max(0, path.read_bytes().count(b"\n") - 1)
                    path.unlink()
                    over, lost = over - size, lost + records
        return lost

    def _kept(self, *, batches: bool) -> list[list[Path]]:
        """Return the segments of each service, oldest first; with those of ``batches`` that wait."""
        return [
            sorted(
                [*self.segments(service), *(self._begun(service) if batches else ())],
                key=lambda path: path.name,
            )
            for service in self.services()
        ]

    def _begun(self, service: str) -> list[Path]:
        found = self.of(service).glob(f"{BATCH}*/*{SEGMENT}")
        return [path for path in found if _is_file(path)]

    @contextmanager
    def shipping(self) -> Iterator[bool]:
        """Whether this process alone ships now, and goes on to until the end of the block."""
        lock = _lock(self.path / ".ship.lock")
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    def tell(self, problems: dict[str, str]) -> None:
        """Write down why segments of which services could not be published, for servers to tell."""
        write_whole(self.path / TOLD, json.dumps(problems))

    def told(self) -> dict[str, str]:
        """Return what `tell` wrote last."""
        try:
            return dict(json.loads((self.path / TOLD).read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _slot(self, number: int) -> Path:
        return self.path / f".slot-{number}.lock"


class Segment:
    """A segment that is being written, by the process that has the slot."""

    def __init__(self, folder: Path, slot: int, shape: LogShape) -> None:
        make_private(folder)
        self.shape = shape
        self.size_bytes = 0
        self._path = folder / f"{slot}{OPEN}"
        if _is_file(self._path):  # left by a process that had the slot, and is gone
            _closed(self._path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        try:
            self.append([to_json(shape).encode()])
        except OSError:
            os.close(self._file)
            raise

    def append(self, lines: list[bytes]) -> None:
        """Write ``lines`` behind the others.

        Raises:
            OSError: they were not written whole; close the segment and begin another one.
        """
        data = memoryview(b"".join(map(framed, lines)))
        while data:
            written = os.write(self._file, data)
            self.size_bytes += written
            data = data[written:]

    def close(self) -> None:
        """Make a closed segment of it, which survives a loss of power.

        Raises:
            OSError: it may not survive that, or is still open to whoever comes next.
        """
        try:
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                os.fsync(self._file)
                _closed(self._path)
        finally:
            os.close(self._file)


def framed(line: bytes) -> bytes:
    """Return a line of JSON as it stands in a segment."""
    return b"%08x %08x %b\n" % (len(line), crc32(line), line)


def read_segment(path: Path) -> tuple[LogShape, list[dict[str, Any]]] | None:
    """Return the shape and the records of a segment; None where not even the shape is whole."""
    lines = whole_lines(path.read_bytes())
    shape = next(lines, None)
    if shape is None:
        return None
    return from_json(LogShape, shape), [json.loads(line) for line in lines]


def read_shape(path: Path) -> LogShape | None:
    """Return the shape of a segment, without its records; None if it is not whole."""
    with path.open("rb") as file:
        shape = next(whole_lines(file.readline()), None)
    return None if shape is None else from_json(LogShape, shape)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner only."""
    missing = [folder, *folder.parents]
    for path in reversed(missing[: next(at for at, p in enumerate(missing) if p.exists())]):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or as it was, whatever happens."""
    part = path.with_name(f"{path.name}.part")
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Return when what was renamed, made and deleted in ``folder`` survives a loss of power."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _file_name(name: str) -> str:
    """Return ``name`` as the name of a folder, which never means one above."""
    return quote(name, safe="").replace(".", "%2E")


def whole_lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a segment, up to the first that is not whole."""
    at = 0
    while at + HEAD_BYTES <= len(data):
        try:
            length, check = int(data[at : at + 8], 16), int(data[at + 9 : at + 17], 16)
        except ValueError:
            return
        line = data[at + HEAD_BYTES : at + HEAD_BYTES + length]
        end = at + HEAD_BYTES + length
        if data[end : end + 1] != b"\n" or crc32(line) != check:
            return
        yield line
        at = end + 1


def _closed(path: Path) -> bool:
    """Rename what was open to a name that sorts by its age; say whether it was there."""
    with suppress(FileNotFoundError):
        milliseconds = path.stat().st_mtime_ns // 1_000_000
        path.rename(path.with_name(f"{milliseconds:014d}-{token_hex(6)}{SEGMENT}"))
        flush_folder(path.parent)
        return True
    return False


def _is_file(path: Path) -> bool:
    """Whether it is a file and no pipe, device or link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    """Return the size of a file; 0: it is none, or gone."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _largest_first(queues: list[list[Path]]) -> Iterator[tuple[Path, int]]:
    """Yield all paths with their sizes, each time the first of the queue that has most left."""
    left = [deque((path, _size(path)) for path in queue) for queue in queues]
    sizes = [sum(size for _, size in queue) for queue in left]
    while any(left):
        at = max((at for at, queue in enumerate(left) if queue), key=sizes.__getitem__)
        path, size = left[at].popleft()
        sizes[at] -= size
        yield path, size


def _lock(path: Path) -> int | None:
    """Return the open file of a lock that is this process's now; None if another has it."""
    make_private(path.parent)
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        return None
    return opened
