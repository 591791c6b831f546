"""A training set in hand: its rows, and the manifest that says what they were made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.errors import InvalidInput
from provender.core.training import TrainingSetManifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Point-in-time correct rows, and the manifest that says what they were made of."""

    manifest: TrainingSetManifest
    rows: pa.Table

    @property
    def id(self) -> str:
        return self.manifest.id

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
        """Return the spine's columns, then the features asked for."""
        return self.rows

    def pandas(self) -> "pd.DataFrame":
        """Return the same as a pandas frame; integers with nulls become ``Int64``, exactly."""
        import pandas as pd

        exact = {
            pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(),
        }  # fmt: skip
        return cast(
            "pd.DataFrame",
            self.rows.to_pandas(types_mapper=lambda kind: exact.get(kind)),
        )

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows to a Parquet file, whole or not at all, with the id in its metadata.

        Raises:
            InvalidInput: the file cannot be written there.
        """
        target = Path(path)
        metadata = {
            **(self.rows.schema.metadata or {}),
            b"provender.training_set": self.id.encode(),
        }
        partial = target.with_name(f".{target.name}.partial")
        try:
            pq.write_table(self.rows.replace_schema_metadata(metadata), partial, compression="zstd")
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise InvalidInput(
                f"{target} cannot be written: {error.strerror or error}",
                hint="name a file in a folder that exists and that you may write",
            ) from error
        return target
