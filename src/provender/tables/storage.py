"""The lake's folder: safe paths, staging that survives a crash, locks, durable renames.

A version's folder appears in one step: it is written under ``.staging``, flushed to the disk
and renamed. Whoever stages holds a file lock, which the kernel drops when the process ends in
whatever way; what lies in ``.staging`` without a holder is left over and removed by the next
publish. A kept folder has its list of files beside them, so that it can be checked, and healed
by publishing the same bytes again, without any catalog.
"""

import errno
import fcntl
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from provender.core.datasets import FileEntry
from provender.core.digest import CHUNK_BYTES, digest_stream
from provender.core.errors import Corrupt, InvalidInput, ProvenderError, Unavailable
from provender.core.training import Table
from provender.tables import disk, hashed
from provender.tables.locks import LOCKS, claimed, held
from provender.values import from_json, to_json

STAGING = ".staging"
PUBLISHERS = "publishers"
CONTENTS = "_files.json"
NOTHING: Mapping[str, FileEntry] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a kept folder, as they were when it was written."""

    files: tuple[FileEntry, ...]


def resolve(root: Path, location: str) -> Path:
    """Return the path of ``location`` in the lake at ``root``; it need not exist.

    Raises:
        InvalidInput: it is absolute, leads out of the lake by ``..`` or a symbolic link, or is
            no name of a file at all.
    """
    base = root.resolve()
    try:
        path = (base / location).resolve()
        path.exists()
    except (OSError, ValueError):  # too long, or with what no file system keeps
        path = base.parent
    if Path(location).is_absolute() or ".." in Path(location).parts or not _within(path, base):
        raise InvalidInput(
            f"{location!r} is not a place in the lake {root}",
            hint="locations are relative to the lake and stay inside it",
        )
    return path


def is_here(root: Path, location: str) -> bool:
    """Return whether the lake at ``root`` has anything at ``location``."""
    return resolve(root, location).exists()


def verified_files(root: Path, table: Table) -> list[Path]:
    """Return the paths of the files of a governed ``table``, each with the bytes that were published.

    What was hashed before and has not been touched since is not hashed again (`tables.hashed`).

    Raises:
        Corrupt: files are gone, or have other bytes; every such file is named.
        Unavailable: there is no lake.
    """
    if not root.exists():
        raise Unavailable(
            f"there is no lake at {root}, where the files of {table.version} would be",
            hint="read its rows through the catalog's service, which has the lake: Workspace.read, training_set",
        )
    if wrong := faults(root, table):
        raise Corrupt(
            f"{table.version}: {'; '.join(f'file {path} {why}' for path, why in wrong.items())}",
            hint="restore it from a backup, or read another version; provender fsck lists all faults",
        )
    return [resolve(root, f"{table.location}/{entry.path}") for entry in table.entries]


def faults(root: Path, table: Table, *, again: bool = False) -> dict[Path, str]:
    """Return the files of a governed ``table`` that are not what was published, each with what is wrong.

    ``again``: hash also what was hashed before.
    """
    resolve(root, table.location)
    hashed.load(root, table.location)
    wrong: dict[Path, str] = {}
    fresh = []
    for expected in table.entries:
        path = resolve(root, f"{table.location}/{expected.path}")
        seen = hashed.stamp(path)
        if seen and not again and hashed.recall(path, seen) == expected.sha256:
            continue
        if why := fault(path, expected):
            wrong[path] = why
        elif seen:
            fresh.append((path, seen, expected.sha256))
    hashed.remember(root, table.location, fresh)
    return wrong


def entry(path: Path, folder: Path) -> FileEntry:
    """Return size and SHA-256 of the file at ``path``, named relative to ``folder``."""
    return FileEntry(
        path=path.relative_to(folder).as_posix(),
        size_bytes=path.stat().st_size,
        sha256=digest_stream(_chunks(path)),
    )


def fault(path: Path, expected: FileEntry) -> str:
    """Return in words how the file at ``path`` differs from ``expected``; empty if it does not.

    The path is one that was checked: that in ``expected`` is not looked at.
    """
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != expected.size_bytes:
        return f"has {size} bytes instead of {expected.size_bytes}"
    if digest_stream(_chunks(path)) != expected.sha256:
        return "holds other bytes than were published (SHA-256 differs)"
    return ""


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new folder to write in, on the lake's file system, removed at the end with what is left.

    What killed processes left behind is removed first.

    Raises:
        Unavailable: the lake cannot be written.
    """
    with explained(root), claimed(root / STAGING) as folder:
        yield folder


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Keep other publishers of ``name`` out; wait for one that is at work.

    Raises:
        Conflict: it is still at work after a minute.
    """
    with held(_lock(root, name)):
        yield


@contextmanager
def publishing(root: Path) -> Iterator[None]:
    """Hold this from before files come into the lake until the catalog has the row that names them.

    Many publishers hold it at once, so that what is in the lake and not in the catalog is left over
    whenever nobody does.

    Raises:
        Conflict: leftovers are being removed, for more than a minute.
    """
    with held(_lock(root, PUBLISHERS), fcntl.LOCK_SH):
        yield


@contextmanager
def nobody_publishing(root: Path) -> Iterator[None]:
    """Wait until no publisher is at work, and keep them out.

    Raises:
        Conflict: one is still at work after a minute.
    """
    with held(_lock(root, PUBLISHERS)):
        yield


def _lock(root: Path, name: str) -> Path:
    with explained(root):
        folder = root / STAGING / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"


def keep(
    staged: Path, root: Path, location: str, known: Mapping[str, FileEntry] = NOTHING
) -> tuple[FileEntry, ...]:
    """Move the ``staged`` folder to ``location`` in one step and return its files.

    Files that are ``known``, by their path, are not hashed. Where ``location`` is there already, it stays: its name says what is in it. Files of it
    that got damaged are replaced if the staged ones are the same bytes.

    Raises:
        Corrupt: a file there is damaged, and the staged ones cannot replace it.
    """
    target = resolve(root, location)
    files = [path for path in sorted(staged.rglob("*")) if path.is_file()]
    entries = tuple(
        known.get(path.relative_to(staged).as_posix()) or entry(path, staged) for path in files
    )
    (staged / CONTENTS).write_text(to_json(Contents(entries)), encoding="utf-8")
    for path in staged.rglob("*"):
        disk.flush(path)
    disk.flush(staged)
    make_folder(target.parent, root)
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return _heal(staged, target, entries)
    disk.flush(target.parent)
    remember(root, location, entries)
    return entries


def link(source: Path, target: Path) -> bool:
    """Give the file ``source`` the name ``target`` as well; a copy, and False, where that cannot be."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(source, target)
        return False
    return True


