"""Where a retrieval puts what memory does not hold, and notes what it writes elsewhere.

A folder below the spill area is its process's while it lives; what killed processes left is
removed by the next one, or by ``provender fsck``. A file that is written at somebody else's
place has a note in such a folder, so that it is found, too.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from provender.core.errors import Unavailable
from provender.tables.locks import ELSEWHERE, claimed
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


def _hint(error: OSError) -> str:
    if is_crowded(error):
        return FEWER_FILES
    places = "temp_directory in feature_store.yaml, or PROVENDER_HOME,"
    if is_full(error):
        return f"make room on that disk, or set {places} to a folder on another one"
    return f"set {places} to a folder that you may write"
