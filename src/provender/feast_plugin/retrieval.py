"""The retrieval job: what Feast hands back before anything is read, and the ways to get the rows."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast.data_format import DeltaFormat
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from provender.core.errors import InvalidInput
from provender.core.training import TrainingSetManifest
from provender.feast_plugin.errors import LocationTaken
from provender.feast_plugin.files import is_remote
from provender.feast_plugin.storage import CatalogStorage
from provender.offline.answer import Answer, Progress
from provender.offline.deadline import Deadline
from provender.offline.progress import counted, shown
from provender.tables.deltawrites import create_table, replace_table
from provender.tables.spill import spilling
from provender.tables.stream import Taken, staged, write_rows

EXACT_IN_FLOAT = 2**53
EXACT = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
"""What holds the whole numbers, and nulls, that a float does not."""
BATCH_ROWS = 65_536
PARQUET = ".parquet"
PART = "part-0.parquet"


@dataclass
class ProvenderRetrievalJob(RetrievalJob):
    """Rows that are read when asked for, anew each time; a permit is asked for each time too.

    ``read`` gives all columns, on-demand features too. ``place`` says where a path given to
    `persist` is, or refuses it. ``recorded`` says that the stream of ``read`` is only then a
    recorded training set when it has ended. ``count`` is how many rows there will be, if that
    is known.
    """

    read: Callable[[Progress], Answer]
    explain: Callable[[], str]
    place: Callable[[str], str]
    describe: Callable[[], RetrievalMetadata | None] = lambda: None
    computed: list[OnDemandFeatureView] = field(default_factory=list)
    full_names: bool = False
    manifests: list[TrainingSetManifest] = field(default_factory=list)
    recorded: bool = False
    count: int | None = None
    spill: Path = field(kw_only=True)
    publish: Callable[[CatalogStorage, pa.RecordBatchReader], None] | None = None

    @property
    def training_set(self) -> str:
        """The id under which the last reading is recorded; empty before it, or if nothing governs it."""
        return self.manifests[-1].id if self.manifests else ""

    def to_arrow(self, validation_reference: Any = None, timeout: int | None = None) -> pa.Table:
        """Return the rows as an Arrow table; on-demand features are computed batch by batch."""
        computed = replace(self, computed=[])  # Feast would compute what is there already
        return RetrievalJob.to_arrow(computed, validation_reference, timeout)

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """Return the rows as pandas.

        Whole numbers with nulls are floats there, as always; but where a float would not be
        exact, the column is of pandas' nullable Int64 or UInt64.
        """
        rows = self.to_arrow(validation_reference=validation_reference, timeout=timeout)
        frame = rows.to_pandas().reset_index(drop=True)
        for name in inexact_in_float(rows):
            frame[name] = rows.column(name).to_pandas(types_mapper=EXACT.get)
        return frame

    def to_arrow_batches(
        self,
        rows_per_batch: int = BATCH_ROWS,
        *,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow batches, never holding all of them.

        Of governed rows the first comes when the last is recorded; until then they wait on
        the disk. Closing the iterator early leaves nothing behind.
        """
        with _told(progress, timeout) as tell:
            if not self.recorded:
                yield from _sliced(self._batches(self.read(tell), tell), rows_per_batch)
                return
            with spilling(self.spill) as folder:
                file = folder / PART
                schema = self._write(file, tell)
                with pq.ParquetFile(file) as rows:
                    for batch in rows.iter_batches(rows_per_batch):
                        yield _typed(batch, schema)

    def to_parquet(
        self,
        path: str | Path,
        *,
        allow_overwrite: bool = False,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the rows to one Parquet file, whole or not at all, and return where it is.

        They are written as they come: memory holds a row group. On a terminal a bar shows how
        far it is, unless ``progress`` is told. However it is ended early, nothing is left.

        Raises:
            LocationTaken: the file is there already and may not be overwritten.
            InvalidInput: Parquet has no type for a column.
            Unavailable: the disk is full, or ``timeout`` seconds are over.
        """
        target = self._target(str(path), allow_overwrite=allow_overwrite)
        with (
            _told(progress, timeout) as tell,
            _untaken(target),
            staged(target, spill=self.spill, replace=allow_overwrite) as file,
        ):
            self._write(file, tell)
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
        """Write the rows where ``storage`` says: a dataset of the catalog, a Parquet file or folder, a Delta table.

        A dataset gets a new version, and so does a Delta table; the ones before stay. Files are
        there until all rows are written.

        Raises:
            LocationTaken: something is there already and may not be overwritten.
            InvalidInput: the storage is none of these.
        """
        if isinstance(storage, CatalogStorage) and self.publish is not None:
            with _told(None, timeout) as tell:
                answer = self.read(tell)
                with closing(self._batches(answer, tell)) as batches:
                    reader = pa.RecordBatchReader.from_batches(answer.schema, batches)
                    self.publish(storage, reader)
            return
        if not isinstance(storage, SavedDatasetFileStorage):
            raise InvalidInput(
                f"saved datasets cannot be kept in {type(storage).__name__}",
                hint="use CatalogStorage(dataset), or SavedDatasetFileStorage(path=…)",
            )
        target = self._target(storage.file_options.uri, allow_overwrite=allow_overwrite)
        is_file = target.suffix == PARQUET
        with _told(None, timeout) as tell, _untaken(target):
            if isinstance(storage.file_options.file_format, DeltaFormat):
                self._write_delta(target, tell, allow_overwrite=allow_overwrite)
                return
            with staged(
                target, folder=not is_file, spill=self.spill, replace=allow_overwrite
            ) as place:
                self._write(place if is_file else place / PART, tell)

    @property
    def full_feature_names(self) -> bool:
        return self.full_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self.computed

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self.describe()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        with _told(None, timeout) as tell:
            answer = self.read(tell)
            return pa.Table.from_batches(self._batches(answer, tell), answer.schema)

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def _target(self, path: str, *, allow_overwrite: bool) -> Path:
        if is_remote(path):
            raise InvalidInput(
                f"{path} is on another machine; a retrieval is written to a local place",
                hint="write it to a file here, and copy that",
            )
        target = Path(self.place(path))
        if target.exists() and not allow_overwrite:
            raise LocationTaken(path)
        return target

    def _batches(self, answer: Answer, tell: Progress) -> Generator[pa.RecordBatch, None, None]:
        """Yield the answer's batches and tell how far they are."""
        try:
            yield from counted(answer.batches, self.count, tell)
        finally:
            answer.close()

    def _write(self, file: Path, tell: Progress) -> pa.Schema:
        """Write the rows to ``file``, and return the schema that they had."""
        answer = self.read(tell)
        with closing(self._batches(answer, tell)) as batches:
            write_rows(file, answer.schema, batches, metadata=self._metadata)
        return answer.schema

    def _write_delta(self, target: Path, tell: Progress, *, allow_overwrite: bool) -> None:
        answer = self.read(tell)
        failures: list[BaseException] = []
        batches = _noting(self._batches(answer, tell), failures)
        try:
            rows = pa.RecordBatchReader.from_batches(answer.schema, batches)
            if allow_overwrite:
                replace_table(target, rows, self.spill)
            else:
                create_table(target, rows, self.spill)
        except Exception as error:
            if failures:  # what ended the stream, and not what the writer made of it
                raise failures[0] from error
            raise

    def _metadata(self) -> Mapping[str, str]:
        return {"provender.training_set": self.training_set} if self.recorded else {}


def inexact_in_float(rows: pa.Table) -> list[str]:
    """Return the columns that pandas would make floats of and thereby change values of."""
    return [
        column.name
        for column in rows.schema
        if pa.types.is_integer(column.type)
        and rows.column(column.name).null_count
        and _exceeds(rows.column(column.name))
    ]


def _exceeds(column: pa.ChunkedArray) -> bool:
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    return low is not None and (low < -EXACT_IN_FLOAT or high > EXACT_IN_FLOAT)


def _sliced(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _typed(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``rows`` with the types that they had before they were Parquet, which has no seconds, for example."""
    columns = []
    for column, kind in zip(rows.columns, schema.types, strict=True):
        if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()  # Arrow has no cast from numbers to a dictionary
        columns.append(column.cast(kind))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _noting(
    batches: Iterator[pa.RecordBatch], failures: list[BaseException]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except BaseException as error:
        failures.append(error)
        raise


@contextmanager
def _untaken(target: Path) -> Iterator[None]:
    """Say in Feast's words, too, that somebody has put something at ``target`` meanwhile."""
    try:
        yield
    except Taken as error:
        raise LocationTaken(str(target)) from error


@contextmanager
def _told(progress: Progress | None, timeout: int | None) -> Iterator[Progress]:
    """Whom to tell how far a job is, which ends after ``timeout`` seconds."""
    with shown(progress) as tell:
        yield tell if timeout is None else Deadline(tell, timeout)


def write_parquet(rows: pa.Table, target: Path) -> None:
    """Write ``rows`` to the file ``target``: a reader sees what was there before, or all of it."""
    with staged(target) as file:
        write_rows(file, rows.schema, rows.to_batches())
