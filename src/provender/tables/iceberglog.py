"""What an Iceberg table of the lake holds that no version of the catalog needs.

Snapshots stay in its history for good; what goes are data files of those that no version refers
to, and metadata that was written and never committed.
"""

from collections.abc import Collection
from pathlib import Path

from pyiceberg.table import Table as IcebergTable

from provender.tables.icebergwrites import opened


def leftovers(folder: Path, files: Collection[str]) -> list[Path]:
    """Return data files in ``folder`` other than ``files``, and metadata of no commit."""
    data = [
        path
        for path in sorted((folder / "data").glob("*"))
        if path.relative_to(folder).as_posix() not in files
    ]
    with opened(folder) as table:
        return data if table is None else data + _uncommitted(folder / "metadata", table)


def go_back(folder: Path, snapshot: str) -> None:
    """Make ``snapshot`` the table's current one, if the table has it and another is."""
    with opened(folder) as table:
        if table is None or table.snapshot_by_id(int(snapshot)) is None:
            return
        current = table.current_snapshot()
        if current is None or current.snapshot_id != int(snapshot):
            table.manage_snapshots().set_current_snapshot(snapshot_id=int(snapshot)).commit()


def _uncommitted(folder: Path, table: IcebergTable) -> list[Path]:
    """Metadata that cannot be reached from the table; what the log has grown over is not looked at."""
    logged = [entry.metadata_file for entry in table.metadata.metadata_log]
    reached = {_name(place) for place in (*logged, table.metadata_location)}
    for snapshot in table.snapshots():
        manifests = snapshot.manifests(table.io)
        reached |= {_name(snapshot.manifest_list), *(_name(m.manifest_path) for m in manifests)}
    oldest = min(_name(place) for place in (*logged, table.metadata_location))
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name not in reached and (path.suffix == ".avro" or path.name >= oldest)
    ]


def _name(place: str) -> str:
    return place.rpartition("/")[2]
