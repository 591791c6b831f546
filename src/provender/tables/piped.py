"""Rows as streams of Arrow's own format: written as they come, and read so that no end is missed.

Arrow takes a stream that just ends for a whole one. Ours end with a mark, and what lacks it broke off.
"""

import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa

from provender.core.errors import Unavailable
from provender.tables.stream import explained

END = b"\xff\xff\xff\xff\0\0\0\0"
CHUNK_BYTES = 1 << 20


def encoded(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield ``batches`` as a stream: first the schema, then each batch, the mark of the end last."""
    sink = io.BytesIO()
    writer = pa.ipc.new_stream(sink, schema)
    yield _taken(sink)
    for batch in batches:
        writer.write_batch(batch)
        yield _taken(sink)
    writer.close()
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written


def write_stream(file: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write ``batches`` to a new ``file`` as a stream.

    Raises:
        Unavailable: the disk is full or fails.
    """
    with explained(file):
        sink = file.open("wb")
    try:
        for chunk in encoded(schema, batches):
            with explained(file):
                sink.write(chunk)
    finally:
        with explained(file):
            sink.close()


def read_chunks(file: Path) -> Iterator[bytes]:
    """Yield the bytes of ``file``."""
    with file.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


def decoded(chunks: Iterator[bytes]) -> tuple[pa.Schema, Generator[pa.RecordBatch, None, None]]:
    """Return the schema and the batches of a stream; closing the latter closes ``chunks``.

    Raises:
        Unavailable: it is no such stream, or breaks off; that may be while it is read.
    """
    source = _Source(chunks)
    with _whole():
        reader = pa.ipc.open_stream(pa.PythonFile(source, mode="r"))
    return reader.schema, _batches(reader, source)


def _batches(
    reader: pa.RecordBatchReader, source: "_Source"
) -> Generator[pa.RecordBatch, None, None]:
    with closing(source):
        while True:
            with _whole():
                batch = next(reader, None)
            if batch is None:
                break
            yield batch
        source.finish()


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise _broken(str(error)) from error


def _broken(why: str) -> Unavailable:
    return Unavailable(
        f"the stream of rows broke off: {why}",
        hint="ask again; the log of the catalog's service says what happened, by the request's id",
    )


class _Source(io.RawIOBase):
    """The bytes of a stream as a file, which remembers how it ended."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes; fewer only at the end."""
        parts: list[bytes] = []
        while size > 0 and (self._rest or self._next()):
            part = bytes(self._rest[:size])
            self._rest = self._rest[len(part) :]
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self) -> None:
        """Take what is left.

        Raises:
            Unavailable: the stream does not end as whole ones do.
        """
        while self._next():
            pass
        if self._tail != END:
            raise _broken("its end is missing")

    def close(self) -> None:
        """Give back what the bytes come from."""
        if not self.closed and hasattr(self._chunks, "close"):
            self._chunks.close()
        super().close()

    def _next(self) -> bool:
        chunk = next(self._chunks, b"")
        self._rest = memoryview(chunk)
        self._tail = (
            (self._tail + chunk)[-len(END) :] if len(chunk) < len(END) else chunk[-len(END) :]
        )
        return bool(chunk)
