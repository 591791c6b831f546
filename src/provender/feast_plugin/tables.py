"""A Feast data source for a table of files in any format that we read, at a snapshot if it has some.

Feast's own FileSource names Parquet and Delta; with our store also what its path tells the format
of. This one says the format, the snapshot and the storage's address. Feast stores it as a custom
source: whoever reads a registry that holds one needs this package.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from feast.data_source import DataSource
from feast.infra.offline_stores.offline_utils import get_offline_store_from_config
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.value_type import ValueType

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.names import suggest
from provender.feast_plugin.value_types import value_type

CLASS_PATH = "provender.feast_plugin.tables.TableSource"


class TableSource(DataSource):
    """Rows that no catalog governs: a file, a folder or a pattern; a Delta or Iceberg table.

    ``format`` is one of our formats (empty: as the path tells). ``snapshot`` is a Delta table's
    version, or an Iceberg table's snapshot id, branch or tag (empty: the latest).
    ``s3_endpoint_override`` is as Feast's. Relative paths belong to the feature repository.
    """

    def __init__(
        self,
        *,
        path: str,
        timestamp_field: str,
        format: str = "",  # noqa: A002 - what users call it
        snapshot: str | int = "",
        s3_endpoint_override: str = "",
        name: str | None = None,
        created_timestamp_column: str | None = None,
        field_mapping: dict[str, str] | None = None,
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "",
    ) -> None:
        known = [str(fmt) for fmt in Format]
        if format and format not in known:
            raise InvalidInput(f"{format!r} is not a format", hint=suggest(format, known))
        if not timestamp_field:
            raise InvalidInput(
                f"source {name or path} names no event timestamp", hint="give timestamp_field"
            )
        self.path = path
        self.format = format
        self.snapshot = str(snapshot)
        self.s3_endpoint_override = s3_endpoint_override
        super().__init__(
            name=name or path,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
        )

    @property
    def options(self) -> dict[str, str]:
        """What Feast does not keep itself."""
        return {
            "path": self.path,
            "format": self.format,
            "snapshot": self.snapshot,
            "s3_endpoint_override": self.s3_endpoint_override,
        }

    def __hash__(self) -> int:
        return hash((self.name, self.path, self.snapshot))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TableSource)
            and self.options == other.options
            and bool(super().__eq__(other))  # type: ignore[no-untyped-call]
        )

    def source_type(self) -> Any:
        return DataSourceProto.CUSTOM_SOURCE

    def _to_proto_impl(self) -> Any:
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=CLASS_PATH,
            custom_options=DataSourceProto.CustomSourceOptions(
                configuration=json.dumps(self.options).encode()
            ),
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            field_mapping=self.field_mapping,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    @staticmethod
    def from_proto(data_source: Any) -> "TableSource":
        """Return the source that Feast's registry holds."""
        return TableSource(
            **json.loads(data_source.custom_options.configuration),
            name=data_source.name,
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        return value_type

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return the columns with our type words, as the offline store of ``config`` finds them.

        Raises:
            InvalidInput: the offline store is not ours.
        """
        store = get_offline_store_from_config(config.offline_store)
        if type(store).__name__ != "ProvenderOfflineStore":
            raise InvalidInput(
                f"source {self.name} cannot be read by a {type(store).__name__}",
                hint="set type: provender.feast_plugin.offline.ProvenderOfflineStore as offline_store",
            )
        return list(store.get_table_column_names_and_types_from_data_source(config, self))

    def validate(self, config: RepoConfig) -> None:
        """Return if the table is there and has the timestamps that are named.

        Raises:
            NotFound: there is no such table, or not that snapshot of it.
            InvalidInput: a timestamp column is missing.
        """
        names = [name for name, _ in self.get_table_column_names_and_types(config)]
        physical = {logical: column for column, logical in self.field_mapping.items()}
        for field in filter(None, (self.timestamp_field, self.created_timestamp_column)):
            column = physical.get(field, field)
            if column not in names:
                raise InvalidInput(
                    f"source {self.name} has no column {column!r}", hint=suggest(column, names)
                )
