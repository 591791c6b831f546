"""Our stores for Feast's own universal suite, which names this module in FULL_REPO_CONFIGS_MODULE.

How to run it is in CONTRIBUTING.md. The suite is another package of the name ``tests``, so nothing of
ours is imported from there; what the suite calls of a creator is what `Files` has.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from feast import FileSource
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage

from provender.feast_plugin.offline import ProvenderOfflineStoreConfig


class Files:
    """The sources of one test: Parquet files of a folder that goes with it."""

    @staticmethod
    def xdist_groups() -> list[str]:
        """Return nothing: its tests may run beside each other."""
        return []

    @staticmethod
    def test_markers() -> list[Any]:
        """Return nothing: its tests are marked as the others are."""
        return []

    def __init__(self, project_name: str, **_: Any) -> None:
        self.project_name = project_name
        self.folder = Path(tempfile.mkdtemp(prefix=project_name))

    def setup(self, registry: Any) -> None:
        """Nothing is to be done before the store is made."""

    def create_data_source(
        self,
        df: pd.DataFrame,
        destination_name: str,
        created_timestamp_column: str | None = "created_ts",
        field_mapping: dict[str, str] | None = None,
        timestamp_field: str | None = "ts",
    ) -> FileSource:
        """Return the source of these rows; the defaults are the suite's."""
        path = self.folder / f"{self.get_prefixed_table_name(destination_name)}.parquet"
        df.to_parquet(path)
        source = FileSource(
            path=str(path),
            file_format=ParquetFormat(),
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping or {"ts_1": "ts"},
        )
        source.table = f'"{source.name}"'  # what the suite selects from, where there is SQL
        return source

    def get_prefixed_table_name(self, suffix: str) -> str:
        return f"{self.project_name}.{suffix}"

    def create_offline_store_config(self) -> ProvenderOfflineStoreConfig:
        return ProvenderOfflineStoreConfig()

    def create_saved_dataset_destination(self) -> SavedDatasetFileStorage:
        return SavedDatasetFileStorage(
            path=str(self.folder / "saved.parquet"), file_format=ParquetFormat()
        )

    def create_logged_features_destination(self) -> FileLoggingDestination:
        return FileLoggingDestination(path=str(self.folder / "logged"))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


ONLINE = {
    "type": "provender.feast_plugin.online.ProvenderOnlineStore",
    "enforce_ttl": bool(os.environ.get("UNIVERSAL_ENFORCE_TTL")),
}
"""On the server of PROVENDER_REDIS_URL, else on the embedded one of PROVENDER_HOME.

The suite looks up rows that are older than their view's TTL and wants their values: Feast's own
stores do not enforce it.
"""

AVAILABLE_OFFLINE_STORES = [("local", Files)]
AVAILABLE_ONLINE_STORES = {os.environ.get("UNIVERSAL_ONLINE", "redis"): (ONLINE, None)}
"""The suite has questions that it asks only of a store named redis, and others of one named sqlite."""
