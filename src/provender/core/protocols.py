"""The few seams: what the data plane asks of a catalog, a table format and an engine."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from provender.core.datasets import Dataset, DatasetVersion, Manifest
from provender.core.features import RepoSpec
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.serving import ServingManifest
from provender.core.training import PointInTimePlan, Table, TrainingSetManifest


class Catalog(Protocol):
    """What training, publishing and applying ask. The actor is the catalog's, not the caller's."""

    def dataset(self, ref: DatasetRef) -> Dataset: ...

    def resolve(self, ref: DatasetRef, *, as_of: datetime | None = None) -> DatasetVersion:
        """Return the version ``ref`` names, else the latest (as it was at ``as_of``)."""
        ...

    def publish(
        self,
        ref: DatasetRef,
        manifest: Manifest,
        *,
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
    ) -> DatasetVersion: ...

    def permit(self, action: Action, columns: Sequence[ColumnRef], *, purpose: str) -> Permit:
        """Return proof that the actor may; raise Denied, and write the denial down, if not."""
        ...

    def compile_serving(self, repo: RepoSpec) -> ServingManifest:
        """Return what servers would get if ``repo`` were recorded now; nothing is written."""
        ...

    def record(self, fact: TrainingSetManifest | RepoSpec) -> None:
        """Write a fact down. Definitions are recorded with the serving manifest they give."""
        ...

    def repo(self, project: str) -> RepoSpec:
        """Return the definitions applied last to ``project``, as far as the actor may know them."""
        ...


class TableFormat(Protocol):
    """One way of keeping tables. Arrow and DuckDB types are `Any` here: the core knows neither."""

    def write(self, rows: Any, root: Path, location: str) -> Any: ...

    def relation(self, table: Table, root: Path, connection: Any) -> Any: ...

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return the local Parquet files that ``table`` is, whole and in the order of `relation`.

        None where something comes on top of them: partitions in their paths, deleted rows,
        columns by another name; and where the table is of other files, or elsewhere.
        """
        ...


class Engine(Protocol):
    """Runs a point-in-time plan."""

    def run(self, plan: PointInTimePlan, spine: Any, permit: Permit, *, now: datetime) -> Any: ...
