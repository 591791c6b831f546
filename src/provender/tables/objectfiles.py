"""Files of one object storage as fsspec knows files: read only, and only the bytes asked for.

DuckDB and Arrow open them. Nothing is read ahead and nothing kept, so what a query reads is
what it asked for. Errors are the operating system's own, without what the storage said.
"""

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import obstore
from fsspec import AbstractFileSystem
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from provender.tables.endpoints import NO_BUCKET, Endpoint

METADATA_SERVICE = "169.254.169.254"
"""Where clouds keep the credentials of a machine: asked last, so nobody has given any."""


class ObjectFiles(AbstractFileSystem):  # type: ignore[misc]
    """The files of a storage; paths are ``bucket/key``."""

    cachable = False

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.protocol = endpoint.protocol
        self.endpoint = endpoint
        self._stores: dict[str, ObjectStore] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(path).partition("://")[2] if "://" in str(path) else str(path)

    def store(self, bucket: str) -> ObjectStore:
        """Return the store that answers for ``bucket``."""
        if bucket not in self._stores:
            url = f"{self.endpoint.scheme}://{bucket}"
            self._stores[bucket] = from_url(url, **self.endpoint.obstore_options)
        return self._stores[bucket]

    def below(self, prefix: str) -> list[str]:
        """Return the paths of all files that begin with ``prefix``, which ends in a slash."""
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the same files with the bytes of each."""
        bucket, _, key = prefix.partition("/")
        with _as_os_errors():
            listed = obstore.list(self.store(bucket), key or None)
            return {f"{bucket}/{meta['path']}": meta["size"] for batch in listed for meta in batch}

    def exists(self, path: str, **options: Any) -> bool:
        """Return whether there is a file at ``path``."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Return name, size in bytes and time of the file at ``path``."""
        name: str = self._strip_protocol(path)
        bucket, _, key = name.partition("/")
        with _as_os_errors():
            found = obstore.head(self.store(bucket), key)
        return {
            "name": name,
            "size": found["size"],
            "type": "file",
            "mtime": found["last_modified"],
            "etag": found["e_tag"],
        }

    def modified(self, path: str) -> Any:
        """Return when the file at ``path`` was written."""
        return self.info(path)["mtime"]

    def glob(self, path: str, **options: Any) -> list[str]:
        """Return ``path``: files were listed before, and their names are no patterns."""
        return [self._strip_protocol(path)]

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:  # noqa: FBT001, FBT002
        """Return the file at ``path``: folders are listed by `below`."""
        found = self.info(path)
        return [found] if detail else [found["name"]]

    def _open(self, path: str, mode: str = "rb", **options: Any) -> "ObjectFile":
        if mode != "rb":
            raise OSError(errno.EROFS, "object storage is only read", path)
        return ObjectFile(self, path)


class ObjectFile(io.RawIOBase):
    """One file; every read is one request for just those bytes."""

    def __init__(self, files: ObjectFiles, path: str) -> None:
        found = files.info(path)
        bucket, _, self._key = found["name"].partition("/")
        self._store = files.store(bucket)
        self.size: int = found["size"]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self.size - self._at, 0)
        length = left if size is None or size < 0 else min(size, left)
        if not length:
            return b""
        with _as_os_errors():
            got = obstore.get_range(self._store, self._key, start=self._at, length=length)
        self._at += length
        return got.to_bytes()

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        got = self.read(len(buffer))
        buffer[: len(got)] = got
        return len(got)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotFoundError):
        raise FileNotFoundError(errno.ENOENT, "no such bucket or file") from None
    except (PermissionDeniedError, UnauthenticatedError):
        raise PermissionError(errno.EACCES, "the storage does not let us in") from None
    except BaseError as error:
        if NO_BUCKET in str(error):
            raise FileNotFoundError(errno.ENOENT, "no such bucket") from None
        if METADATA_SERVICE in str(error):
            raise PermissionError(errno.EACCES, "no credentials are given") from None
        raise OSError(errno.EIO, "the storage does not answer as it should") from None
