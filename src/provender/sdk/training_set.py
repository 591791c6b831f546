"""A training set in hand: its rows, and the manifest that says what they were made of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput
from provender.core.training import TrainingSetManifest
from provender.sdk.arguments import checked
from provender.sdk.targets import target_of
from provender.tables.stream import staged, write_rows

if TYPE_CHECKING:
    import pandas as pd

ID = "provender.training_set"
"""Under which name the id is in the metadata of a training set's file."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Point-in-time correct rows, in memory or in a Parquet file, and the manifest of how they were made."""

    manifest: TrainingSetManifest
    rows: pa.Table | Path
    lake: Path = field(repr=False)
    spill: Path = field(repr=False)
    """Where it is noted which file is being written, for ``provender fsck``."""

    def __repr__(self) -> str:
        made, service = self.manifest, self.manifest.spec.service
        of = f" of {service}" if service else ""
        warned = f", {len(self.warnings)} warnings" if self.warnings else ""
        kept = f", in {self.path}" if self.path else ""
        return f"TrainingSet({self.id}, {made.row_count:,} rows, {len(made.spec.features)} features{of}{warned}{kept})"

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def path(self) -> Path | None:
        """The file that the rows are in; None if they are in memory."""
        return self.rows if isinstance(self.rows, Path) else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to look at before training: values that were recorded only after the instant asked."""
        return tuple(
            f"{view}: {count:,} of {self.manifest.row_count:,} rows hold a value that was recorded "
            "only after the row's instant; a served model will not have it (known_by_then=True leaves them out)"
            for view, count in self.manifest.known_later.items()
            if count
        )

    def arrow(self) -> pa.Table:
        """Return the spine's columns, then the features asked for; all rows in memory."""
        return pq.ParquetFile(self.rows).read() if isinstance(self.rows, Path) else self.rows

    @checked
    def batches(self, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Yield the same in batches of at most so many ``rows``; a file is never read as a whole."""
        if not isinstance(self.rows, Path):
            yield from self.rows.to_batches(max_chunksize=rows)
            return
        with pq.ParquetFile(self.rows) as file:
            yield from file.iter_batches(rows)

    def pandas(self) -> "pd.DataFrame":
        """Return the same as a pandas frame; whole numbers are nullable ones, exactly."""
        import pandas as pd

        exact = {
            pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(),
            pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(),
            pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(),
        }  # fmt: skip
        return cast(
            "pd.DataFrame",
            self.arrow().to_pandas(types_mapper=lambda kind: exact.get(kind)),
        )

    @checked
    def to_parquet(self, path: str | Path, *, allow_overwrite: bool = False) -> Path:
        """Write the rows to a Parquet file, whole or not at all, with the id in its metadata.

        Raises:
            InvalidInput: the file cannot be written there, or is the one that they are in.
            Denied: it is in the lake.
            Conflict: it is there already and may not be overwritten.
            Unavailable: the disk is full.
        """
        target = Path(path)
        if self.path is not None and target.exists() and target.samefile(self.path):
            raise InvalidInput(f"the rows are in {target} already", hint="name another file")
        target_of(target, lake=self.lake, allow_overwrite=allow_overwrite)
        schema = self.rows.schema if isinstance(self.rows, pa.Table) else pq.read_schema(self.rows)
        with staged(target, spill=self.spill, replace=allow_overwrite) as file:
            write_rows(file, schema, self.batches(), metadata=lambda: {ID: self.id})
        return target
