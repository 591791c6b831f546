"""What is at a place that no catalog governs: in which format, and which files it is now."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from provender.core.datasets import Format
from provender.core.training import Table
from provender.tables import format_for, objects
from provender.tables.endpoints import Endpoint
from provender.tables.places import SUFFIXES, is_remote, local_files, local_path
from provender.tables.session import session

METADATA = ".metadata.json"
LOG = "_delta_log"


def format_at(location: str, *, endpoint: str = "") -> Format:
    """Return the format of what is at ``location``: as its name ends, else as what is below it.

    A folder that holds a Delta log or Iceberg's metadata is such a table; another is of the
    format of its first file, by name, that ends as one does. What tells nothing is Parquet.

    Raises:
        Unavailable: object storage cannot be reached.
    """
    if location.endswith(METADATA):
        return Format.ICEBERG
    named = _by_suffix([location])
    if named is not None:
        return named
    below = list(_below(location, endpoint))
    if any(path.startswith(f"{LOG}/") for path in below):
        return Format.DELTA
    if any(path.startswith("metadata/") and path.endswith(METADATA) for path in below):
        return Format.ICEBERG
    return _by_suffix(sorted(below)) or Format.PARQUET


def pin(table: Table) -> tuple[Table, list[Path]]:
    """Return a table that no catalog governs as it is now, and the local files that it is of.

    Links in the paths are followed.

    Raises:
        NotFound: there are no such files, no such table, or not that snapshot of it.
        InvalidInput: it is a table that cannot be read.
    """
    if table.format is Format.DELTA:
        from provender.tables import delta

        return (table, []) if is_remote(table.location) else delta.pin(table)
    if table.format is Format.ICEBERG:
        format_for(table.format)  # says what is not installed
        from provender.tables import iceberg

        return iceberg.pin(table)
    if is_remote(table.location):
        return table, []
    found = [path.resolve() for path in local_files(table, *SUFFIXES[table.format])[1]]
    return replace(table, files=tuple(map(str, found))), found


def arrow_columns(table: Table, root: Path) -> pa.Schema:
    """Return the columns of ``table``; see `TableFormat.relation` for errors."""
    with session() as connection:
        relation = format_for(table.format).relation(table, root, connection)
        schema: pa.Schema = relation.limit(0).to_arrow_table().schema
        return schema


def _by_suffix(paths: Iterable[str]) -> Format | None:
    for path in paths:
        for fmt, suffixes in SUFFIXES.items():
            if path.lower().endswith(suffixes):
                return fmt
    return None


def _below(location: str, endpoint: str) -> Iterator[str]:
    if is_remote(location):
        table = Table(format=Format.PARQUET, location=location, endpoint=endpoint)
        with objects.explained(location):
            folder = location.partition("://")[2].rstrip("/") + "/"
            paths = objects.files_of(Endpoint.of(table)).below(folder)
            yield from (path.removeprefix(folder) for path in paths)
        return
    place = local_path(location)
    if place.is_dir():
        yield from (f"{LOG}/{path.name}" for path in (place / LOG).glob("*.json"))
        yield from (f"metadata/{path.name}" for path in (place / "metadata").glob(f"*{METADATA}"))
        every = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        yield from (
            path.relative_to(place).as_posix()
            for path in sorted(place.rglob("*"))
            if path.name.lower().endswith(every)
        )
