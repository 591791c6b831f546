"""Files looked at before an engine opens them: broken ones, and small ones that unpack to very much.

Parquet says in its footer what it unpacks to; of gzip the first megabyte tells. A file that is
large, or that packs well, passes; one that is small *and* claims to be huge does not.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput, NotFound
from provender.tables.footers import BadFooter, Footer, read_footer

MARK = b"PAR1"
ENCRYPTED = b"PARE"
TAIL = struct.Struct("<I4s")
LOOKED_AT = 1 << 20
"""Bytes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may declare. Unpacked bytes count only where they are ``ratio`` times the file."""

    footer_bytes: int = 64 << 20
    columns: int = 20_000
    depth: int = 64
    row_groups: int = 200_000
    unpacked_bytes: int = 16 << 30
    ratio: int = 1_000
    gzip_ratio: int = 500
    line_bytes: int = 2_000_000


LIMITS = Limits()


def check_files(paths: Sequence[Path], limits: Limits = LIMITS) -> None:
    """Return if every one of the local Parquet files ``paths`` may be opened.

    Raises:
        NotFound: a file is gone.
        InvalidInput: a file is not whole, not Parquet, or declares more than ``limits``; the
            first such file is named.
    """
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError as error:
            raise NotFound(f"file {path} is gone", hint="check the path of the source") from error
        _check(str(path), found.st_size, found.st_mtime_ns, limits)


def check_text(paths: Sequence[Path], limits: Limits = LIMITS) -> list[Path]:
    """Return those of the local text files ``paths`` that are not empty, if they may be opened.

    Raises:
        InvalidInput: all are empty, or gzip unpacks to more than text does.
    """
    full = [path for path in paths if path.stat().st_size]
    if not full:
        raise _refused(str(paths[0]), "is empty")
    for path in full:
        if path.suffix == ".gz":
            _check_gzip(path, limits)
    return full


def check_lines(paths: Sequence[Path], limits: Limits = LIMITS) -> None:
    """Return if every line of the local files ``paths`` that are not compressed is short enough.

    DuckDB 2.0 leaves a line out of a CSV without a word if it is longer than its buffer of
    32 MB, and takes a minute for one of 200 MB that it guesses types from.

    Raises:
        InvalidInput: a line has more than ``line_bytes``.
    """
    for path in paths:
        if path.suffix == ".gz":
            continue
        found = path.stat()
        _check_lines(str(path), found.st_size, found.st_mtime_ns, limits)


def _check_gzip(path: Path, limits: Limits) -> None:
    unpack = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        packed = file.read(LOOKED_AT)
    most = max(len(packed) * limits.gzip_ratio, LOOKED_AT)
    unpacked, left = 0, packed
    try:
        while left and not unpack.eof and unpacked <= most:
            unpacked += len(unpack.decompress(left, LOOKED_AT))
            left = unpack.unconsumed_tail
    except zlib.error as error:
        raise _refused(str(path), f"is not gzip: {error}") from error
    if unpacked > most:
        raise _refused(
            str(path),
            f"unpacks to more than {limits.gzip_ratio} times its size",
            hint="unpack it, and name the unpacked file as the source if you trust it",
        )


@lru_cache(maxsize=4_096)
def _check_lines(path: str, size: int, modified: int, limits: Limits) -> None:
    open_line = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(LOOKED_AT):
            mark = b"\n" if b"\n" in chunk else b"\r"
            first = chunk.find(mark)
            open_line += len(chunk) if first < 0 else first
            if open_line > limits.line_bytes:
                raise _refused(path, f"has a line of more than {limits.line_bytes:,} bytes")
            if first >= 0:
                open_line = len(chunk) - chunk.rfind(mark) - 1


@lru_cache(maxsize=65_536)
def _check(path: str, size: int, modified: int, limits: Limits) -> None:
    """Check one file; what passed is not read again until it changes (``modified``)."""
    footer = _footer(path, size, limits)
    _check_footer(path, footer, limits)
    declared = max(footer.rows * footer.row_bytes, _unpacked_bytes(path))
    if declared > limits.unpacked_bytes and declared > limits.ratio * size:
        raise _refused(
            path,
            f"has {size:,} bytes but declares {footer.rows:,} rows, {declared:,} bytes when unpacked",
            hint="such files stop servers; if it is yours, write its rows anew, in files that unpack to "
            f"less than {limits.unpacked_bytes:,} bytes each",
        )


def _footer(path: str, size: int, limits: Limits) -> Footer:
    with Path(path).open("rb") as file:
        head = file.read(4)
        if size < 12 or head not in (MARK, ENCRYPTED):
            said = "is empty" if size == 0 else "does not begin as Parquet does"
            raise _refused(path, said)
        file.seek(-TAIL.size, os.SEEK_END)
        length, mark = TAIL.unpack(file.read(TAIL.size))
        if mark == ENCRYPTED or head == ENCRYPTED:
            raise _refused(path, "is encrypted", hint="decrypt it first")
        if mark != MARK or length > size - 12:
            raise _refused(path, "does not end as Parquet does: it is cut off, or damaged")
        if length > limits.footer_bytes:
            raise _refused(path, f"has a footer of {length:,} bytes")
        file.seek(-TAIL.size - length, os.SEEK_END)
        data = file.read(length)
    try:
        return read_footer(data, most_columns=limits.columns, most_depth=limits.depth)
    except BadFooter as error:
        raise _refused(path, f"has a footer that cannot be read: {error}") from error


def _check_footer(path: str, footer: Footer, limits: Limits) -> None:
    if footer.columns > limits.columns:
        raise _refused(path, f"has more than {limits.columns:,} columns")
    if footer.depth > limits.depth:
        raise _refused(path, f"is nested more than {limits.depth} deep")
    if footer.columns == 0:
        raise _refused(path, "has no columns")
    if footer.row_groups > limits.row_groups:
        raise _refused(path, f"has {footer.row_groups:,} row groups")
    if footer.rows < 0:
        raise _refused(path, f"declares {footer.rows:,} rows")


def _unpacked_bytes(path: str) -> int:
    """Return how many bytes the pages are when they are decompressed, as the row groups say."""
    try:
        metadata = pq.read_metadata(path)
        groups = range(metadata.num_row_groups)
        return sum(metadata.row_group(n).total_byte_size for n in groups)
    except (OSError, pa.ArrowException, ValueError, OverflowError) as error:
        said = str(error).split("\n", 1)[0]
        raise _refused(path, f"has a footer that cannot be read: {said}") from error


def _refused(path: str, said: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(
        f"file {path} {said}", hint=hint or "check that the file is whole and the right format"
    )
