"""Saved datasets of Feast as versions of a dataset of the catalog: persisting publishes, and never rewrites."""

import json
from typing import Any

import pyarrow as pa
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.saved_dataset import SavedDatasetStorage

from provender.core.names import DatasetRef
from provender.core.policy import EVERY, Action, ColumnRef
from provender.core.training import PointInTimePlan
from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.terms import Terms
from provender.tables.evidence import demanded
from provender.tables.storage import publishing
from provender.tables.versions import write_version

PRODUCER = "feast.create_saved_dataset"


class SavedSource(CatalogSource):
    """The rows of a saved dataset; they are read whole, not by keys and features."""


class CatalogStorage(SavedDatasetStorage):
    """``storage=CatalogStorage("domain.name")`` of `FeatureStore.create_saved_dataset`.

    Each time it is persisted the dataset gets a new version; the ones before stay.
    """

    _proto_attr_name = "custom_storage"

    def __init__(self, dataset: str) -> None:
        self.ref = DatasetRef.parse(dataset)

    @staticmethod
    def from_proto(storage_proto: Any) -> "CatalogStorage":
        """Return the storage that Feast's registry holds."""
        options = json.loads(storage_proto.custom_storage.configuration)
        return CatalogStorage(options["dataset"])

    def to_proto(self) -> Any:
        configuration = json.dumps({"dataset": str(self.ref)}).encode()
        options = DataSourceProto.CustomSourceOptions(configuration=configuration)
        return self._custom_storage_proto(options)

    def to_data_source(self) -> SavedSource:
        """Return the source of its rows: the latest version, or the one that is named."""
        return SavedSource(dataset=str(self.ref))


def publish(
    storage: CatalogStorage, rows: pa.RecordBatchReader, plan: PointInTimePlan, terms: Terms
) -> None:
    """Publish ``rows`` as a version of the dataset, computed from the versions that ``plan`` read.

    Raises:
        NotFound: the dataset is not declared in the catalog.
        Denied: the actor may not publish it.
        Incompatible: the columns are not those that its readers know.
    """
    catalog = collaborators.catalog(terms.settings)
    dataset = catalog.dataset(storage.ref)
    catalog.permit(Action.PUBLISH, [ColumnRef(dataset.ref.dataset, EVERY)], purpose="")
    lake = terms.settings.lake
    with publishing(lake):
        manifest = write_version(lake, dataset, rows, inputs=plan.pins, producer=PRODUCER)
        evidence = demanded(catalog, dataset.ref, manifest, lake)
        catalog.publish(dataset.ref, manifest, evidence=evidence)
