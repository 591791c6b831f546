"""What all contenders are asked to do, as a value that travels to their processes as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

SYSTEM = ("event_timestamp", "created_timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A feature view: its Parquet file, and the dataset that governs the same rows, if one does."""

    name: str
    path: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl_seconds: int | None = None
    created: bool = True
    dataset: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a right answer depends on."""
        return (*self.keys, *(SYSTEM if self.created else SYSTEM[:1]), *self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A point-in-time join: the spine's file, the views, and what the answer shall be.

    The spine has ``row_id``, which no two rows share, and ``event_timestamp``. ``answer`` is a
    Parquet file, or a pandas frame that is written after the clock was stopped. ``spine_as``
    says how our store gets the spine; peers can take it in one way only. ``home`` is the state
    folder for views of datasets, ``pins`` are their versions.
    """

    spine: str
    views: tuple[View, ...]
    answer: Literal["parquet", "pandas"] = "parquet"
    spine_as: Literal["pandas", "file"] = "pandas"
    memory_limit: str = ""
    home: str = ""
    pins: tuple[tuple[str, int], ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(name for view in self.views for name in view.features)

    @property
    def spine_rows(self) -> int:
        return int(pq.read_metadata(self.spine).num_rows)

    @property
    def files(self) -> tuple[str, ...]:
        return (self.spine, *(view.path for view in self.views))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def load(path: Path) -> Workload:
    """Return the workload that was saved there."""
    document: dict[str, Any] = json.loads(path.read_text())
    views = tuple(
        View(**{**view, "keys": tuple(view["keys"]), "features": tuple(view["features"])})
        for view in document.pop("views")
    )
    pins = tuple((name, version) for name, version in document.pop("pins"))
    return Workload(views=views, pins=pins, **document)


def view_of(
    name: str, path: Path, *, keys: tuple[str, ...], ttl_seconds: int | None = None
) -> View:
    """Return the view over a Parquet file, each of whose other columns is a feature."""
    columns = pq.read_schema(path).names
    return View(
        name=name,
        path=str(path),
        keys=keys,
        features=tuple(column for column in columns if column not in (*SYSTEM, *keys)),
        ttl_seconds=ttl_seconds,
        created=SYSTEM[1] in columns,
    )
