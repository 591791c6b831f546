"""What is on the disk, as whoever steals it reads it: raw bytes, and what is in them compressed."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pyarrow.parquet as pq


def holding(folder: Path, *values: str | int) -> list[str]:
    """Return the files below ``folder`` in which one of ``values`` is, with where in them."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        sought = [str(value).encode() for value in values]
        for where, content in readings(path):
            found += [f"{path} ({where})" for one in sought if one in content]
    return found


def readings(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a file: its bytes, and what its format packs into them."""
    raw = path.read_bytes()
    yield "bytes", raw
    if raw[:4] == b"PAR1":
        with pq.ParquetFile(path) as file:
            yield "rows", str(file.read().to_pylist()).encode()
            yield "footer", str(file.metadata.to_dict()).encode()
    elif raw[:4] == b"Obj\x01":
        with path.open("rb") as stream:
            yield "records", str(list(fastavro.reader(stream))).encode()
    elif raw[:2] == b"\x1f\x8b":
        yield "unpacked", gzip.decompress(raw)
