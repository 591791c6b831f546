"""What takes a place: of what is there, or only where nothing is; at once where the kernel can."""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
UNABLE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
"""What a kernel or a file system says that cannot exchange, or refuse to replace."""


def swap(new: Path, target: Path, aside: Path) -> Path:
    """Put ``new`` where ``target`` is, and return where that went: to be removed.

    Where the kernel cannot exchange two names, for an instant the target is only ``aside``,
    with a lock that says that somebody is about to end this.

    Raises:
        OSError: it cannot be done; the target is where it was.
    """
    if _renamed(new, target, RENAME_EXCHANGE):
        return new
    with kept(target):
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
    return aside


def settle(new: Path, target: Path) -> None:
    """Give ``new`` the name ``target``, which nothing has.

    Raises:
        FileExistsError: something has it; that stays.
        OSError: it cannot be done.
    """
    if _renamed(new, target, RENAME_NOREPLACE):
        return
    if not new.is_dir():
        os.link(new, target)
        new.unlink()
        return
    taken = FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if os.path.lexists(target):
        raise taken
    try:
        new.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise taken from error
        raise


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


def _renamed(one: Path, other: Path, how: int) -> bool:
    """Rename ``one`` as the flag ``how`` says, and return whether that can be done here."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if not renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], ctypes.c_uint(how)):
        return True
    if (code := ctypes.get_errno()) in UNABLE:
        return False
    raise OSError(code, os.strerror(code), str(other))
