"""File locks, which the kernel drops when a process ends in whatever way, and what they guard."""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from provender.core.errors import Conflict
from provender.tables import deltalog

LOCKS = "locks"
AREA_LOCK = "area.lock"
PATIENCE_SECONDS = 60.0
ELSEWHERE = "elsewhere"
"""A note in a claimed folder: the path of a file or folder that is written at another place."""
DELTA = "delta"
"""A note of the same kind: the folder of a Delta table, and whether it was made for what is written."""
PARTIAL, ASIDE = ".partial", ".aside"
STAGED = re.compile(rf"\.(.+)\.[0-9a-f]{{16}}({re.escape(PARTIAL)}|{re.escape(ASIDE)})", re.DOTALL)
"""What is written elsewhere is called so; a note of anything else is not followed."""


@contextmanager
def claimed(area: Path) -> Iterator[Path]:
    """A new folder in ``area``, this process's until the end: nobody else removes it while it lives.

    What killed processes left in ``area`` is removed first.
    """
    area.mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{token_hex(4)}"
    with held(area / AREA_LOCK):
        for path in leftovers(area):
            give_up(path)
        mine = _open_lock(area / f"{name}.lock")
        fcntl.flock(mine, fcntl.LOCK_EX)
        folder = area / name
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (area / f"{name}.lock").unlink(missing_ok=True)
        os.close(mine)


def leftovers(area: Path) -> list[Path]:
    """Return what is in ``area`` and no living process holds: folders, and locks of killed processes."""
    if not area.is_dir():
        return []
    living: set[str] = set()
    left: list[Path] = []
    for lock in sorted(area.glob("*.lock")):
        if lock.name == AREA_LOCK:
            continue
        if is_held(lock):
            living.add(lock.stem)
        else:
            left.append(lock)
    folders = (path for path in sorted(area.iterdir()) if path.is_dir() and path.name != LOCKS)
    return [folder for folder in folders if folder.name not in living] + left


def written_elsewhere(claim: Path) -> list[Path]:
    """Return what the owner of the claimed folder was writing at another place and left there.

    With it comes what it had moved aside for that; of a Delta table, what no commit names.
    """
    if (claim / DELTA).is_file():
        return _uncommitted(claim / DELTA)
    try:
        path = Path((claim / ELSEWHERE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return []
    if staged_for(path) is None:
        return []
    return [left for left in (path, path.with_suffix(ASIDE)) if os.path.lexists(left)]


def staged_for(path: Path) -> Path | None:
    """Return for which place ``path`` was written or from which it was moved aside, if so."""
    found = STAGED.fullmatch(path.name)
    return path.with_name(found[1]) if found else None


def give_up(path: Path) -> None:
    """Remove what a killed process left at ``path``, and what it noted there to be elsewhere.

    What it had moved aside is put back, if nothing has taken its place.
    """
    target = staged_for(path) if path.suffix == ASIDE else None
    if target is not None and not os.path.lexists(target):
        with suppress(OSError):  # somebody else has put it back, or something new there
            path.rename(target)
        return
    if _is_awaited(path / DELTA):
        return
    for left in written_elsewhere(path):
        give_up(left)
    remove(path)


def _uncommitted(note: Path) -> list[Path]:
    """Return what the writer of ``note`` left in a Delta table: perhaps the whole folder."""
    if _is_awaited(note):
        return []
    said = json.loads(note.read_text(encoding="utf-8"))
    folder = Path(said["folder"])
    left = deltalog.uncommitted(folder, note.stat().st_mtime)
    if (
        said["is_new"]
        and folder.is_dir()
        and {p for p in folder.rglob("*") if p.is_file()} <= set(left)
    ):
        return [folder]
    return left


def _is_awaited(note: Path) -> bool:
    """Return whether somebody writes to the Delta table of ``note``: which files are left over, is then not known."""
    try:
        folder = Path(json.loads(note.read_text(encoding="utf-8"))["folder"])
        handle = os.open(folder, os.O_RDONLY)
    except (OSError, ValueError):
        return False
    return is_taken(handle)


def remove(path: Path) -> None:
    """Remove the file or folder at ``path``, if it is there and that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def is_held(lock: Path) -> bool:
    return is_taken(_open_lock(lock))


def is_taken(handle: int) -> bool:
    """Return whether somebody else holds the lock of the open file ``handle``, which is closed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def held(lock: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the file ``lock``, alone or with others (``LOCK_SH``).

    Raises:
        Conflict: another process has held it for a minute.
    """
    handle = _open_lock(lock)
    try:
        _acquire(handle, lock, how)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, lock: Path, how: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise Conflict(
                f"another process has held {lock} for {PATIENCE_SECONDS:.0f} seconds",
                hint="wait until it has published, or end it if it hangs",
            )
        time.sleep(0.02)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
