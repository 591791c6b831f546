"""The witness: a file beside the database that every checkpoint is appended to, one JSON line each.

It is where whoever may write the database cannot: another disk, an append-only file, a mount of
another machine. What it says cannot be unsaid by a database that was cut off or put back.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provender.core.checkpoints import Checkpoint
from provender.core.errors import Corrupt, Unavailable
from provender.values import from_json, to_json

PRIVATE = 0o600
TAIL_BYTES = 4096
"""More than a line takes."""
Later = Callable[[int], list[Checkpoint]]
"""Returns the checkpoints of a catalog of that many events or more, the smallest first."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The file ``path``, which is made when there is something to say."""

    path: Path

    def read(self) -> list[Checkpoint]:
        """Return what it was told, oldest first; nothing where it is not there.

        Raises:
            Corrupt: a line is no checkpoint.
            Unavailable: it cannot be read.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._lost(error) from error
        return [from_json(Checkpoint, line) for line in lines if line]

    def catch_up(self, later: Later) -> int:
        """Append what it does not know yet of a catalog's checkpoints; return how many those were.

        Raises:
            Corrupt: it knows of one that the catalog does not have: events are missing there.
            Unavailable: it cannot be written, to the disk.
        """
        try:
            with self._opened() as file:
                last = self._last(file)
                known = later(last.size if last else 0)
                if last is not None:
                    self._check(last, known)
                    known = known[1:]
                if known:
                    _append(file, "".join(f"{to_json(one)}\n" for one in known).encode())
                return len(known)
        except OSError as error:
            raise self._lost(error) from error

    def _check(self, last: Checkpoint, known: list[Checkpoint]) -> None:
        if not known or known[0] != last:
            raise Corrupt(
                f"the witness {self.path} knows a checkpoint of {last.size} events, "
                "and the catalog does not: events were taken out, or it was restored",
                hint="run provender audit verify; after a restore that was meant, name a new "
                "file in PROVENDER_AUDIT_WITNESS",
            )

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, ours alone until it is closed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _last(self, file: int) -> Checkpoint | None:
        """Return the last whole line; what a killed process left of one is taken away."""
        size = os.fstat(file).st_size
        tail = os.pread(file, TAIL_BYTES, max(0, size - TAIL_BYTES))
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            os.ftruncate(file, size - len(torn))
        line = whole.rpartition(b"\n")[2]
        return from_json(Checkpoint, line) if line else None

    def _lost(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"the witness {self.path} of the audit trail cannot be used: {error.strerror or error}",
            hint="make room or mend its disk: without it no checkpoint is made, and nothing changed",
        )


def _append(file: int, data: bytes) -> None:
    """Write ``data`` whole, to the disk."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)
