"""A Feast data source that names a dataset of the catalog: never a file, so the gate cannot be passed by.

Feast stores it as a custom source. Whoever reads a registry that holds one needs this package.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.value_type import ValueType

from provender.core.datasets import DatasetVersion
from provender.core.errors import InvalidInput, NotFound
from provender.core.names import DatasetRef, suggest
from provender.feast_plugin import collaborators
from provender.feast_plugin.value_types import value_type
from provender.tables.arrow import quote

CLASS_PATH = "provender.feast_plugin.source.CatalogSource"


class CatalogSource(DataSource):
    """Rows of a dataset of the catalog: ``domain.name`` (its latest version) or ``domain.name@version``.

    Without a ``timestamp_field`` it is the event timestamp that the catalog declares. ``tags``
    are Feast's; what protects a column is written in the catalog.
    """

    def __init__(
        self,
        *,
        dataset: str,
        name: str | None = None,
        timestamp_field: str | None = None,
        created_timestamp_column: str | None = None,
        field_mapping: dict[str, str] | None = None,
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "",
    ) -> None:
        self.ref = DatasetRef.parse(dataset)
        self._timestamp_field = ""
        super().__init__(
            name=name or dataset,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
        )

    @property
    def dataset(self) -> str:
        """The dataset as written: with its version, if it names one."""
        return str(self.ref)

    @property
    def table(self) -> str:
        """The dataset's name as SQL writes it, in a spine that is a query."""
        plain = self.ref.version is None and all(
            part.isidentifier() for part in self.dataset.split(".")
        )
        return self.dataset if plain else quote(self.dataset)

    def get_table_query_string(self) -> str:
        """Return what stands for the rows in a spine that is a query."""
        return self.table

    @property
    def timestamp_field(self) -> str:
        """The event timestamp's column: as given, else as the catalog declares it.

        Empty while the catalog does not know the dataset; validating the source says so.
        """
        if not self._timestamp_field:
            try:
                declared = collaborators.catalog().dataset(self.ref).event_timestamp
            except NotFound:
                return ""
            self._timestamp_field = declared or ""
        return self._timestamp_field

    @timestamp_field.setter
    def timestamp_field(self, value: str) -> None:
        self._timestamp_field = value

    def __hash__(self) -> int:
        return hash((self.name, self.ref))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CatalogSource)
            and self.ref == other.ref
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
                configuration=json.dumps({"dataset": self.dataset}).encode()
            ),
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            field_mapping=self.field_mapping,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    @staticmethod
    def from_proto(data_source: Any) -> "CatalogSource":
        """Return the source that Feast's registry holds."""
        options = json.loads(data_source.custom_options.configuration)
        return CatalogSource(
            dataset=options["dataset"],
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

    def version(self) -> DatasetVersion:
        """Return the version that is read when nothing pins another: the named one or the latest."""
        return collaborators.catalog().resolve(self.ref)

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return the columns with our type words, as the catalog has them."""
        return [(column.name, column.type) for column in self.version().manifest.schema.columns]

    def validate(self, config: RepoConfig) -> None:
        """Return if the dataset is in the catalog and has the timestamps that are named.

        Raises:
            NotFound: the dataset or the version is not there; the hint names a near one.
            InvalidInput: a timestamp column is missing, or none is declared.
        """
        schema = self.version().manifest.schema
        if not self.timestamp_field:
            raise InvalidInput(
                f"source {self.name}: {self.ref.dataset} declares no event timestamp",
                hint="give the source a timestamp_field",
            )
        physical = {logical: column for column, logical in self.field_mapping.items()}
        for field in filter(None, (self.timestamp_field, self.created_timestamp_column)):
            column = physical.get(field, field)
            if column not in schema:
                raise InvalidInput(
                    f"source {self.name}: {self.dataset} has no column {column!r}",
                    hint=suggest(column, schema.names),
                )
