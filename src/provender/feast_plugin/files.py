"""Where a Feast file source's files are: every one named before anything is read, none in the lake.

Patterns and folders are written out here, once, and links are followed, so that what the
engine opens is what was looked at. Other machines' files are left to DuckDB and Delta.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlparse

from provender.core.errors import InvalidInput, NotFound

REMOTE = ("s3", "gs", "gcs", "az", "abfs", "http", "https")
"""Schemes of places on other machines. Any other could be another way to write a local path."""
PATTERN = "*?["
PARQUET = ".parquet"


def is_remote(uri: str) -> bool:
    """Return whether ``uri`` is on another machine.

    Raises:
        InvalidInput: it is neither that nor a local path.
    """
    parsed = urlparse(uri)
    if "://" not in uri and parsed.scheme != "file":
        return False
    if parsed.scheme in REMOTE and parsed.netloc:
        return True
    if parsed.scheme == "file" and not parsed.netloc:
        return False
    raise InvalidInput(
        f"{uri!r} is not a place that can be read",
        hint=f"write a path, file:///path without a host, or a URL of {', '.join(REMOTE)}",
    )


def local_path(uri: str, folder: Path) -> Path:
    """Return the absolute path of ``uri``, which is not remote; relative ones belong to ``folder``.

    One that is not there but in the current folder is taken from there, as Feast's own
    DuckDB store does.
    """
    parsed = urlparse(uri)
    bare = Path(unquote(parsed.path) if parsed.scheme == "file" else uri).expanduser()
    found = folder.absolute() / bare
    if not bare.is_absolute() and not is_there(found) and is_there(bare.absolute()):
        return bare.absolute()
    return found


def is_there(path: Path) -> bool:
    """Return whether there is a file or folder at ``path``, or one that fits it as a pattern."""
    return path.exists() or (_is_pattern(path) and bool(_matches(path)))


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files that ``path`` names, links followed: itself, all below it, or its matches.

    Raises:
        NotFound: there are none.
    """
    if path.is_dir():
        named = [Path(at, name) for at, _, names in os.walk(path) for name in names]
        found = [file for file in named if file.suffix == PARQUET]
    elif path.exists() or not _is_pattern(path):
        found = [path] if path.is_file() else []
    else:
        found = [file for file in _matches(path) if file.is_file()]
    if not found:
        raise NotFound(f"there are no Parquet files at {path}", hint="check the path of the source")
    return [file.resolve() for file in sorted(found)]


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in PATTERN)


def _matches(path: Path) -> list[Path]:
    return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
