"""What a Delta table of the lake holds that no version of the catalog needs."""

import json
from collections.abc import Collection
from math import inf
from pathlib import Path


def leftovers(folder: Path, snapshots: Collection[int], files: Collection[str]) -> list[Path]:
    """Return what is in a table of the lake and none of its recorded ``snapshots`` needs.

    These are commits after the last of them, newest first, which removed in this order leave a
    whole table; commits that were never finished; and data files other than ``files``.
    """
    log, last = folder / "_delta_log", max(snapshots)
    found = sorted((path for path in log.iterdir() if path.is_file()), reverse=True)
    later = [path for path in found if _number(path) > last]
    data = [
        path
        for path in sorted(folder.rglob("*.parquet"))
        if log not in path.parents and path.relative_to(folder).as_posix() not in files
    ]
    return later + data


def _number(path: Path) -> float:
    """Return the commit that a file of a log is of; infinity for one that was never finished."""
    if path.name == "_last_checkpoint":
        return float(json.loads(path.read_bytes()).get("version", 0))
    digits = path.name.partition(".")[0]
    if digits.isdigit():
        return int(digits)
    return inf if path.suffix == ".tmp" else 0
