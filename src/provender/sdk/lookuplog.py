"""From the spool into the catalog: what servers logged, as versions of one dataset per service.

Segments are moved into a folder first, a batch, whose name the note of the version tells. So
whoever comes after a process that was killed sees whether its batch is published: a batch is
published once, whenever that happens. A batch that cannot be published stays, and is tried again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.core.datasets import Dataset, DatasetVersion, Manifest
from provender.core.errors import Conflict, Incompatible, Misconfigured, NotFound, ProvenderError
from provender.core.features import RepoSpec, ServiceSpec
from provender.core.lineage import Node, NodeKind
from provender.core.lookuplog import (
    MANIFEST,
    LogShape,
    inherited_tags,
    log_dataset,
    log_ref,
    unprotected,
)
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.core.training import Table
from provender.online.spool import (
    BATCH,
    SEGMENT,
    SpoolFolder,
    flush_folder,
    read_segment,
    write_whole,
)
from provender.sdk.lookuprows import log_rows, together
from provender.settings import Settings
from provender.tables import format_for
from provender.tables.arrow import arrow_schema
from provender.tables.parquet import ROW_GROUP_ROWS
from provender.tables.session import session
from provender.tables.storage import publishing
from provender.tables.versions import append_version, write_version

if TYPE_CHECKING:
    from provender.core.protocols import Library

BATCH_BYTES = 32 << 20
PARENT = "parent"
"""The file of a batch that says after which version it was first tried to publish it."""
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What was published of one service's log; ``problem`` is why the rest was not."""

    service: str
    dataset: str
    rows: int = 0
    versions: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""


def ship(catalog: "Library", settings: Settings, project: str) -> list[Shipment]:
    """Publish every closed segment of ``project``; one service's problem keeps no other back.

    Raises:
        Conflict: another process does so already.
    """
    spool = SpoolFolder(settings.home, project)
    if not spool.path.is_dir():
        return []
    with spool.shipping() as alone:
        if not alone:
            raise Conflict(
                f"lookups of project {project} are being published already",
                hint="wait until that is done",
            )
        spool.adopt()
        shipped = [_ship(catalog, settings, spool, service) for service in spool.services()]
        spool.tell({one.service: one.problem for one in shipped if one.problem})
        return shipped


def declaration(catalog: "Library", project: str, service: str) -> Dataset:
    """Return what catalog/ has to declare for the log of ``service``, with the tags it inherits."""
    repo = catalog.repo(project)
    return log_dataset(repo, repo.service(service), _sources(catalog, repo))


def _ship(catalog: "Library", settings: Settings, spool: SpoolFolder, service: str) -> Shipment:
    shipment = Shipment(service=service, dataset=log_ref(spool.project, service).dataset)
    for batch in _batches(spool, service):
        try:
            rows, version = _Batch(catalog, settings, spool.project, service, batch).publish()
        except ProvenderError as error:
            shipment = replace(shipment, problem=error.message, hint=error.hint)
            continue
        versions = (*shipment.versions, str(version.ref)) if version else shipment.versions
        shipment = replace(shipment, rows=shipment.rows + rows, versions=versions)
    return shipment


def _batches(spool: SpoolFolder, service: str) -> Iterator[Path]:
    """Yield the folders of batches: those that were begun, then of what is closed now."""
    folder = spool.of(service)
    yield from sorted(folder.glob(f"{BATCH}*"))
    while segments := spool.segments(service):
        batch = folder / f"{BATCH}{token_hex(8)}"
        batch.mkdir(mode=0o700)
        size = 0
        for segment in segments:
            size += segment.stat().st_size
            if size > BATCH_BYTES and segment is not segments[0]:
                break
            segment.rename(batch / segment.name)
        flush_folder(batch)
        flush_folder(folder)
        yield batch


