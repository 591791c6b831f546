"""Which files of the lake were hashed, and were what they should be: so that none is hashed twice.

A file is known by its place, size, times and inode; whatever changes it changes one of them.
What is known is kept in the process and, per location, in a list under ``.hashed`` in the lake,
written by appending whole lines: a killed process leaves at most a line that says nothing.
Damage that the file system does not know of is not noticed here; `verify_version` hashes always.
"""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FOLDER = ".hashed"
YOUNG_NS = 50_000_000
"""A file written to in the last 50 ms could be written to again within one tick of its clock."""

Stamp = tuple[int, int, int, int]

_known: dict[Path, tuple[Stamp, str]] = {}
_read: dict[Path, int] = {}


def stamp(path: Path) -> Stamp | None:
    """Return what tells that a file is still the same: size, times in ns, inode. None: it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def recall(path: Path, now: Stamp) -> str | None:
    """Return the SHA-256 that the file at ``path`` had when it had the stamp ``now``; None: unknown."""
    known = _known.get(path)
    return known[1] if known and known[0] == now else None


def remember(root: Path, location: str, files: Iterable[tuple[Path, Stamp, str]]) -> None:
    """Keep the SHA-256 of ``files``, as far as they are not too young and the lake can be written."""
    settled = [
        (path, seen, sha256)
        for path, seen, sha256 in files
        if time.time_ns() - seen[1] > YOUNG_NS and _known.get(path) != (seen, sha256)
    ]
    if not settled:
        return
    _known.update((path, (seen, sha256)) for path, seen, sha256 in settled)
    folder = root.resolve() / location
    lines = (json.dumps([os.path.relpath(p, folder), *seen, sha256]) for p, seen, sha256 in settled)
    with suppress(OSError):  # a lake that is only read, or full: hashing again is all it costs
        _append(list_of(root, location), "".join(f"\n{line}\n" for line in lines).encode())


def list_of(root: Path, location: str) -> Path:
    """Return where the list of the files at ``location`` is."""
    return root.resolve() / FOLDER / f"{location.replace('/', '.')}.jsonl"


def _append(file: Path, text: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, text)
    finally:
        os.close(handle)


def load(root: Path, location: str) -> None:
    """Take in what the list of ``location`` says, if it grew since it was read last."""
    file = list_of(root, location)
    try:
        size = file.stat().st_size
        if _read.get(file) == size:
            return
        text = file.read_bytes()
    except OSError:
        return
    folder = root.resolve() / location
    for line in text.splitlines():
        with suppress(ValueError, TypeError):
            path, length, written, changed, inode, sha256 = json.loads(line)
            _known[(folder / path).resolve()] = ((length, written, changed, inode), sha256)
    _read[file] = size
