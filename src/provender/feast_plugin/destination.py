"""Where Feast's calls about logged features go: the dataset that servers log their lookups to."""

from feast.data_source import DataSource
from feast.feature_logging import LOG_TIMESTAMP_FIELD, LoggingDestination
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.feast_plugin.source import CatalogSource

KIND = "provender.catalog"
DATASET = "dataset"


class CatalogLoggingDestination(LoggingDestination):
    """A dataset of the catalog.

    Without ``dataset`` it is for the server alone, which knows the name: see
    ``docs/how-to/log-what-serving-saw.md``. Feast's own calls need it.
    """

    _proto_kind = KIND

    def __init__(self, *, dataset: str = "") -> None:
        self.dataset = DatasetRef.parse(dataset).dataset if dataset else ""

    @classmethod
    def from_proto(cls, config_proto: LoggingConfigProto) -> "CatalogLoggingDestination":
        """Return the destination that Feast's registry holds."""
        return cls(dataset=config_proto.custom_destination.config[DATASET])

    def to_proto(self) -> LoggingConfigProto:
        """Return what Feast's registry holds."""
        custom = LoggingConfigProto.CustomDestination(kind=KIND, config={DATASET: self.dataset})
        return LoggingConfigProto(custom_destination=custom)

    def to_data_source(self) -> DataSource:
        """Return what reads the dataset.

        Raises:
            InvalidInput: it is not named.
        """
        if not self.dataset:
            raise InvalidInput(
                "the logging destination names no dataset",
                hint='write CatalogLoggingDestination(dataset="serving_log.…")',
            )
        return CatalogSource(dataset=self.dataset, timestamp_field=LOG_TIMESTAMP_FIELD)
