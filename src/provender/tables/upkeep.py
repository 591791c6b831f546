"""Looking after the lake: what in it is left over, and what of it is not as it was published.

Files come first and the row of the catalog last, so a killed publisher leaves files that no row
names: they are orphans, found by what is not named. Publishers at work are waited for, and
kept out meanwhile (`storage.nobody_publishing`); what a living process stages or spills is its
own. Files that look like none of ours are named and left alone.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from provender.core.datasets import DatasetVersion, Format, Manifest
from provender.core.errors import InvalidInput
from provender.core.lake import dataset_at, is_below
from provender.core.training import Table
from provender.tables import deltalog, hashed, ledger, storage
from provender.tables.locks import (
    AREA_LOCK,
    ASIDE,
    give_up,
    held,
    leftovers,
    remove,
    staged_for,
    written_elsewhere,
)

FOLDER = re.compile(rf"({'|'.join(Format)})(-[0-9a-f]{{24}}(-[0-9a-f]{{8}})?)?")
"""What a format calls the folder of a version, or of all versions."""


OURS = (storage.STAGING, hashed.FOLDER, ledger.FOLDER)
"""Folders of the lake in which no versions are."""

TABLES = (Format.DELTA, Format.ICEBERG)
"""They keep many versions in one folder, each a snapshot with a number."""


class Kind(StrEnum):
    """What is wrong with a file or folder of the lake."""

    ORPHAN = "orphan"  # left over by a killed process; it can be removed
    DAMAGED = "damaged"  # of a version, but gone or changed
    FOREIGN = "foreign"  # not of our making


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with why; ``versions`` are those that it is of."""

    kind: Kind
    path: Path
    why: str
    size_bytes: int = 0
    versions: tuple[str, ...] = ()
    removed: bool = False


def sweep(
    root: Path,
    spills: Sequence[Path],
    recorded: Callable[[], Sequence[DatasetVersion]],
    *,
    clean: bool = False,
) -> list[Finding]:
    """Return what is in the lake at ``root``, or spilled below ``spills``, and belongs to nobody.

    ``recorded`` gives every version of the catalog; it is asked once no publisher is at work.
    With ``clean`` orphans are removed, and nothing else.

    Raises:
        Conflict: a publisher is at work for more than a minute.
        Unavailable: the lake cannot be written.
    """
    with storage.nobody_publishing(root), storage.explained(root):
        found = [*_abandoned([root, *spills]), *_unrecorded(root, recorded(), clean=clean)]
        return [_removed(finding, root, clean=clean) for finding in found]


def forget(
    root: Path,
    names: Collection[str],
    gone: Sequence[Manifest],
    kept: Callable[[], Sequence[Manifest]],
) -> tuple[int, int]:
    """Remove the files of ``gone`` that none of ``kept`` needs; return how many, and their bytes.

    Both are manifests of one dataset, which has, or had, those ``names``: whatever a manifest
    says, nothing is removed that lies in a folder of another, or above. ``kept`` are those whose
    data stays; it is asked once no publisher is at work. Of a table of many versions the files
    go that only ``gone`` ones have; its log stays.

    Raises:
        Conflict: a publisher is at work for more than a minute.
        Unavailable: the lake cannot be written.
    """
    with storage.nobody_publishing(root), storage.explained(root):
        staying = kept()
        needed = {(one.location, entry.path) for one in staying for entry in one.files}
        places = {one.location for one in staying}
        removed: dict[Path, int] = {}
        for manifest in gone:
            if dataset_at(manifest.location) not in names:
                continue
            for entry in manifest.files:
                if not is_below(entry.path):
                    continue
                path = storage.resolve(root, f"{manifest.location}/{entry.path}")
                if (manifest.location, entry.path) not in needed and path.is_file():
                    removed[path] = path.stat().st_size
                    path.unlink()
            if manifest.location not in places:
                remove(storage.resolve(root, manifest.location))
                hashed.list_of(root, manifest.location).unlink(missing_ok=True)
    return len(removed), sum(removed.values())


def damages(
    root: Path,
    versions: Sequence[DatasetVersion],
    *,
    again: bool = False,
    progress: Callable[[str, float], object] = lambda stage, done: None,
) -> list[Finding]:
    """Return the files of ``versions`` that are not what was published, once each.

    ``again``: hash also the files that were hashed before and not touched since.
    """
    wrong: dict[Path, tuple[str, list[str]]] = {}
    seen: set[tuple[str, str]] = set()
    for done, version in enumerate(versions):
        progress("checking", done / len(versions))
        table = Table.of(version)
        new = [e for e in table.entries if (table.location, e.path) not in seen]
        seen.update((table.location, entry.path) for entry in new)
        try:
            paths = [storage.resolve(root, f"{table.location}/{e.path}") for e in table.entries]
        except InvalidInput as error:
            wrong.setdefault(root / table.location, (str(error), []))[1].append(str(version.ref))
            continue
        for path, why in storage.faults(
            root, replace(table, entries=tuple(new)), again=again
        ).items():
            wrong[path] = (why, [])
        for path in paths:
            if path in wrong:
                wrong[path][1].append(str(version.ref))
    return [
        Finding(kind=Kind.DAMAGED, path=path, why=why, versions=tuple(names))
        for path, (why, names) in wrong.items()
    ]


