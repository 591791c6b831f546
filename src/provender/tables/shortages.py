"""What has run out when nothing can be written or opened: room on a disk, or open files.

DuckDB and Arrow hand the operating system's words on, but not its number.
"""

import errno
import os

FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))
CROWDED = tuple(map(os.strerror, (errno.EMFILE, errno.ENFILE)))
FEWER_FILES = "let a process open more files (ulimit -n), or run fewer jobs at once"


def is_full(error: Exception) -> bool:
    """Return whether a disk, a quota or the allowed size of a file is used up."""
    return any(words in str(error) for words in FULL)


def is_crowded(error: Exception) -> bool:
    """Return whether no more files may be opened."""
    return any(words in str(error) for words in CROWDED)