@dataclass(frozen=True, slots=True)
class _Batch:
    """One batch on its way; ``folder`` goes when it has arrived."""

    catalog: "Library"
    settings: Settings
    project: str
    service: str
    folder: Path

    @property
    def ref(self) -> DatasetRef:
        return log_ref(self.project, self.service)

    def publish(self) -> tuple[int, DatasetVersion | None]:
        """Return how many rows were published as which version; None if that was done before.

        Raises:
            ProvenderError: it cannot be done now.
        """
        segments = [found for path in self._segments() if (found := read_segment(path))]
        tables = [log_rows(shape, records) for shape, records in segments if records]
        published = None
        if tables:
            dataset = self._declared([shape for shape, _ in segments])
            if not self._is_published():
                published = self._publish(dataset, self._together(tables))
        self._forget()
        return (sum(map(len, tables)) if published else 0), published

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SEGMENT}"))

    def _declared(self, shapes: list[LogShape]) -> Dataset:
        """Return the dataset, if it is declared as protected as what it holds.

        Raises:
            Misconfigured: it is not declared, or its columns lack tags that they inherit.
            Denied: the actor may not publish it.
        """
        hint = (
            f"provender online log declare {self.service} --write, then provender governance apply"
        )
        try:
            dataset = self.catalog.dataset(self.ref)
        except NotFound:
            raise Misconfigured(f"dataset {self.ref} is not declared", hint=hint) from None
        repo = self.catalog.repo(self.project)
        datasets = _sources(self.catalog, repo)
        protected = self.catalog.governance().taxonomy.protected
        for shape in dict.fromkeys(shapes):
            inherited = inherited_tags(repo, _served(repo, shape), datasets)
            if lacking := unprotected(dataset, inherited, protected):
                said = "; ".join(f"{name}: {', '.join(tags)}" for name, tags in lacking.items())
                raise Misconfigured(
                    f"{self.ref} is declared without tags of what it logs: {said}", hint=hint
                )
        self.catalog.permit(Action.PUBLISH, [ColumnRef(self.ref.dataset)], purpose="")
        return dataset

    def _together(self, tables: list[pa.Table]) -> pa.Table:
        try:
            return together(tables)
        except pa.ArrowTypeError as error:
            raise self._changed(str(error)) from None

    def _changed(self, how: str) -> Incompatible:
        return Incompatible(
            f"a feature of {self.service} has another type than in {self.ref}: {how}",
            hint="give the feature another name; what was logged of the new type is kept back",
        )

    def _latest(self) -> DatasetVersion | None:
        try:
            return self.catalog.resolve(self.ref)
        except NotFound:
            return None

    def _is_published(self) -> bool:
        """Look among the versions since the first try; if this is the first, write that down."""
        latest, first = self._latest(), self.folder / PARENT
        number = latest.number if latest else 0
        if not first.exists():
            write_whole(first, str(number))
            return False
        later = range(int(first.read_text()) + 1, number + 1)
        return any(self.folder.name in self.catalog.resolve(self.ref.at(n)).note for n in later)

    def _publish(self, dataset: Dataset, rows: pa.Table) -> DatasetVersion:
        for tries_left in reversed(range(TRIES)):
            try:
                return self._publish_once(dataset, rows)
            except Conflict:  # another server's lookups were published meanwhile
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _publish_once(self, dataset: Dataset, rows: pa.Table) -> DatasetVersion:
        lake, latest = self.settings.lake, self._latest()
        producer = str(Node(NodeKind.SERVICE, f"{self.project}/{self.service}"))
        manifests = sorted(set(rows.column(MANIFEST).to_pylist()))
        with publishing(lake):
            if latest is None:
                manifest = write_version(lake, dataset, rows, producer=producer)
            else:
                fitted = self._fitted(rows, latest)
                if fitted is not None:
                    manifest = append_version(lake, dataset, latest, fitted, producer=producer)
                else:
                    manifest = self._widened(dataset, rows, latest, producer)
            return self.catalog.publish(
                self.ref,
                manifest,
                parent=latest.number if latest else 0,
                note=f"lookups of {self.folder.name}, served by {', '.join(manifests)}",
            )

    def _fitted(self, rows: pa.Table, latest: DatasetVersion) -> pa.Table | None:
        """Return ``rows`` with the columns of ``latest``; None if they have others besides."""
        there = arrow_schema(latest.manifest.schema)
        if set(rows.column_names) - set(there.names):
            return None
        nullable = _nullable(there)
        return self._together([nullable.empty_table(), rows]).select(there.names)

    def _widened(
        self, dataset: Dataset, rows: pa.Table, latest: DatasetVersion, producer: str
    ) -> Manifest:
        """Write all rows anew with the columns of both, in constant memory; return the manifest."""
        there = arrow_schema(latest.manifest.schema)
        nullable = _nullable(there)
        whole = self._together([nullable.empty_table(), rows])
        with session() as connection:
            table = Table.of(latest)
            relation = format_for(table.format).relation(table, self.settings.lake, connection)
            before = relation.to_arrow_reader(ROW_GROUP_ROWS)
            batches = chain((_wider(one, whole.schema) for one in before), whole.to_batches())
            reader = pa.RecordBatchReader.from_batches(whole.schema, batches)
            return write_version(
                self.settings.lake, dataset, reader, inputs=(latest.ref,), producer=producer
            )

    def _forget(self) -> None:
        """Delete the batch; what tells that it was tried goes last."""
        for segment in self._segments():
            segment.unlink(missing_ok=True)
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def _served(repo: RepoSpec, shape: LogShape) -> ServiceSpec:
    """Return the service as it was when ``shape`` was logged, but for how it renames views now."""
    now = next((one for one in repo.services if one.name == shape.service), None)
    return ServiceSpec(
        name=shape.service,
        features=tuple(FeatureRef(one.view, one.feature) for one in shape.features),
        projections=now.projections if now else (),
    )


def _sources(catalog: "Library", repo: RepoSpec) -> dict[str, Dataset]:
    return {name: catalog.dataset(DatasetRef.parse(name)) for name in sorted(repo.datasets)}


def _wider(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with the columns of ``schema``; null where it has none."""
    columns = [
        batch.column(field.name)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _nullable(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` as Arrow has it for rows that were not written yet."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])
