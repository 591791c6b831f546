"""Tables in object storage: which files they are, and that DuckDB can read them there.

What cannot be reached is said so in seconds, in words that hold no secret.
"""

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from provender.core.errors import InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.training import Table
from provender.tables.endpoints import Endpoint
from provender.tables.places import PATTERN, is_own

if TYPE_CHECKING:
    import duckdb

    from provender.tables.objectfiles import ObjectFiles

HTTP = ("http", "https")


def files_of(endpoint: Endpoint) -> "ObjectFiles":
    """Return the files of one object storage.

    Raises:
        Unavailable: the packages for it are not installed.
    """
    try:
        from provender.tables.objectfiles import ObjectFiles
    except ImportError as error:
        if error.name not in ("obstore", "fsspec"):
            raise
        raise Unavailable(
            f"{endpoint.scheme}:// needs the package {error.name}, which is not installed",
            hint="pip install 'provender[object-storage]'",
        ) from error
    return ObjectFiles(endpoint)


def named_files(table: Table, *suffixes: str) -> tuple[str, list[str]]:
    """Return the folder that a table in object storage is read from, and the URLs of its files.

    What a file, a folder and a pattern are is as in `places.local_files`.

    Raises:
        NotFound: there are none, or no such bucket.
        Unavailable: the storage cannot be reached, or does not let us in.
        InvalidInput: the URL is none of a file or folder.
    """
    _check_url(table.location)
    if table.files:
        return table.location, list(table.files)
    with explained(table.location):
        base, found = _find(files_of(Endpoint.of(table)), table.location, suffixes)
    if not found:
        raise NotFound(
            f"there are no files at {table.location}", hint="check the path of the source"
        )
    return base, sorted(found)


def attach(
    connection: "duckdb.DuckDBPyConnection", endpoint: Endpoint, urls: list[str]
) -> list[str]:
    """Let ``connection`` read from ``endpoint`` and return ``urls`` in the form that it knows."""
    if not connection.filesystem_is_registered(endpoint.protocol):
        connection.register_filesystem(files_of(endpoint))
    return [f"{endpoint.protocol}://{url.partition('://')[2]}" for url in urls]


@contextmanager
def explained(location: str) -> Iterator[None]:
    """Say what object storage refuses in our words; its own may hold what is secret.

    Raises:
        NotFound: the file or the bucket is not there.
        Unavailable: the storage cannot be reached, or does not let us in.
    """
    try:
        yield
    except ProvenderError:
        raise
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no {location}", hint="check the bucket and the path of the source"
        ) from error
    except PermissionError as error:
        raise Unavailable(
            f"{location} may not be read with the credentials of the environment",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or their like) to a key that may; "
            "AWS_SKIP_SIGNATURE=true reads what is public",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"{location} cannot be reached",
            hint="check the network, AWS_ENDPOINT_URL and the source's s3_endpoint_override",
        ) from error


def _find(files: "ObjectFiles", location: str, suffixes: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the folder that ``location`` is or begins with, and its files, as URLs."""
    scheme, _, key = location.partition("://")
    folder = key.rstrip("/") + "/"
    if not key.endswith("/") and files.exists(key):
        folder, found = key.rpartition("/")[0] + "/", [key]
    elif (listed := files.below(folder)) or not any(sign in key for sign in PATTERN):
        found = [
            path
            for path in listed
            if path.lower().endswith(suffixes) and not is_own(path.removeprefix(folder))
        ]
    else:
        folder, wanted = _fixed(key), key.split("/")
        found = [path for path in files.below(folder) if _fits(path.split("/"), wanted)]
    return f"{scheme}://{folder.rstrip('/')}", [f"{scheme}://{path}" for path in found]


def _fits(parts: list[str], pattern: list[str]) -> bool:
    """Return whether a path fits a pattern, part by part; ``**`` stands for any folders."""
    if not pattern:
        return not parts
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        return any(_fits(parts[start:], rest) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], head) and _fits(parts[1:], rest)


def _check_url(location: str) -> None:
    """Refuse what is no path: a signed query or a password is a secret that sources must not hold."""
    parts = urlsplit(location)
    if (parts.scheme in HTTP and parts.query) or parts.password:
        raise InvalidInput(
            f"{parts.scheme}://{parts.hostname}{parts.path} has a query or a password",
            hint="write the path alone: credentials come from the environment",
        )


def _fixed(key: str) -> str:
    """Return the part of a pattern before the first folder with a mark."""
    parts = key.split("/")
    first = next(n for n, part in enumerate(parts) if any(sign in part for sign in PATTERN))
    return "/".join(parts[:first]) + "/"
