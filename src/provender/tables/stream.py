"""Rows that arrive as a stream, kept in one Parquet file: all of them or none.

The file is written under a hidden name beside its place, flushed to the disk and renamed, so
a reader sees what was there before or all of what is new, whenever the writer is stopped.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput, Unavailable
from provender.tables.spill import noted
from provender.tables.storage import flush

ROW_GROUP_ROWS = 122_880
PARTIAL, ASIDE = ".partial", ".aside"
JUST_MADE_SECONDS = 1.0
"""How long what is not locked may belong to somebody who is about to lock it."""


@contextmanager
def staged(target: Path, *, folder: bool = False, spill: Path | None = None) -> Iterator[Path]:
    """A hidden file (or ``folder``) beside ``target`` to write, which then takes its place.

    Nothing is left of it when the block is ended by anything. What killed processes left for
    the same place is removed first; a folder that was moved aside by one is put back. A note
    below ``spill`` lets ``provender fsck`` find it.

    Raises:
        Unavailable: the disk is full or fails.
        InvalidInput: it cannot be written there.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        hidden, lock = _hidden(target, folder=folder)
    try:
        with noted(hidden, spill):
            yield hidden
            with explained(target):
                flush(hidden)
                if folder and target.exists():
                    _swap(hidden, target)
                else:
                    hidden.replace(target)
                flush(target.parent)
    finally:
        _remove(hidden)
        os.close(lock)


def write_rows(
    file: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    metadata: Callable[[], Mapping[str, str]] | None = None,
) -> int:
    """Write ``batches`` to a new ``file`` in row groups, and return how many rows there were.

    Never more than two row groups are held: one is written while the next is made. ``metadata`` is asked at the end, for what is only
    known then; it goes to the file's own metadata.

    Raises:
        Unavailable: the disk is full or fails.
        InvalidInput: the file cannot be written there.
    """
    total = 0
    with explained(file):
        writer = pq.ParquetWriter(file, schema, compression="zstd")
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="provender-write") as thread:
            writing: Future[None] | None = None
            for group in _groups(batches, schema):
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
        Unavailable: the disk is full or fails.
        InvalidInput: it is not a place where a file can be made.
    """
    try:
        yield
    except OSError as error:
        what = f"{target} cannot be written: {os.strerror(error.errno) if error.errno else error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise Unavailable(
                what, hint="make room on the disk; what was written is removed"
            ) from error
        raise InvalidInput(what, hint="name a file in a folder that you may write") from error


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(part.num_rows for part in waiting) >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting, schema)
            whole = table.num_rows - table.num_rows % ROW_GROUP_ROWS
            waiting = table.slice(whole).to_batches()
            yield table.slice(0, whole)
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _hidden(target: Path, *, folder: bool) -> tuple[Path, int]:
    """Make a file or folder beside ``target``, and hold its lock until this process ends."""
    path = target.with_name(f".{target.name}.{token_hex(8)}{PARTIAL}")
    if folder:
        path.mkdir()
    else:
        path.touch()
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def _clear(target: Path) -> None:
    """Remove what no living process holds of what was staged for ``target``."""
    for path in target.parent.iterdir():
        if not path.name.startswith(f".{target.name}."):
            continue
        if path.name.endswith(ASIDE) and not target.exists():
            path.rename(target)
        elif path.name.endswith(ASIDE) or (path.name.endswith(PARTIAL) and not _is_held(path)):
            _remove(path)


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return time.time() - path.stat().st_mtime < JUST_MADE_SECONDS


def _swap(folder: Path, target: Path) -> None:
    """Put ``folder`` where ``target`` is. For an instant there is none, but never a mixture."""
    aside = folder.with_suffix(ASIDE)
    target.rename(aside)
    try:
        folder.rename(target)
    except OSError:
        aside.rename(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
