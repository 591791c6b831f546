"""Parquet files of one source that differ in columns: read together by name, or refused by name.

DuckDB alone takes the first file's columns and types for all: it rounds, or finds no column.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput

SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
UNSIGNED = {f"U{name}": bits for name, bits in SIGNED.items()}
NOTHING = '"NULL"'
"""DuckDB's type of a column that has nulls only, as pandas writes one without values."""
THREADS = 16
"""Footers that are asked for at once in object storage, where each is a few round trips."""


def local_representatives(files: tuple[str, ...]) -> list[str]:
    """Return the first of the local ``files`` with each kind of columns; footers are kept in mind."""
    shapes: dict[str, str] = {}
    for file in files:
        found = Path(file).stat()
        shapes.setdefault(_local_shape(file, found.st_size, found.st_mtime_ns), file)
    return list(shapes.values())


def remote_representatives(files: Mapping[str, str], system: pafs.FileSystem) -> list[str]:
    """Return the same of ``files``, which have paths in ``system``; of none that went away."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="provender-footers") as threads:
        shapes = threads.map(lambda path: _shape_if_there(path, system), files.values())
        first: dict[str, str] = {}
        for file, shape in zip(files, shapes, strict=True):
            if shape is not None:
                first.setdefault(shape, file)
    return list(first.values())


def check_columns(columns: Mapping[str, Mapping[str, str]]) -> None:
    """Return if files can be read together; ``columns`` are DuckDB's types by name, by file.

    Names are equal whatever their case, as they are to DuckDB.

    Raises:
        InvalidInput: a column has types of which none holds the values of all others.
    """
    widest: dict[str, tuple[str, str]] = {}
    for file, types in columns.items():
        for name, kind in types.items():
            before, there = widest.setdefault(name.lower(), (kind, file))
            if _widens(before, kind):
                widest[name.lower()] = kind, file
            elif not _widens(kind, before):
                raise InvalidInput(
                    f"column {name} is {before} in {there}, but {kind} in {file}",
                    hint="write one of the files anew with the type of the other, or name them as two sources",
                )


def _widens(narrow: str, wide: str) -> bool:
    """Return whether every value of the type ``narrow`` is one of ``wide``."""
    if narrow in (wide, NOTHING):
        return True
    if narrow in SIGNED:
        return SIGNED[narrow] < SIGNED.get(wide, 0)
    if narrow in UNSIGNED:
        return UNSIGNED[narrow] < max(SIGNED.get(wide, 0), UNSIGNED.get(wide, 0))
    return (narrow, wide) == ("FLOAT", "DOUBLE")


@lru_cache(maxsize=65_536)
def _local_shape(path: str, size: int, modified: int) -> str:
    """Return the columns of a file; it is not read again until it changes (``modified``)."""
    return _shape(path, pafs.LocalFileSystem())


def _shape_if_there(path: str, system: pafs.FileSystem) -> str | None:
    try:
        return _shape(path, system)
    except FileNotFoundError:
        return None  # who reads it will say so


def _shape(path: str, system: pafs.FileSystem) -> str:
    schema = pq.read_schema(path, filesystem=system)
    text: str = schema.to_string(show_field_metadata=False, show_schema_metadata=False)
    return text
