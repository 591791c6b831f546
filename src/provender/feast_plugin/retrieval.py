"""The retrieval job: what Feast hands back before anything is read, and the ways to get the rows."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import write_deltalake
from feast.data_format import DeltaFormat
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from provender.core.errors import InvalidInput
from provender.core.training import TrainingSetManifest
from provender.feast_plugin.errors import LocationTaken

EXACT_IN_FLOAT = 2**53
BATCH_ROWS = 65_536


@dataclass
class ProvenderRetrievalJob(RetrievalJob):
    """Rows that are read when asked for, anew each time; a permit is asked for each time too.

    ``place`` says where a path given to `persist` is, or refuses it.
    """

    read: Callable[[], pa.Table]
    explain: Callable[[], str]
    place: Callable[[str], str]
    details: RetrievalMetadata | None = None
    computed: list[OnDemandFeatureView] = field(default_factory=list)
    full_names: bool = False
    manifests: list[TrainingSetManifest] = field(default_factory=list)

    @property
    def training_set(self) -> str:
        """The id under which the last reading is recorded; empty before it, or if nothing governs it."""
        return self.manifests[-1].id if self.manifests else ""

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """Return the rows as pandas.

        Whole numbers with nulls are floats there, as always; but where a float would not be
        exact, the column is of pandas' nullable Int64.
        """
        rows = self.to_arrow(validation_reference=validation_reference, timeout=timeout)
        frame = rows.to_pandas().reset_index(drop=True)
        for name in inexact_in_float(rows):
            frame[name] = rows.column(name).to_pandas(types_mapper=lambda _: pd.Int64Dtype())
        return frame

    def to_arrow_batches(self, rows_per_batch: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow batches."""
        yield from self.to_arrow().to_batches(max_chunksize=rows_per_batch)

    def to_parquet(self, path: str | Path, *, allow_overwrite: bool = False) -> Path:
        """Write the rows to one Parquet file, whole or not at all, and return where it is.

        Raises:
            LocationTaken: the file is there already and may not be overwritten.
        """
        target = Path(self.place(str(path)))
        if target.exists() and not allow_overwrite:
            raise LocationTaken(str(path))
        write_parquet(self.to_arrow(), target)
        return target

    def to_sql(self) -> str:
        """Return the SQL that DuckDB runs, for people to read."""
        return self.explain()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the rows where ``storage`` says: a Parquet file or folder, or a Delta table.

        Raises:
            LocationTaken: something is there already and may not be overwritten.
            InvalidInput: the storage is not of files.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise InvalidInput(
                f"saved datasets cannot be kept in {type(storage).__name__}",
                hint="use SavedDatasetFileStorage(path=…)",
            )
        uri = storage.file_options.uri
        target = Path(self.place(uri))
        if target.exists() and not allow_overwrite:
            raise LocationTaken(uri)
        if isinstance(storage.file_options.file_format, DeltaFormat):
            _write_delta(self.to_arrow(timeout=timeout), target)
        elif target.suffix == ".parquet":
            write_parquet(self.to_arrow(timeout=timeout), target)
        else:
            _replace_folder(self.to_arrow(timeout=timeout), target)

    @property
    def full_feature_names(self) -> bool:
        return self.full_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self.computed

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self.details

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self.read()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self.read().to_pandas()


def inexact_in_float(rows: pa.Table) -> list[str]:
    """Return the columns that pandas would make floats of and thereby change values of."""
    return [
        column.name
        for column in rows.schema
        if pa.types.is_integer(column.type)
        and rows.column(column.name).null_count
        and _exceeds(rows.column(column.name))
    ]


def write_parquet(rows: pa.Table, target: Path) -> None:
    """Write ``rows`` to the file ``target``: a reader sees what was there before, or all of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        pq.write_table(rows, staged, compression="zstd")
        with staged.open("rb") as written:
            os.fsync(written.fileno())
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


def _exceeds(column: pa.ChunkedArray) -> bool:
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    return low is not None and (low < -EXACT_IN_FLOAT or high > EXACT_IN_FLOAT)


def _replace_folder(rows: pa.Table, target: Path) -> None:
    """Swap a folder with the rows in: for an instant there is none, but never a mixture."""
    unique = uuid.uuid4().hex
    staged, before = (target.with_name(f".{target.name}.{end}.{unique}") for end in ("new", "old"))
    try:
        write_parquet(rows, staged / "part-0.parquet")
        if target.exists():
            target.rename(before)
        staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _write_delta(rows: pa.Table, target: Path) -> None:
    write_deltalake(str(target), rows, mode="overwrite", schema_mode="overwrite")
