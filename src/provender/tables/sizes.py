"""How many bytes the files of tables take where they are."""

from collections.abc import Iterable
from pathlib import Path

from provender.core.datasets import Format
from provender.core.training import Table
from provender.tables import format_for, objects
from provender.tables.endpoints import Endpoint
from provender.tables.pinning import pin
from provender.tables.places import is_remote
from provender.tables.sources import Source, source_of


def size_bytes(tables: Iterable[Table], root: Path) -> int:
    """Return the bytes of the files of ``tables``, each file once; the lake is at ``root``.

    Of versions they are what was published. In object storage folders are listed, no file is read.

    Raises:
        NotFound: there are none at a table's place.
        Unavailable: object storage cannot be reached.
    """
    sizes: dict[str, int] = {}
    for table in tables:
        sizes |= _sizes(table, root)
    return sum(sizes.values())


def _sizes(table: Table, root: Path) -> dict[str, int]:
    if table.version is not None:
        return {f"{table.location}/{entry.path}": entry.size_bytes for entry in table.entries}
    if table.format is Format.DELTA:
        format_for(table.format)  # says what is not installed
        from provender.tables import delta

        return delta.sizes(table)
    if table.format is Format.ICEBERG:
        format_for(table.format)
        from provender.tables.icebergsnapshots import OpenSnapshot

        return OpenSnapshot.of(table).sizes()
    if is_remote(table.location):
        return _remote(source_of(table, root), Endpoint.of(table))
    return {str(path): path.stat().st_size for path in pin(table)[1]}


def _remote(source: Source, endpoint: Endpoint) -> dict[str, int]:
    """Ask once for a folder's list; of a single file, which may be where nothing is listed, for it."""
    with objects.explained(source.base):
        files = objects.files_of(endpoint)
        keys = {file: file.partition("://")[2] for file in source.files}
        listed = {} if len(keys) == 1 else files.sizes(source.base.partition("://")[2] + "/")
        return {
            file: listed[key] if key in listed else int(files.info(key)["size"])
            for file, key in keys.items()
        }
