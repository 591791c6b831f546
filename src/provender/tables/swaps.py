"""Folders that change places: at once where the kernel can, else by way of a third name."""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
UNABLE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
"""What a kernel or a file system says that cannot exchange."""


def swap(new: Path, target: Path, aside: Path) -> Path:
    """Put ``new`` where ``target`` is, and return where that went: to be removed.

    Where the kernel cannot exchange two names, for an instant the target is only ``aside``,
    with a lock that says that somebody is about to end this.

    Raises:
        OSError: it cannot be done; the target is where it was.
    """
    if _exchange(new, target):
        return new
    with kept(target):
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
    return aside


@contextmanager
def kept(target: Path) -> Iterator[None]:
    """Hold the lock of what is at ``target``, wherever it is moved; who replaces it waits."""
    while True:
        descriptor = os.open(target, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), target.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names, and return whether that can be done here."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if not renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], ctypes.c_uint(RENAME_EXCHANGE)):
        return True
    if (code := ctypes.get_errno()) in UNABLE:
        return False
    raise OSError(code, os.strerror(code), str(other))
