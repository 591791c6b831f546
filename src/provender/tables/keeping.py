"""Versions in a format of other files than Parquet: written from the spool, read back, compared, kept."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

from provender.core import typewords as words
from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.tables import storage
from provender.tables.parquet import PART, Spool, Stored, folder_name
from provender.tables.rows import inspect
from provender.tables.session import session

Write = Callable[[duckdb.DuckDBPyConnection, Path], None]
Read = Callable[[duckdb.DuckDBPyConnection, Path], duckdb.DuckDBPyRelation]
OTHERWISE = "publish the dataset as parquet or delta"


def keep_as(
    fmt: Format, rows: Spool, root: Path, location: str, *, suffix: str, write: Write, read: Read
) -> Stored:
    """Keep ``rows`` as one file below ``location``, as ``write`` writes and ``read`` reads it.

    Raises:
        InvalidInput: what is read is not what was written: the format cannot hold it.
    """
    folder = rows.folder.parent / str(fmt)
    folder.mkdir()
    file = folder / f"{PART}{suffix}"
    with session() as connection:
        try:
            write(connection, file)
        except (pa.ArrowException, ValueError) as error:
            raise _lossy(fmt, str(error)) from error
        _check_same(connection, fmt, rows, lambda: read(connection, file))
    place = folder_name(location, fmt, rows.logical_digest)
    return Stored(location=place, files=storage.keep(folder, root, place))


def check_kinds(fmt: Format, schema: Schema, absent: frozenset[str]) -> None:
    """Return if ``schema`` has no column in which a kind of ``absent`` occurs.

    Raises:
        InvalidInput: there are such columns; every one is named.
    """
    found = [f"{c.name} ({c.type})" for c in schema.columns if words.parse(c.type).kinds & absent]
    if found:
        raise InvalidInput(f"{fmt} has no such type: {', '.join(found)}", hint=OTHERWISE)


def _check_same(
    connection: duckdb.DuckDBPyConnection,
    fmt: Format,
    rows: Spool,
    read: Callable[[], duckdb.DuckDBPyRelation],
) -> None:
    why = "it reads differently"
    try:
        if inspect(read(), rows.schema, connection).logical_digest == rows.logical_digest:
            return
    except (duckdb.Error, InvalidInput) as error:
        why = str(error)
    raise _lossy(fmt, why)


def _lossy(fmt: Format, why: str) -> InvalidInput:
    return InvalidInput(
        f"these rows cannot be kept as {fmt.upper()} without loss: {why}", hint=OTHERWISE
    )