def _abandoned(places: Iterable[Path]) -> Iterator[Finding]:
    """What killed processes staged or spilled."""
    for area in (place / storage.STAGING for place in places):
        if not area.is_dir():
            continue
        with held(area / AREA_LOCK):
            for path in leftovers(area):
                for elsewhere in written_elsewhere(path):
                    yield _orphan(elsewhere, _why(elsewhere))
                yield _orphan(path, "staged by a process that was killed")


def _why(path: Path) -> str:
    target = staged_for(path)
    if path.suffix == ASIDE and target is not None and not target.exists():
        return f"moved aside by a process that was killed, to be put back to {target}"
    return "half-written, or replaced, by a process that was killed"


def _unrecorded(
    root: Path, versions: Sequence[DatasetVersion], *, clean: bool
) -> Iterator[Finding]:
    """What no version refers to."""
    known: dict[str, list[DatasetVersion]] = {}
    for version in versions:
        known.setdefault(version.manifest.location, []).append(version)
    lists = {hashed.list_of(root, location) for location in known}
    for path in sorted((root / hashed.FOLDER).glob("*")):
        if path.resolve() not in lists:
            yield _orphan(path, "about files that no version refers to")
    for depth, path in _walk(root):
        location = path.relative_to(root).as_posix()
        if location in known:
            yield from _inside(path.resolve(), known[location], clean=clean)
        elif depth == 3 and path.is_dir() and FOLDER.fullmatch(path.name):
            yield _orphan(path, "no version refers to it")
        else:
            yield Finding(
                kind=Kind.FOREIGN, path=path, why="not of our making", size_bytes=_size(path)
            )


def _walk(root: Path) -> Iterator[tuple[int, Path]]:
    """Yield folders three levels down, where versions are, and files above, with their level."""
    above = [root]
    for depth in (1, 2, 3):
        level = [path for folder in above for path in sorted(folder.iterdir())]
        if depth == 1:
            level = [path for path in level if path.name not in OURS]
        above = [path for path in level if path.is_dir()]
        for path in level:
            if depth == 3 or not path.is_dir():
                yield depth, path


def _inside(folder: Path, versions: Sequence[DatasetVersion], *, clean: bool) -> Iterator[Finding]:
    """What is in the folder of recorded versions and none of them needs."""
    files = {entry.path for version in versions for entry in version.manifest.files}
    fmt = versions[0].manifest.format
    snapshots = [v.manifest.native_snapshot for v in versions if _is_snapshot(v.manifest)]
    if fmt in TABLES and not snapshots:
        return
    if fmt is Format.DELTA and (folder / "_delta_log").is_dir():
        for path in deltalog.leftovers(folder, {int(at) for at in snapshots}, files):
            yield _orphan(path, "no version refers to it")
    elif fmt is Format.ICEBERG:
        from provender.tables import iceberglog  # its packages are an extra of their own

        if clean:
            iceberglog.go_back(folder, snapshots[-1])
        for path in iceberglog.leftovers(folder, files):
            yield _orphan(path, "no version refers to it")
    elif (folder / storage.CONTENTS).is_file():
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name not in files and name != storage.CONTENTS:
                yield Finding(
                    kind=Kind.FOREIGN, path=path, why="not of our making", size_bytes=_size(path)
                )


def _is_snapshot(manifest: Manifest) -> bool:
    """Whether a table can have what ``manifest`` calls its snapshot."""
    said = manifest.native_snapshot
    return manifest.format in TABLES and said.isascii() and said.isdecimal()


def _orphan(path: Path, why: str) -> Finding:
    return Finding(kind=Kind.ORPHAN, path=path, why=why, size_bytes=_size(path))


def _removed(finding: Finding, root: Path, *, clean: bool) -> Finding:
    if not clean or finding.kind is not Kind.ORPHAN:
        return finding
    give_up(finding.path)
    for folder in finding.path.parents[:2]:
        if not folder.is_relative_to(root):
            continue
        if folder.parent == root or folder.parent.parent == root:
            _remove_empty(folder)
    return replace(finding, removed=not finding.path.exists())


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a dataset or a domain in which nothing is left."""
    if folder.name not in OURS and not any(folder.iterdir()):
        folder.rmdir()


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
