"""Where a retrieval puts what memory does not hold, and notes what it writes elsewhere.

A folder below the spill area is its process's while it lives; what killed processes left is
removed by the next one, or by ``provender fsck``. A file that is written at somebody else's
place has a note in such a folder, so that it is found, too.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from provender.core.errors import Unavailable
from provender.tables.locks import DELTA, ELSEWHERE, claimed, give_up, written_elsewhere
from provender.tables.shortages import FEWER_FILES, is_crowded, is_full
from provender.tables.storage import STAGING


@contextmanager
def spilling(area: Path) -> Iterator[Path]:
    """A new folder below ``area``, removed at the end with what is in it.

    Raises:
        Unavailable: it cannot be made.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(claimed(area / STAGING))
        except OSError as error:
            raise Unavailable(
                f"nothing can be spilled to {area}: {error.strerror or error}", hint=_hint(error)
            ) from error
        yield folder


@contextmanager
def noted(hidden: Path, area: Path | None) -> Iterator[None]:
    """Let ``hidden`` be found if this process is killed while the block runs; without an ``area`` not."""
    if area is None:
        yield
        return
    with spilling(area) as folder:
        try:
            (folder / ELSEWHERE).write_text(str(hidden.absolute()), encoding="utf-8")
        except OSError as error:
            raise Unavailable(
                f"what is written to {hidden.parent} cannot be noted in {area}: {error.strerror or error}",
                hint="make room on the disk that PROVENDER_HOME is on; nothing was written",
            ) from error
        yield


@contextmanager
def noted_table(folder: Path, area: Path) -> Iterator[None]:
    """Let what is written to the Delta table in ``folder`` be found, if it is not committed.

    It is removed if the block fails, and found later if this process is killed meanwhile.
    """
    with spilling(area) as claim:
        note = {"folder": str(folder.absolute()), "is_new": not folder.exists()}
        (claim / DELTA).write_text(json.dumps(note), encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        except BaseException:
            os.close(handle)
            for left in written_elsewhere(claim):
                give_up(left)
            raise
        os.close(handle)


def _hint(error: OSError) -> str:
    if is_crowded(error):
        return FEWER_FILES
    places = "temp_directory in feature_store.yaml, or PROVENDER_HOME,"
    if is_full(error):
        return f"make room on that disk, or set {places} to a folder on another one"
    return f"set {places} to a folder that you may write"