def remember(root: Path, location: str, entries: Iterable[FileEntry]) -> None:
    """Take note that the files at ``location`` are what ``entries`` say: they were just hashed."""
    paths = {entry: resolve(root, f"{location}/{entry.path}") for entry in entries}
    stamped = [(path, hashed.stamp(path), entry.sha256) for entry, path in paths.items()]
    hashed.remember(root, location, [(p, seen, sha) for p, seen, sha in stamped if seen])


def make_folder(folder: Path, root: Path) -> None:
    """Make ``folder`` and those above it, up to the lake, so that they survive a power cut."""
    folder.mkdir(parents=True, exist_ok=True)
    disk.flush(folder)
    for above in folder.parents:
        if not _within(above, root.resolve()):
            break
        disk.flush(above)


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Say what the operating system refuses in our words.

    Raises:
        Unavailable: the disk is full, the folder read-only or not a folder, or the disk fails.
    """
    try:
        yield
    except ProvenderError:
        raise
    except OSError as error:
        raise Unavailable(
            f"the lake {root} cannot be written: {error.strerror or error}", hint=_hint(error, root)
        ) from error


def _hint(error: OSError, root: Path) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "make room on the disk; nothing was published, and what was written is removed"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"make {root} writable for this user, or set PROVENDER_HOME to a folder that is"
        case errno.ENOTDIR | errno.EEXIST:
            return "a file is where a folder should be; set PROVENDER_HOME to another folder"
    return "check the disk, then publish again; nothing was published"


def _within(path: Path, base: Path) -> bool:
    return path == base or base in path.parents


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _heal(staged: Path, target: Path, fresh: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    try:
        kept = from_json(Contents, (target / CONTENTS).read_bytes()).files
    except (OSError, Corrupt):
        kept = fresh
    for expected in kept:
        wrong = fault(target / expected.path, expected)
        if wrong and expected not in fresh:
            raise Corrupt(
                f"file {target / expected.path} {wrong}, and the rows given now are other bytes",
                hint="restore it from a backup, or remove the folder if nothing refers to it",
            )
        if wrong:
            (staged / expected.path).replace(target / expected.path)
    if kept is fresh:
        (staged / CONTENTS).replace(target / CONTENTS)
    disk.flush(target)
    return kept


def inside(root: Path, path: Path) -> bool:
    """Return whether ``path`` lies in the folder ``root``, or holds it; links are followed."""
    lake, asked = root.resolve(), path.resolve()
    return asked.is_relative_to(lake) or lake.is_relative_to(asked)
