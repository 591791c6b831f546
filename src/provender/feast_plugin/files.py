"""Where a Feast file source's files are: here, or on a machine that we can reach."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from provender.core.errors import InvalidInput
from provender.tables.places import is_pattern, matches

REMOTE = ("s3", "gs", "gcs", "az", "abfs", "http", "https")
"""Schemes of places on other machines. Any other could be another way to write a local path."""


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
    return path.exists() or (is_pattern(path) and bool(matches(path)))
