"""What a Delta table holds that nobody needs: no version of the catalog, or no commit of its own log."""

import json
from collections.abc import Collection, Iterator
from math import inf
from pathlib import Path
from urllib.parse import unquote

from provender.tables import disk

LOG = "_delta_log"
NAMING = ("add", "remove", "cdc")
"""The actions of a log that name a file."""


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


def uncommitted(folder: Path, since: float) -> list[Path]:
    """Return what was written to a table after ``since`` (seconds since 1970) and no commit names.

    Nothing, where the log cannot be read or names files elsewhere than in itself.
    """
    try:
        named = set(_named(folder / LOG))
    except (OSError, ValueError):
        return []
    data = [path for path in folder.rglob("*.parquet*") if folder / LOG not in path.parents]
    return sorted(
        path
        for path in [*data, *(folder / LOG).glob("*.tmp")]
        if path.stat().st_mtime >= since and path.relative_to(folder).as_posix() not in named
    )


def _named(log: Path) -> Iterator[str]:
    """Yield the file that each action of the commits and checkpoints in ``log`` names.

    Raises:
        ValueError: it is not a log as we know it.
    """
    for commit in filter(Path.is_file, log.glob("*.json")):
        for line in commit.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "sidecar" in action:
                raise ValueError(f"{commit} names files elsewhere")
            yield from (unquote(action[name]["path"]) for name in NAMING if name in action)
    for checkpoint in log.glob("*.checkpoint*.parquet"):
        yield from _named_in_checkpoint(checkpoint)


def _named_in_checkpoint(checkpoint: Path) -> Iterator[str]:
    import pyarrow.parquet as pq  # what only names files is light

    rows = pq.read_table(checkpoint)
    if "sidecar" in rows.column_names:
        raise ValueError(f"{checkpoint} names files elsewhere")
    for name in {"add", "remove"}.intersection(rows.column_names):
        yield from (unquote(file["path"]) for file in rows.column(name).to_pylist() if file)


def _number(path: Path) -> float:
    """Return the commit that a file of a log is of; infinity for one that was never finished."""
    if path.name == "_last_checkpoint":
        return float(json.loads(path.read_bytes()).get("version", 0))
    digits = path.name.partition(".")[0]
    if digits.isdigit():
        return int(digits)
    return inf if path.suffix == ".tmp" else 0


def forget_values(folder: Path, kept: Collection[str]) -> None:
    """Take out of the log of a local table what it tells of values in files other than ``kept``.

    Statistics may be left out of a log. Checkpoints, which repeat what commits say, are removed:
    ours are never without their commits.
    """
    log = folder / LOG
    commits = sorted(path for path in log.glob("*.json") if path.stem.isdigit())
    for commit in commits:
        lines = commit.read_text(encoding="utf-8").splitlines()
        told = [_without_values(line, kept) for line in lines]
        if told != lines:
            disk.put(commit, "".join(f"{line}\n" for line in told))
    if [int(commit.stem) for commit in commits] == list(range(len(commits))):
        for path in (*log.glob("*.checkpoint*.parquet"), log / "_last_checkpoint"):
            path.unlink(missing_ok=True)
    disk.flush(log)


def _without_values(line: str, kept: Collection[str]) -> str:
    action = json.loads(line)
    told = [action[name] for name in NAMING if name in action]
    if not any(unquote(one["path"]) not in kept and one.get("stats") for one in told):
        return line
    for one in told:
        one.pop("stats", None)
    return json.dumps(action, separators=(",", ":"))
