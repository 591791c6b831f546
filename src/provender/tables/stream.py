"""Rows that arrive as a stream, kept in one Parquet file: all of them or none.

The file is written under a hidden name beside its place, flushed to the disk and renamed, so
a reader sees what was there before or all of what is new, whenever the writer is stopped.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import pyarrow as pa

from provender.core.errors import Conflict, InvalidInput, Unavailable
from provender.tables.disk import flush
from provender.tables.locks import ASIDE, PARTIAL, give_up, is_taken, remove, staged_for
from provender.tables.parquet import ROW_GROUP_ROWS, parquet_writer, row_groups
from provender.tables.shortages import FEWER_FILES, is_crowded, is_full
from provender.tables.spill import noted
from provender.tables.swaps import settle, swap

JUST_MADE_SECONDS = 1.0
"""How long what is not locked may belong to somebody who is about to lock it."""


class Taken(Conflict):
    """Something is already where a file or folder should go."""

    def __init__(self, target: Path) -> None:
        super().__init__(
            f"{target} is there already",
            hint="name another place, or say allow_overwrite=True (--overwrite)",
        )


@contextmanager
def staged(
    target: Path, *, folder: bool = False, spill: Path | None = None, replace: bool = True
) -> Iterator[Path]:
    """A hidden file (or ``folder``) beside ``target`` to write, which then takes its place.

    Nothing is left of it when the block is ended by anything. What killed processes left for
    the same place is removed first; a folder that was moved aside by one is put back. A note
    below ``spill`` lets ``provender fsck`` find it. Without ``replace`` it takes no place that
    something has by then.

    Raises:
        Taken: something is there, and it is not to be replaced; that stays.
        Unavailable: the disk is full or fails.
        InvalidInput: it cannot be written there, for example because a folder is there.
    """
    hidden = target.with_name(f".{target.name}.{token_hex(8)}{PARTIAL}")
    with noted(hidden, spill):
        with explained(target):
            if target.is_dir() and not folder:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            _clear(target)
            lock = _made(hidden, folder=folder)
        try:
            yield hidden
            with explained(target):
                _publish(hidden, target, folder=folder, replace=replace)
        finally:
            remove(hidden)
            os.close(lock)


def write_rows(
    file: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    metadata: Callable[[], Mapping[str, str]] | None = None,
) -> int:
    """Write ``batches`` to a new ``file`` in row groups, and return how many rows there were.

    Never more than two row groups are held: one is written while the next is made. ``metadata``
    is asked at the end, for what is only known then; it goes to the file's own metadata.

    Raises:
        Unavailable: the disk is full or fails.
        InvalidInput: the file cannot be written there.
    """
    total = 0
    with explained(file):
        writer = parquet_writer(file, schema)
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="provender-write") as thread:
            writing: Future[None] | None = None
            for group in row_groups(batches, schema):
                _wait(writing, file)
                writing = thread.submit(writer.write_table, group, ROW_GROUP_ROWS)
                total += group.num_rows
            _wait(writing, file)
        if metadata is not None:
            writer.add_key_value_metadata(dict(metadata()))
        with explained(file):
            writer.close()
            flush(file)
    except BaseException:
        with suppress(OSError):  # the disk may be full, and the file is thrown away
            writer.close()
        raise
    return total


def _wait(writing: "Future[None] | None", file: Path) -> None:
    """Wait for a row group that is written while the next one is made."""
    if writing is not None:
        with explained(file):
            writing.result()


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Say in our words why the operating system does not let ``target`` be written.

    Raises:
        Unavailable: the disk is full or fails, or too many files are open.
        InvalidInput: it is not a place where a file can be made.
    """
    try:
        yield
    except OSError as error:
        what = f"{target} cannot be written: {os.strerror(error.errno) if error.errno else error}"
        if is_crowded(error):
            raise Unavailable(what, hint=FEWER_FILES) from error
        if is_full(error) or error.errno == errno.EIO:
            raise Unavailable(
                what, hint="make room on the disk; what was written is removed"
            ) from error
        raise InvalidInput(what, hint="name a file in a folder that you may write") from error


def _made(hidden: Path, *, folder: bool) -> int:
    """Make the file or folder ``hidden``, and return its lock, held until this process ends."""
    if folder:
        hidden.mkdir()
    else:
        hidden.touch()
    lock = os.open(hidden, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _publish(hidden: Path, target: Path, *, folder: bool, replace: bool) -> None:
    """Put what was written where it should be."""
    flush(hidden)
    if not replace:
        try:
            settle(hidden, target)
        except FileExistsError as error:
            raise Taken(target) from error
    elif folder and target.exists():
        remove(swap(hidden, target, hidden.with_suffix(ASIDE)))
    else:
        hidden.replace(target)
    flush(target.parent)


def _clear(target: Path) -> None:
    """Remove, or put back, what no living process holds of what was staged for ``target``."""
    for path in target.parent.iterdir():
        if staged_for(path) != target or _is_held(path):
            continue
        if path.suffix == ASIDE or not _is_new(path):
            give_up(path)


def _is_held(path: Path) -> bool:
    try:
        return is_taken(os.open(path, os.O_RDONLY))
    except FileNotFoundError:
        return True


def _is_new(path: Path) -> bool:
    """Return whether somebody may have made ``path`` just now and be about to lock it."""
    try:
        return time.time() - path.stat().st_mtime < JUST_MADE_SECONDS
    except FileNotFoundError:
        return True
