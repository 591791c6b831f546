"""Where users have rows written: not into the lake, and over a file only if they say so."""

from pathlib import Path

from provender.core.errors import Conflict, Denied, InvalidInput
from provender.tables.storage import inside


def target_of(path: str | Path, *, lake: Path, allow_overwrite: bool) -> Path:
    """Return ``path`` if a file may be written there; links are followed.

    Raises:
        InvalidInput: it is a folder.
        Denied: it is in the ``lake``, where it could take a version's place.
        Conflict: something is there already, and may not be overwritten.
    """
    target = Path(path)
    if target.is_dir() and not target.resolve().is_relative_to(lake.resolve()):
        raise InvalidInput(
            f"{target} is a folder", hint=f"name a file in it: {target}/rows.parquet"
        )
    if inside(lake, target):
        raise Denied(
            f"{target} is in the lake, where only publishing writes",
            hint="name a file elsewhere, or publish the rows as a dataset: provender dataset publish",
        )
    if target.exists() and not allow_overwrite:
        raise Conflict(
            f"{target} is there already",
            hint="name another file, or say allow_overwrite=True (--overwrite)",
        )
    return target
