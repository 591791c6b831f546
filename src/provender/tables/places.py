"""Where the files of a table that no catalog governs are: itself, all below it, or its matches."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote, urlparse

from provender.core.datasets import Format
from provender.core.errors import NotFound
from provender.core.training import Table

PATTERN = "*?["
SUFFIXES: dict[Format, tuple[str, ...]] = {
    Format.PARQUET: (".parquet",),
    Format.CSV: (".csv", ".csv.gz"),
    Format.JSONL: tuple(f".{n}{z}" for n in ("jsonl", "ndjson", "json") for z in ("", ".gz")),
    Format.ARROW: (".arrow", ".arrows", ".feather", ".ipc"),
    Format.ORC: (".orc",),
    Format.AVRO: (".avro",),
}
"""How the names of files end that belong to a folder of a format."""


def is_remote(location: str) -> bool:
    """Return whether ``location`` is a URL of another machine."""
    return "://" in location and not location.startswith("file://")


def local_path(location: str) -> Path:
    """Return the path that ``location``, a path or a ``file://`` URL, names."""
    is_url = location.startswith("file:")
    return Path(unquote(urlparse(location).path) if is_url else location)


def local_files(table: Table, *suffixes: str) -> tuple[Path, list[Path]]:
    """Return the folder that ``table`` is read from, and its files, sorted.

    Named files are kept as they are. Of a folder they are all below it that end in one of
    ``suffixes``; names that begin with a dot or an underscore are other tools' own.

    Raises:
        NotFound: there are none.
    """
    place = local_path(table.location)
    base = _base(place).resolve()
    place = base / place.relative_to(_base(place))
    if table.files:
        return base, [place / file for file in table.files]
    if place.is_dir():
        found = [path for path in _below(place) if path.name.lower().endswith(suffixes)]
    elif place.exists() or not is_pattern(place):
        found = [place] if place.is_file() else []
    else:
        found = [path for path in matches(place) if path.is_file()]
    if not found:
        raise NotFound(f"there are no files at {place}", hint="check the path of the source")
    return base, sorted(found)


def partition_keys(base: PurePath, files: Sequence[PurePath]) -> tuple[str, ...]:
    """Return the names in folders called ``name=value`` between ``base`` and every one of ``files``."""
    found: tuple[str, ...] | None = None
    for file in files:
        inner = file.relative_to(base).parts[:-1] if file.is_relative_to(base) else ()
        names = tuple(part.partition("=")[0] for part in inner if "=" in part.strip("="))
        found = names if found in (None, names) else ()
    return found or ()


def is_pattern(path: Path) -> bool:
    """Return whether ``path`` has marks that stand for other ones."""
    return any(sign in str(path) for sign in PATTERN)


def matches(path: Path) -> list[Path]:
    """Return what fits ``path`` as a pattern; ``**`` stands for any folders."""
    return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def _base(place: Path) -> Path:
    if place.is_dir():
        return place
    if place.exists() or not is_pattern(place):
        return place.parent
    fixed = place
    while is_pattern(fixed):
        fixed = fixed.parent
    return fixed


def is_own(path: str) -> bool:
    """Return whether a file or folder in ``path`` has a name that tools keep for themselves."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.split("/"))


def _below(folder: Path) -> list[Path]:
    found = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_own(name)]
        found += [Path(at, name) for name in names if not is_own(name)]
    return found
